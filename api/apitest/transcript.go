package apitest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/aldaba-otp/aldaba/otp/otptest"
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
			w := world.New(t, world.Options{})
			for _, fault := range Play(t, archive, &worldStage{t, w, Handler(t, w, construct)}).Faults {
				t.Error(fault)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Stage is the server that a transcript is played to.
type Stage interface {
	// Ask sends one request, given as its bytes on the wire.
	Ask(wire string) *http.Response
	// Code returns the code that was sent last.
	Code() string
	// Advance moves the server's clock.
	Advance(d time.Duration)
	// Cut takes the store away or gives it back; false if this stage cannot.
	Cut(away bool) bool
	// Began is when the transcript began, by the server's clock.
	Began() time.Time
}

// Played is what came of a transcript.
type Played struct {
	Exchanges int
	Skipped   []string // what the stage could not do
	Faults    []string
}

// Play replays one archive; see [Transcripts].
func Play(tb testing.TB, archive *txtar.Archive, stage Stage) Played {
	tb.Helper()
	p := &player{t: tb, stage: stage, kept: map[string]string{}}
	p.all(archive)
	return p.played
}

// player replays one archive.
type player struct {
	t      testing.TB
	stage  Stage
	kept   map[string]string
	absent bool // the store should be away, but the stage cannot do that
	played Played
}

func (p *player) all(archive *txtar.Archive) {
	for i := 0; i+1 < len(archive.Files); i += 2 {
		request, response := &archive.Files[i], &archive.Files[i+1]
		name := strings.TrimSuffix(request.Name, ".request")
		if response.Name != name+".response" {
			p.t.Fatalf("%s is not followed by %s.response", request.Name, name)
		}
		text := p.directions(name, string(request.Data))
		if p.absent {
			p.played.Skipped = append(p.played.Skipped, name)
			continue
		}
		p.played.Exchanges++
		got := p.exchange(name, text, headersOf(string(response.Data)))
		if *update {
			response.Data = []byte(p.merge(string(response.Data), got))
			continue
		}
		if !p.matches(string(response.Data), got) {
			p.played.Faults = append(p.played.Faults, fmt.Sprintf("%s: got\n%s\nwant\n%s", name, got, response.Data))
		}
	}
}

// exchange sends one request and writes the answer in the transcript's form.
func (p *player) exchange(name, text string, headers []string) string {
	answer := p.stage.Ask(p.wire(p.expand(text)))
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", answer.StatusCode, http.StatusText(answer.StatusCode))
	if clamped := "X-Policy-Clamped"; !slices.Contains(headers, clamped) {
		headers = append(headers, clamped) // it may not come unseen
	}
	for _, h := range headers {
		for _, v := range answer.Header.Values(h) {
			fmt.Fprintf(&b, "%s: %s\n", h, v)
		}
	}
	b.WriteString("\n" + string(body))
	if len(body) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// directions does what the lines before a request say and returns the rest;
// a line that is no direction is a comment.
func (p *player) directions(name, text string) string {
	for strings.HasPrefix(text, "#") {
		line, rest, _ := strings.Cut(text, "\n")
		line, text = strings.TrimSpace(line), rest
		if span, ok := strings.CutPrefix(line, "# advance "); ok {
			d, err := time.ParseDuration(span)
			if err != nil {
				p.t.Fatalf("%s: %v", name, err)
			}
			p.stage.Advance(d)
		}
		switch line {
		case "# store down":
			p.absent = !p.stage.Cut(true)
		case "# store up":
			p.stage.Cut(false)
			p.absent = false
		}
	}
	return text
}

// wire writes a request of a transcript as it travels.
func (p *player) wire(text string) string {
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	return strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + fmt.Sprintf("\r\nHost: aldaba.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// expand fills the placeholders of a request.
func (p *player) expand(text string) string {
	return regexp.MustCompile(`\{\{([a-z0-9_]+)\}\}`).ReplaceAllStringFunc(text, func(m string) string {
		switch name := m[2 : len(m)-2]; name {
		case "code":
			return p.stage.Code()
		case "wrong":
			return otptest.WrongCode(p.stage.Code())
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
	want = p.recall(want)
	expression, names := compile(want)
	found := expression.FindStringSubmatch(p.align(want, got))
	for i, name := range names {
		if found != nil {
			p.kept[name] = found[i+1]
		}
	}
	return found != nil
}

var stamps = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)

// slack is how far a time may be from the transcript's on a stage whose clock
// runs.
const slack = 5 * time.Second

// align writes the times of an answer as the transcript has them, if they are
// as far from the beginning and in the same form.
func (p *player) align(want, got string) string {
	wanted := stamps.FindAllString(want, -1)
	i := 0
	return stamps.ReplaceAllStringFunc(got, func(text string) string {
		if i++; i > len(wanted) || len(text) != len(wanted[i-1]) {
			return text
		}
		there, err := time.Parse(time.RFC3339Nano, wanted[i-1])
		here, fault := time.Parse(time.RFC3339Nano, text)
		late := here.Sub(p.stage.Began()) - there.Sub(otptest.Start)
		if err != nil || fault != nil || p.stage.Began().Equal(otptest.Start) || late.Abs() > slack {
			return text
		}
		return wanted[i-1]
	})
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
