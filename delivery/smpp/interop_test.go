package smpp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// happening is one line of testdata/smsc.js.
type happening struct {
	Event, ID, Text, Command string
	Port, Coding, Class      int
	Version, Registered      int
	Status                   int
	Good                     bool
	UDH                      []string
	Source, Dest             []any
	Segments                 []int
}

// process starts a program that ends with the test, and returns its lines.
func process(t testing.TB, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100_000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(told)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			told <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	return told
}

// outside is the centre of testdata/smsc.js.
type outside struct {
	port  int
	told  <-chan string
	early map[string][]happening // that came before they were asked for
}

func startNode(t testing.TB) *outside {
	t.Helper()
	folder := deliverytest.NPM(t, "smpp", "0.5.1")
	script, err := filepath.Abs("testdata/smsc.js")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(folder, "node_modules"))
	cmd.Stderr = os.Stderr
	o := &outside{told: process(t, cmd), early: map[string][]happening{}}
	o.port = o.next(t, "port").Port
	return o
}

// next returns the next happening of a kind.
func (o *outside) next(t testing.TB, kind string) happening {
	t.Helper()
	patience := time.After(20 * time.Second)
	for len(o.early[kind]) == 0 {
		select {
		case line, ok := <-o.told:
			var h happening
			if err := json.Unmarshal([]byte(line), &h); !ok || err != nil {
				t.Fatalf("the centre ended before any %s: %q", kind, line)
			}
			o.early[h.Event] = append(o.early[h.Event], h)
		case <-patience:
			t.Fatalf("no %s", kind)
		}
	}
	h := o.early[kind][0]
	o.early[kind] = o.early[kind][1:]
	return h
}

// reach runs a provider against a port of this machine, and waits for its bind.
func reach(t testing.TB, port int, more map[string]any) *line {
	t.Helper()
	values := map[string]any{"address": net.JoinHostPort("127.0.0.1", fmt.Sprint(port))}
	for key, value := range more {
		values[key] = value
	}
	l := &line{desk: &desk{}, log: newLines()}
	l.Provider = open(with(t, values), clock.New(0), slog.New(l.log))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx, l.desk.note)
	}()
	l.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(l.stop)
	return l
}

// bodies are texts that an alphabet of short messages can get wrong.
func bodies() []string {
	return []string{
		"Your code is 482913\n\n@example.com #482913", "[€] {~} ^|\\ _$£ ñÑ äöü àèéìòù Ω", "Su código ✓ 482913 😀",
		strings.Repeat("0123456789", 40), strings.Repeat("ñ€", 200), strings.Repeat("😀á", 60),
	}
}

// TestNode speaks with the npm package smpp: what a phone reads there is what
// was sent, in each encoding and each form of long messages, and each receipt
// is noted.
func TestNode(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]map[string]any{
		"as usual":     nil,
		"sar":          {"long": "sar"},
		"payload":      {"long": "payload"},
		"pair, 5.0":    {"bind": "pair", "version": "5.0"},
		"UCS-2 always": {"encoding": "ucs2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startNode(t)
			l := reach(t, o.port, more)
			_, want := l.Status()
			for range want {
				<-l.log.bound
			}
			ids := map[string]bool{}
			for _, body := range bodies() {
				m := deliverytest.Message()
				m.Body = body
				r, err := l.Send(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				text := ""
				for i, id := range r.IDs {
					h := o.next(t, "submit")
					if h.ID != id || h.Registered != 1 || fmt.Sprint(h.Source) != "[5 0 Acme]" || fmt.Sprint(h.Dest) != "[1 1 18091234567]" {
						t.Errorf("part %d: %+v", i, h)
					}
					text += h.Text
					ids[id] = true
					isOutsideNumbered(t, l.o.Long, h, i+1, len(r.IDs))
				}
				if text != body {
					t.Errorf("the phone shows %q, not %q", text, body)
				}
			}
			for range ids {
				if h := o.next(t, "acknowledged"); h.Status != 0 {
					t.Errorf("%+v", h)
				}
			}
			l.desk.mu.Lock()
			defer l.desk.mu.Unlock()
			for _, r := range l.desk.reports {
				if !ids[r.ID] || r.State != delivery.Delivered || r.Code != "DELIVRD" {
					t.Errorf("%+v", r)
				}
				delete(ids, r.ID)
			}
			if len(ids) > 0 {
				t.Errorf("no receipt of %v", ids)
			}
		})
	}
}

// isOutsideNumbered holds what the centre read of a part to its number.
func isOutsideNumbered(t *testing.T, how string, h happening, n, of int) {
	t.Helper()
	switch {
	case of == 1:
		if len(h.UDH) != 0 || len(h.Segments) != 0 {
			t.Errorf("%+v", h)
		}
	case how == "udh":
		if len(h.UDH) != 1 || !strings.HasPrefix(h.UDH[0], "0003") || !strings.HasSuffix(h.UDH[0], fmt.Sprintf("%02x%02x", of, n)) {
			t.Errorf("part %d of %d: %+v", n, of, h)
		}
	case len(h.Segments) != 3 || h.Segments[1] != of || h.Segments[2] != n:
		t.Errorf("part %d of %d: %+v", n, of, h)
	}
}

func TestNodeRefusesABadPassword(t *testing.T) {
	t.Parallel()
	o := startNode(t)
	l := reach(t, o.port, map[string]any{"password": "wrong"})
	if h := o.next(t, "bind"); h.Good || h.Version != 0x34 {
		t.Errorf("%+v", h)
	}
	o.next(t, "bind") // it comes again, so the first has been judged
	_, err := l.Send(t.Context(), deliverytest.Message())
	var e *delivery.Error
	if !errors.As(err, &e) || e.Class != delivery.Unavailable || !strings.Contains(err.Error(), "ESME_RBINDFAIL") {
		t.Errorf("%v", err)
	}
}

func TestNodeIsToldGoodBye(t *testing.T) {
	t.Parallel()
	o := startNode(t)
	l := reach(t, o.port, nil)
	<-l.log.bound
	l.stop()
	o.next(t, "unbind")
}
