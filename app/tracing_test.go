package app

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/store"
)

// spans is a collector that takes OTLP over HTTP.
func spans(t *testing.T) (endpoint string, all func() []*wire.Span) {
	t.Helper()
	var mu sync.Mutex
	var list []*wire.Span
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var asked collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &asked) != nil {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range asked.GetResourceSpans() {
			for _, in := range of.GetScopeSpans() {
				list = append(list, in.GetSpans()...)
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []*wire.Span {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

// TestTraceGoesFromTheRequestToTheProvider follows one start through the store
// and the queue.
func TestTraceGoesFromTheRequestToTheProvider(t *testing.T) {
	t.Parallel()
	endpoint, all := spans(t)
	log := &lines{}
	a, err := New(t.Context(), Options{
		Listen: "127.0.0.1:0", Database: "memory:", KeysFile: ringIn(t, t.TempDir()), Log: logTo(log), Traces: config.Traces{Endpoint: endpoint, Sample: 1},
	})
	if err == nil {
		err = a.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	apply(t, a, shop, false)
	if status, body := call(t, http.MethodPost, "http://"+a.Addr()+"/v1/verifications", shopKey, `{"to":"+584121234567"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	rest(t, a)
	message := a.Inbox.List("", "", 1)[0]
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	byName := map[string]*wire.Span{}
	for _, s := range all() {
		byName[s.GetName()] = s
	}
	request := byName["POST /v1/verifications"]
	if request == nil {
		t.Fatalf("the request has no span: %v", all())
	}
	for child, parent := range map[string]string{"store step": "POST /v1/verifications", "message": "POST /v1/verifications", "send": "message"} {
		c, p := byName[child], byName[parent]
		if c == nil || p == nil || !bytes.Equal(c.GetParentSpanId(), p.GetSpanId()) || !bytes.Equal(c.GetTraceId(), request.GetTraceId()) {
			t.Errorf("%s does not hang below %s: %v", child, parent, c)
		}
	}
	text := fmt.Sprint(all())
	if !strings.Contains(text, message.Verification) || !strings.Contains(text, "box") || !strings.Contains(text, "native") {
		t.Errorf("the spans lack verification, provider or dialect: %s", text)
	}
	for _, secret := range []string{"584121234567", message.Code, shopKey} {
		if strings.Contains(text, secret) {
			t.Errorf("the spans hold %s", secret)
		}
	}
	id := hex.EncodeToString(request.GetTraceId())
	if !regexp.MustCompile(`"msg":"request".*"route":"/v1/verifications".*"trace_id":"` + id + `"`).MatchString(log.String()) {
		t.Errorf("no line of the log names the trace %s: %s", id, log.String())
	}
}

func TestWithoutTracesNothingStandsInTheWay(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	if _, plain := a.tracedStore().(*store.Writer); !plain || a.traceTry() != nil || a.tracer != nil {
		t.Error("traces are off and cost something")
	}
}

// BenchmarkWatch is what each request costs without traces.
func BenchmarkWatch(b *testing.B) {
	a, err := New(b.Context(), Options{Database: "memory:", KeysFile: ringIn(b, b.TempDir())})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = stop(a) }()
	r := httptest.NewRequest(http.MethodPost, "/v1/verifications", nil)
	r.Pattern = "/v1/verifications"
	b.ReportAllocs()
	for b.Loop() {
		inner, end := a.watch(r)
		end(inner, http.StatusCreated)
	}
}
