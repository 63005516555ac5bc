// Package app ties the house together: it is the one place that knows every
// dialect, engine and provider. An [App] is a whole server as a value, with
// New, Start, Addr and Stop; the command line only turns words into [Options].
//
// It holds no rule about codes and speaks no dialect.
package app
