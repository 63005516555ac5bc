package apitest

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

var update = flag.Bool("update", false, "write the answers into the golden transcripts instead of comparing")

// Transcripts replays each testdata/*.txtar of the calling package.
//
// An archive's comment names the document that it was taken from. Its files
// come in pairs: NAME.request holds an HTTP/1.1 request as on the wire (a
// Content-Length is not needed), NAME.response the status, the headers that
// are given there, and the body. Within a request {{code}} is the code sent
// last, {{wrong}} a wrong one, and {{word}} what the pattern of an earlier
// answer caught. A line "# advance 10m" before a request moves the clock, and
// "# store down" takes the store away until "# store up". In a response
// {{name:REGEXP}} matches and keeps a part that differs each time (the
// expression holds no braces and no groups), and {{name}} is what was kept.
// With -update the responses are written anew: parts that were matched by a
// pattern keep it.
func Transcripts(t *testing.T, construct Constructor) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.TrimSpace(archive.Comment)) == 0 {
				t.Error("the transcript does not name the document that it was taken from")
			}
			play := &player{t: t, world: world.New(t, world.Options{}), kept: map[string]string{}}
			play.handler = Handler(t, play.world, construct)
			play.all(archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// player replays one archive.
type player struct {
	t       *testing.T
	world   *world.World
	handler http.Handler
	kept    map[string]string
}

func (p *player) all(archive *txtar.Archive) {
	for i := 0; i+1 < len(archive.Files); i += 2 {
		request, response := &archive.Files[i], &archive.Files[i+1]
		name := strings.TrimSuffix(request.Name, ".request")
		if response.Name != name+".response" {
			p.t.Fatalf("%s is not followed by %s.response", request.Name, name)
		}
		got := p.exchange(name, string(request.Data), headersOf(string(response.Data)))
		if *update {
			response.Data = []byte(p.merge(string(response.Data), got))
			continue
		}
		if !p.matches(string(response.Data), got) {
			p.t.Errorf("%s: got\n%s\nwant\n%s", name, got, response.Data)
		}
	}
}

// exchange sends one request and writes the answer in the transcript's form.
func (p *player) exchange(name, text string, headers []string) string {
	for strings.HasPrefix(text, "#") {
		line, rest, _ := strings.Cut(text, "\n")
		p.direct(name, strings.TrimSpace(line))
		text = rest
	}
	r := p.request(name, p.expand(text))
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", rec.Code, http.StatusText(rec.Code))
	for _, h := range headers {
		for _, v := range rec.Result().Header.Values(h) {
			fmt.Fprintf(&b, "%s: %s\n", h, v)
		}
	}
	b.WriteString("\n" + rec.Body.String())
	if rec.Body.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// direct does what a line before a request says; any other line is a comment.
func (p *player) direct(name, line string) {
	if span, ok := strings.CutPrefix(line, "# advance "); ok {
		d, err := time.ParseDuration(span)
		if err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
		p.world.Clock.Advance(d)
	}
	switch line {
	case "# store down":
		p.world.Engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("no connection")}})
	case "# store up":
		p.world.Engine.FailWith(memory.Trouble{})
	}
}

// request parses the text of a request.
func (p *player) request(name, text string) *http.Request {
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	wire := strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + fmt.Sprintf("\r\nHost: aldaba.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	return r
}

// expand fills the placeholders of a request.
func (p *player) expand(text string) string {
	return regexp.MustCompile(`\{\{([a-z0-9_]+)\}\}`).ReplaceAllStringFunc(text, func(m string) string {
		switch name := m[2 : len(m)-2]; name {
		case "code":
			return p.world.Courier.Last(p.t).Code
		case "wrong":
			return otptest.WrongCode(p.world.Courier.Last(p.t).Code)
		default:
			return p.kept[name]
		}
	})
}

var pattern = regexp.MustCompile(`\{\{([a-z0-9_]+):(.+?)\}\}`)

// compile makes one expression of a response with patterns.
func compile(want string) (*regexp.Regexp, []string) {
	var b strings.Builder
	var names []string
	b.WriteString("^")
	at := 0
	for _, m := range pattern.FindAllStringSubmatchIndex(want, -1) {
		b.WriteString(regexp.QuoteMeta(want[at:m[0]]) + "(" + want[m[4]:m[5]] + ")")
		names = append(names, want[m[2]:m[3]])
		at = m[1]
	}
	b.WriteString(regexp.QuoteMeta(want[at:]) + "$")
	return regexp.MustCompile(b.String()), names
}

// recall fills in what earlier answers of the archive were seen to hold.
func (p *player) recall(want string) string {
	for name, value := range p.kept {
		want = strings.ReplaceAll(want, "{{"+name+"}}", value)
	}
	return want
}

// matches compares and keeps what the patterns caught.
func (p *player) matches(want, got string) bool {
	expression, names := compile(p.recall(want))
	found := expression.FindStringSubmatch(got)
	for i, name := range names {
		if found != nil {
			p.kept[name] = found[i+1]
		}
	}
	return found != nil
}

// merge writes the new answer, keeping the patterns of the lines that still
// match.
func (p *player) merge(want, got string) string {
	if p.matches(want, got) {
		return want
	}
	old := strings.Split(want, "\n")
	lines := strings.Split(got, "\n")
	for i, line := range lines {
		if j := slices.IndexFunc(old, func(o string) bool { return strings.Contains(o, "{{") && p.matches(o, line) }); j >= 0 {
			lines[i] = old[j]
		}
	}
	return strings.Join(lines, "\n")
}

// headersOf lists the headers that a response of a transcript names.
func headersOf(response string) []string {
	head, _, _ := strings.Cut(response, "\n\n")
	var names []string
	for _, line := range strings.Split(head, "\n")[1:] {
		if name, _, ok := strings.Cut(line, ":"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// record returns everything that an answer consists of.
func record(s *Scene, r *http.Request) string {
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	var b strings.Builder
	_ = rec.Result().Header.Write(&b)
	return b.String() + rec.Body.String()
}
