package egress_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/egress"
)

// book answers each look-up of a name with the next of its lists, the last
// one again and again.
type book struct {
	mu    sync.Mutex
	lists [][]string
	asked int
}

func (b *book) LookupNetIP(_ context.Context, _, _ string) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.lists[min(b.asked, len(b.lists)-1)]
	b.asked++
	var found []netip.Addr
	for _, text := range list {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, nil
}

// answering counts calls and says yes.
func answering(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) }

// home lets the loopback interface through, which stands for the Internet.
func home(t *testing.T, c *deliverytest.Chaos) egress.Options {
	o := egress.Options{Allow: []netip.Prefix{network(t, "127.0.0.0/8")}, Timeout: 5 * time.Second}
	if c.CA != nil {
		o.Roots = x509.NewCertPool()
		o.Roots.AppendCertsFromPEM(c.CA)
	}
	return o
}

// post calls with secrets in all parts of the request, and reads the answer.
func post(ctx context.Context, o egress.Options, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/p4ths3cret?q=qu3rys3cret", strings.NewReader("b0dys3cret"))
	if err != nil {
		return 0, err
	}
	answer, err := egress.New(o).Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.ReadAll(answer.Body)
	return answer.StatusCode, err
}

// silent fails when an error tells what stood in the request or the answer.
func silent(t *testing.T, err error) {
	t.Helper()
	var e *egress.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *egress.Error", err)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("it tells a secret: %v", err)
	}
}

func TestNamesThatResolveToTheHouseAreNeverConnected(t *testing.T) {
	t.Parallel()
	c := deliverytest.NewChaos(t, http.HandlerFunc(answering))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(c.URL, "https://"))
	for _, list := range [][]string{
		{"127.0.0.1"},
		{"::1"},
		{"::ffff:127.0.0.1"},
		{"10.0.0.1"},
		{"172.16.0.1"},
		{"192.168.1.1"},
		{"169.254.169.254"},
		{"fd00:ec2::254"},
		{"0.0.0.0"},
		{"100.64.0.1"},
		{"224.0.0.1"},
		{"64:ff9b::7f00:1"},
		{"2002:7f00:1::"},
		{"::127.0.0.1"},
		{"fe80::1%lo"},
		{"93.184.216.34", "127.0.0.1"},
	} {
		_, err := post(t.Context(), egress.Options{Resolver: &book{lists: [][]string{list}}}, "https://app.example:"+port)
		var e *egress.Error
		if !errors.Is(err, egress.ErrRefused) || !errors.As(err, &e) || e.Sent || e.Host != "app.example" {
			t.Errorf("%v: %v", list, err)
			continue
		}
		silent(t, err)
	}
	if n := len(c.Calls()); n != 0 {
		t.Errorf("%d calls came through", n)
	}
}

func TestTheSystemsResolverIsGuardedToo(t *testing.T) {
	t.Parallel()
	c := deliverytest.NewChaos(t, http.HandlerFunc(answering))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(c.URL, "https://"))
	if _, err := post(t.Context(), egress.Options{}, "https://localhost:"+port); !errors.Is(err, egress.ErrRefused) {
		t.Error(err)
	}
	if _, err := post(t.Context(), egress.Options{}, c.URL); !errors.Is(err, egress.ErrRefused) {
		t.Error(err)
	}
	o := home(t, c)
	o.Allow = append(o.Allow, network(t, "::1"))
	if status, err := post(t.Context(), o, "https://localhost:"+port); status != http.StatusOK {
		t.Errorf("allowed, and yet %d, %v", status, err)
	}
	if n := len(c.Calls()); n != 1 {
		t.Errorf("%d calls came through", n)
	}
}

func TestEveryAddressOfANameMustBePublic(t *testing.T) {
	t.Parallel()
	c := deliverytest.NewPlainChaos(t, http.HandlerFunc(answering))
	u, _ := url.Parse(c.URL)
	o := egress.Options{Allow: []netip.Prefix{network(t, "127.0.0.1")}, Resolver: &book{lists: [][]string{{"127.0.0.1", "10.0.0.1"}}}}
	if _, err := post(t.Context(), o, "http://app.example:"+u.Port()); !errors.Is(err, egress.ErrRefused) {
		t.Error(err)
	}
	if n := len(c.Calls()); n != 0 {
		t.Errorf("the first address was called %d times", n)
	}
}

// TestANameThatChangesItsMindGainsNothing has one server at 127.0.0.2, which
// is allowed and stands for the Internet, and one at 127.0.0.1, which is not.
func TestANameThatChangesItsMindGainsNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs the whole of 127.0.0.0/8 on the loopback interface, as Linux has it")
	}
	outside, port := listen(t, "127.0.0.2:0")
	inside, _ := listen(t, "127.0.0.1:"+port)
	names := &book{lists: [][]string{{"127.0.0.2"}, {"127.0.0.1"}}}
	o := egress.Options{Allow: []netip.Prefix{network(t, "127.0.0.2")}, Resolver: names}
	if status, err := post(t.Context(), o, "http://app.example:"+port); status != http.StatusOK {
		t.Fatalf("the first call: %d, %v", status, err)
	}
	if names.asked != 1 {
		t.Errorf("a call looked the name up %d times", names.asked)
	}
	if _, err := post(t.Context(), o, "http://app.example:"+port); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("the second call: %v", err)
	}
	if len(outside.Calls()) != 1 || len(inside.Calls()) != 0 {
		t.Errorf("%d calls outside, %d inside", len(outside.Calls()), len(inside.Calls()))
	}
}

