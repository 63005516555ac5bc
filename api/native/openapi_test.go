package native

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// closed is the document with answers that hold nothing else: clients must
// bear new members, but none may come without being described.
func closed(t *testing.T) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	for _, schema := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		if s := schema.(map[string]any); s["type"] == "object" {
			s["additionalProperties"] = false
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// openAPI loads and validates the document, its examples included.
func openAPI(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(closed(t))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Fatalf("validate: %v", err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatalf("router: %v", err)
	}
	return doc, router
}

func TestTheDocumentIsValidAndServedToAnybody(t *testing.T) {
	t.Parallel()
	openAPI(t)
	rec := httptest.NewRecorder()
	describe(rec, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	if rec.Code != http.StatusOK || rec.Body.String() != document {
		t.Errorf("served %d, %d bytes", rec.Code, rec.Body.Len())
	}
}

func TestTheDocumentAndTheRoutesAreTheSame(t *testing.T) {
	t.Parallel()
	doc, _ := openAPI(t)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, route := range New(api.Host{}).Routes {
		for _, method := range route.Methods {
			served = append(served, method+" "+route.Pattern)
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described %v\nserved    %v", described, served)
	}
}

func TestTheDocumentNamesEveryWord(t *testing.T) {
	t.Parallel()
	doc, _ := openAPI(t)
	words := func(schema string) (all []string) {
		s := doc.Components.Schemas[schema].Value
		if schema == "Problem" {
			s = s.Properties["type"].Value
		}
		for _, word := range s.Enum {
			all = append(all, word.(string))
		}
		slices.Sort(all)
		return all
	}
	var statuses, outcomes, problems, channels []string
	for _, c := range otp.Channels() {
		channels = append(channels, string(c))
	}
	for _, s := range otp.Statuses() {
		statuses = append(statuses, s.String())
	}
	for _, o := range otp.Outcomes() {
		if o != otp.OutcomeThrottled { // is a problem
			outcomes = append(outcomes, o.String())
		}
	}
	for _, k := range otp.Kinds() {
		problems = append(problems, problemBase+ofKind(k).name)
	}
	for _, status := range []int{400, 405, 413, 415, 431} {
		problems = append(problems, problemBase+ofStatus(status).name)
	}
	for schema, want := range map[string][]string{"Status": statuses, "Outcome": outcomes, "Problem": problems, "Channel": channels} {
		slices.Sort(want)
		if got := words(schema); !slices.Equal(got, want) {
			t.Errorf("%s: the document has %v, the code %v", schema, got, want)
		}
	}
}

// TestTheDocumentIsTrue plays every transcript and holds each answer, and each
// request that was granted, against the document; then it asks whether
// everything that the document promises was seen.
func TestTheDocumentIsTrue(t *testing.T) {
	t.Parallel()
	doc, router := openAPI(t)
	seen := &sightings{all: map[string]bool{}}
	t.Run("transcripts", func(t *testing.T) {
		apitest.Transcripts(t, func(h api.Host) api.Dialect { return witnessed(t, New(h), router, seen) })
	})
	playRefusals(t, router, seen)
	playPlan(t, router, seen)
	playTests(t, router, seen)
	playLinks(t, router, seen)
	playLocked(t, router, seen)
	promised := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				promised[fmt.Sprint(method, " ", path, " ", status)] = true
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(promised)) {
		// These need a broken store, a race or an account without balance.
		rare := strings.HasSuffix(what, " 500") || strings.HasSuffix(what, " 503") || strings.HasSuffix(what, " 402") ||
			strings.HasSuffix(what, " 409") && !strings.Contains(what, "resend") && !strings.Contains(what, "next")
		if !seen.all[what] && !rare {
			t.Errorf("no transcript shows %s", what)
		}
	}
}

type sightings struct {
	mu  sync.Mutex
	all map[string]bool
}

func (s *sightings) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[what] = true
}

// witnessed puts the document's validator around each route, refusals of wrong
// methods included.
func witnessed(t *testing.T, d api.Dialect, router routers.Router, seen *sightings) api.Dialect {
	t.Helper()
	for i := range d.Routes {
		route := &d.Routes[i]
		handler, refused, methods := route.Handler, route.Refuse, route.Methods
		route.Handler = func(w http.ResponseWriter, r *http.Request) {
			witness(t, router, seen, r, w, func(w http.ResponseWriter) { handler(w, r) })
		}
		route.Refuse = func(w http.ResponseWriter, r *http.Request, what httpx.Refusal) {
			told := r.Clone(r.Context()) // the document answers for a method that the path has
			if what.Status == http.StatusMethodNotAllowed {
				told.Method = methods[0]
			}
			witness(t, router, seen, told, w, func(w http.ResponseWriter) { refused(w, r, what) })
			for method := range strings.SplitSeq(w.Header().Get("Allow"), ", ") {
				seen.add(fmt.Sprint(method, " ", route.Pattern, " ", what.Status)) // one answer serves them all
			}
		}
	}
	return d
}

func witness(t *testing.T, router routers.Router, seen *sightings, r *http.Request, w http.ResponseWriter, serve func(http.ResponseWriter)) {
	t.Helper()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	maps.Copy(rec.Header(), w.Header())
	serve(rec)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())

	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	seen.add(fmt.Sprint(r.Method, " ", route.Path, " ", rec.Code))
	again := r.Clone(t.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	input := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: options}
	if rec.Code < 300 {
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("%s %s was granted: %v", r.Method, r.URL.Path, err)
		}
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: rec.Code, Header: rec.Header(), Options: options}
	response.SetBodyBytes(rec.Body.Bytes())
	if err := openapi3filter.ValidateResponse(t.Context(), response); err != nil {
		t.Errorf("%s %s is answered %d: %v", r.Method, r.URL.Path, rec.Code, err)
	}
}
