package httpsms_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/tools/txtar"

	"github.com/aldaba-otp/aldaba/delivery"
)

var update = flag.Bool("update", false, "write what is seen into testdata")

// names are the presets, each of which has a transcript.
func names(t testing.TB) (all []string) {
	t.Helper()
	files, err := filepath.Glob("presets/*.yaml")
	if err != nil || len(files) < 19 {
		t.Fatalf("%d presets: %v", len(files), err)
	}
	for _, f := range files {
		all = append(all, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return all
}

// TestTranscripts plays testdata/PRESET.txtar: the request byte for byte, the
// vendor's answers and its calls.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := load(t, name)
			seen := map[string][]byte{}
			tr.playAnswers(t, seen)
			tr.playCalls(t, seen)
			tr.compare(t, seen)
		})
	}
}

// playAnswers sends the message once for each answer.
func (tr *transcript) playAnswers(t *testing.T, seen map[string][]byte) {
	t.Helper()
	gateway := newServer(t)
	p := tr.open(t, gateway.URL, stopped())
	answers, _ := tr.parts(t)
	for _, name := range answers {
		gateway.say(replay(t, tr.part(name+".http")))
		receipt, err := p.Send(t.Context(), tr.message)
		seen[name+".want"] = outcome(receipt, err)
		if err != nil && holdsAny(err.Error(), append(secretsOf(tr.settings), tr.message.Code, tr.message.To, tr.message.Body)) {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
		request := neutral(t, tr, written(gateway.request, gateway.body), gateway.URL)
		if before := seen["request.http"]; before != nil && !bytes.Equal(before, request) {
			t.Errorf("%s: another request:\n%s", name, request)
		}
		seen["request.http"] = request
	}
	if gateway.count() != len(answers) {
		t.Errorf("%d requests for %d messages", gateway.count(), len(answers))
	}
}

// neutral takes out of a request what is new each time: the address of the
// server, and tokens, after checking them.
func neutral(t *testing.T, tr *transcript, request []byte, url string) []byte {
	t.Helper()
	request = bytes.ReplaceAll(request, []byte(strings.TrimPrefix(url, "http://")), []byte("gateway"))
	if tr.name == "aws-sns" { // the host, with its port, is signed
		request = regexp.MustCompile(`Signature=[0-9a-f]{64}`).ReplaceAll(request, []byte("Signature=..."))
	}
	if tr.name != "vonage-voice" {
		return request
	}
	token := regexp.MustCompile(`Bearer (\S+)`).FindSubmatch(request)
	parsed, err := jwt.ParseSigned(string(token[1]), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var standard jwt.Claims
	var own struct {
		Application string `json:"application_id"`
	}
	if err := parsed.Claims(&privateKey().PublicKey, &standard, &own); err != nil {
		t.Fatal(err)
	}
	if !standard.Expiry.Time().Equal(noon().Add(15*time.Minute)) || standard.ID == "" || own.Application != "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab" {
		t.Errorf("claims %+v %+v", standard, own)
	}
	return bytes.ReplaceAll(request, token[1], []byte("..."))
}

// outcome writes what became of a message.
func outcome(receipt delivery.Receipt, err error) []byte {
	var e *delivery.Error
	switch {
	case err == nil:
		line := "taken " + strings.Join(receipt.IDs, " ")
		if receipt.Expect {
			line += " expect"
		}
		return []byte(strings.TrimSpace(line) + "\n")
	case errors.As(err, &e):
		line := e.Class.String() + " " + e.Code
		if e.After > 0 {
			line += " after " + e.After.String()
		}
		return []byte(strings.TrimSpace(line) + "\n")
	}
	return []byte("another error: " + err.Error() + "\n")
}

// playCalls gives each of the vendor's calls to the provider.
func (tr *transcript) playCalls(t *testing.T, seen map[string][]byte) {
	t.Helper()
	_, calls := tr.parts(t)
	p := tr.open(t, "https://gateway.example", stopped())
	for _, name := range calls {
		c, ok := p.(delivery.Callback)
		if !ok {
			t.Fatal("it takes no calls")
		}
		r, body := tr.call(t, tr.part(name+".http"))
		reports, reply, err := c.Callback(r, body)
		seen[name+".want"] = told(reports, reply, err)
	}
}

// call makes a vendor's call of a part.
func (tr *transcript) call(t testing.TB, part []byte) (*http.Request, []byte) {
	t.Helper()
	first, header, body := split(t, part)
	method, query, _ := strings.Cut(first, " ")
	r := httptest.NewRequestWithContext(context.Background(), method, "/receipts/"+tr.name+query, bytes.NewReader(body))
	r.Header = header
	return r, body
}

func told(reports []delivery.Report, reply delivery.Reply, err error) []byte {
	var b bytes.Buffer
	if err != nil {
		fmt.Fprintln(&b, "error:", err)
	}
	if len(reply.Body) > 0 {
		fmt.Fprintf(&b, "reply %s: %s\n", reply.ContentType, reply.Body)
	}
	for _, r := range reports {
		line := r.ID + " " + r.State.String()
		if r.Code != "" {
			line += " " + r.Code
		}
		if !r.At.IsZero() {
			line += " " + r.At.Format(time.RFC3339Nano)
		}
		fmt.Fprintln(&b, line)
	}
	if b.Len() == 0 {
		b.WriteString("nothing\n")
	}
	return b.Bytes()
}

// compare holds what was seen against the file, or writes it there.
func (tr *transcript) compare(t *testing.T, seen map[string][]byte) {
	t.Helper()
	for i, f := range tr.archive.Files {
		got, ok := seen[f.Name]
		if !ok {
			continue
		}
		if *update {
			tr.archive.Files[i].Data = got
		} else if !bytes.Equal(got, f.Data) {
			t.Errorf("%s:\n%s\nwant:\n%s", f.Name, got, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/"+tr.name+".txtar", txtar.Format(tr.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func holdsAny(text string, secrets []string) bool {
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// TestTranscriptsAreWhole holds each file to what it must show: where its parts
// are from, an answer of each class, and calls that prove and do not prove who
// they are from.
func TestTranscriptsAreWhole(t *testing.T) {
	t.Parallel()
	for _, name := range names(t) {
		tr := load(t, name)
		answers, calls := tr.parts(t)
		sources := map[string]bool{}
		for _, line := range strings.Split(string(tr.archive.Comment), "\n") {
			if parts, _, ok := strings.Cut(line, ": https://"); ok {
				for part := range strings.SplitSeq(parts, ", ") {
					sources[part] = true
				}
			}
		}
		classes := map[string]bool{}
		for _, part := range append(answers, calls...) {
			if !sources[part] {
				t.Errorf("%s: %s is from no document", name, part)
			}
			class, _, _ := strings.Cut(strings.TrimSpace(string(tr.part(part+".want"))), " ")
			classes[class] = true
		}
		for _, class := range []string{"taken", "rejected", "throttled", "unavailable"} {
			if !classes[class] {
				t.Errorf("%s: no answer is %s", name, class)
			}
		}
		if _, reports := tr.open(t, "https://gateway.example", stopped()).(delivery.Callback); reports && (!classes["error:"] || len(calls) < 3) && name != "twilio-voice" && name != "vonage-voice" {
			t.Errorf("%s: calls are not shown, with one that is forged", name)
		}
	}
}

// TestPresetsNameTheirDocuments asks each preset for the vendor's page.
func TestPresetsNameTheirDocuments(t *testing.T) {
	t.Parallel()
	for _, name := range names(t) {
		text, err := os.ReadFile("presets/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := bytes.Cut(text, []byte("\nchannels:"))
		if !bytes.Contains(head, []byte("# Request")) || !bytes.Contains(head, []byte("https://")) || !bytes.Contains(head, []byte("\nneeds:")) {
			t.Errorf("%s does not say where it is from and what it needs", name)
		}
	}
}
