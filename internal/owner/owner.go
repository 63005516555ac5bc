// Package owner gives files that root makes to the user whom the server runs as,
// who could not open them otherwise. It grants nothing: it only hands on what
// was made just now.
package owner
