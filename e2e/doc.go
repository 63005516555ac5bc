// Package e2e tests whole servers over HTTP: in process and as the real
// binary, on each SQL engine, and two servers on one PostgreSQL database.
//
// It holds tests alone and is no place for what one folder's own test can
// prove: rules belong to otp, bytes of answers to the dialects' transcripts,
// which are played here once more against running servers.
package e2e