// listen starts a server without TLS that keeps its requests.
func listen(t *testing.T, address string) (*deliverytest.Chaos, string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("cannot listen at %s: %v", address, err)
	}
	calls := deliverytest.NewPlainChaos(t, http.HandlerFunc(answering))
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: calls, ReadHeaderTimeout: time.Second}}
	s.Config.SetKeepAlivesEnabled(false)
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return calls, port
}

func TestTheNextAddressIsTriedWhenOneIsDead(t *testing.T) {
	t.Parallel()
	c := deliverytest.NewPlainChaos(t, http.HandlerFunc(answering))
	u, _ := url.Parse(c.URL)
	o := home(t, c)
	o.Allow = append(o.Allow, network(t, "::1"))
	o.Resolver = &book{lists: [][]string{{"::1", "127.0.0.1"}}} // the server is at the second
	if status, err := post(t.Context(), o, "http://app.example:"+u.Port()); status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
}

func TestPlainTextStaysInNetworksThatAreAllowed(t *testing.T) {
	t.Parallel()
	o := egress.Options{Allow: []netip.Prefix{network(t, "127.0.0.0/8")}, Resolver: &book{lists: [][]string{{"93.184.216.34"}}}}
	if _, err := post(t.Context(), o, "http://app.example"); !errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), "https") {
		t.Error(err)
	}
}

func TestRedirectsAreAnswersLikeOthers(t *testing.T) {
	t.Parallel()
	c, target := deliverytest.NewChaos(t, http.HandlerFunc(answering)), deliverytest.NewChaos(t, http.HandlerFunc(answering))
	c.RedirectTo(target.URL)
	if status, err := post(t.Context(), home(t, c), c.URL); status != http.StatusFound || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	if n := len(target.Calls()); n != 0 {
		t.Errorf("it was followed %d times", n)
	}
}

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) { //nolint:paralleltest // sets the environment
	c, proxy := deliverytest.NewPlainChaos(t, http.HandlerFunc(answering)), deliverytest.NewPlainChaos(t, http.HandlerFunc(answering))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	u, _ := url.Parse(c.URL)
	o := home(t, c)
	o.Resolver = &book{lists: [][]string{{"127.0.0.1"}}}
	if status, err := post(t.Context(), o, "http://app.example:"+u.Port()); status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
	if len(c.Calls()) != 1 || len(proxy.Calls()) != 0 {
		t.Errorf("%d calls, %d by the proxy", len(c.Calls()), len(proxy.Calls()))
	}
}

func TestServersThatMisbehaveAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode deliverytest.Mode
		sent bool
		want string
	}{
		{deliverytest.Slow, true, "no answer in time"},
		{deliverytest.Drip, true, "no answer in time"},
		{deliverytest.Reset, true, "lost"},
		{deliverytest.Huge, true, "too long"},
		{deliverytest.Garbage, true, "no HTTP"},
		{deliverytest.WrongName, false, "another name"},
		{deliverytest.Expired, false, "expired"},
		{deliverytest.Untrusted, false, "unknown authority"},
	} {
		t.Run(c.mode.String(), func(t *testing.T) {
			t.Parallel()
			s := deliverytest.NewChaos(t, http.HandlerFunc(answering))
			s.Set(c.mode)
			o := home(t, s)
			if strings.Contains(c.want, "in time") {
				o.Timeout = 2 * time.Second // enough for a handshake on a busy machine
			}
			_, err := post(t.Context(), o, s.URL)
			var e *egress.Error
			if !errors.As(err, &e) || e.Sent != c.sent || !strings.Contains(e.What, c.want) {
				t.Fatalf("%v (%+v)", err, e)
			}
			silent(t, err)
		})
	}
}

func TestWhatCannotBeReachedIsToldApart(t *testing.T) {
	t.Parallel()
	dead := deliverytest.NewPlainChaos(t, http.HandlerFunc(answering))
	o := home(t, dead)
	o.Roots = nil
	secure := strings.Replace(dead.URL, "http:", "https:", 1)
	if _, err := post(t.Context(), o, secure); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("plain HTTP where TLS was asked for: %v", err)
	}
	o.Resolver = &book{lists: [][]string{{}}}
	if _, err := post(t.Context(), o, "https://app.example"); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("a name without addresses: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := post(ctx, o, "https://app.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was canceled: %v", err)
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	from := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		from[r.RemoteAddr]++
	}))
	t.Cleanup(s.Close)
	client := egress.New(egress.Options{Allow: []netip.Prefix{network(t, "127.0.0.1")}})
	for range 3 {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	if len(from) != 1 {
		t.Errorf("3 calls took %d connections", len(from))
	}
}
