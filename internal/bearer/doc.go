// Package bearer makes and checks RS256 access tokens, and is the OAuth 2.0
// token endpoint that hands them out for client credentials (RFC 6749 section
// 4.4, RFC 6750).
//
// It is NOT an authorization server: no users, no codes, no refresh tokens, no
// discovery. It stores neither clients nor keys, both are the caller's, and it
// does not say what a scope allows.
package bearer
