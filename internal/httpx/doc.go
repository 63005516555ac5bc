// Package httpx is what every HTTP listener of the server needs: paths that
// are folded without redirects, a table of routes that answers unknown methods
// in each route's own words, bodies with a limit, request ids, safe headers,
// recovery, the access log, time limits and problem documents.
//
// It is NOT a framework and knows no dialect, no tenant and no credential
// store: handlers stay plain http.Handlers, and nothing travels in contexts.
// No raw URL, query, header value or body ever reaches a log line.
package httpx
