// Package otp is the core of Aldaba: every rule of issuing, carrying and
// judging one-time passcodes, and nothing else.
//
// It starts a verification of one address, derives its code, judges guesses,
// keeps the ledger of wrong guesses and of sends per destination, supersedes,
// resends, cancels and forgets. Each change of state is one [Step]: a list of
// keys to load and a pure decision over what was loaded, carried out by a
// [Store] in one atomic and durable transaction.
//
// It is not a server and not a database: it knows no HTTP, no SQL, no foreign
// dialect and no carrier, imports the standard library only, and reads time
// and randomness from its options. What needs a library (telephone numbers,
// password hashes, language tags) comes through small ports that package app
// fills.
package otp
