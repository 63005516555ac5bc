package httpx

import "net/http"

// Watch looks at requests for metrics and traces: it is called before one is
// served and returns the request to go on with, which may have another context,
// and what is called at its end with that request, whose route [RouteOf] knows
// then, and the status that was answered.
type Watch func(r *http.Request) (inner *http.Request, end func(inner *http.Request, status int))

// WithWatch lets a watch see every request.
func WithWatch(watch Watch) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner, end := watch(r)
			seen := record(w)
			defer func() {
				r.Pattern = inner.Pattern
				end(inner, seen.finalStatus())
			}()
			next.ServeHTTP(seen, inner)
		})
	}
}
