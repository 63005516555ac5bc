package e2e

import (
	"bufio"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/aldaba-otp/aldaba/api/apitest"
)

// patience is how long a transcript may take where its seconds count; one
// that took longer is played again.
const patience = 900 * time.Millisecond

// replays bounds how often a transcript is played on a busy machine.
const replays = 4

// TestTranscriptsOverHTTP plays what each dialect's own tests play in memory.
func TestTranscriptsOverHTTP(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../api/*/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	onEach(t, func(t *testing.T, e engine) {
		var exchanges, skipped, again int
		servers := map[string]*server{} // one for each dialect
		for _, file := range files {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dialect := filepath.Base(filepath.Dir(filepath.Dir(file)))
			if servers[dialect] == nil {
				servers[dialect] = start(t, e, "testdata/reader.yaml")
			}
			t.Run(dialect+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				played, more := replay(t, e, servers[dialect], archive)
				again += more
				exchanges += played.Exchanges
				skipped += len(played.Skipped)
				for _, fault := range played.Faults {
					t.Error(fault)
				}
				if len(played.Skipped) > 0 {
					t.Logf("not played, since the store cannot be taken away here: %s", strings.Join(played.Skipped, ", "))
				}
			})
		}
		t.Logf("%d exchanges of %d transcripts, %d skipped; %d plays had to be repeated", exchanges, len(files), skipped, again)
	})
}

// replay plays a transcript on the dialect's server, whose limits and inbox are
// emptied first. What an earlier transcript left may still be in its way (a
// contact, an idempotency key), and a busy machine may have been too slow for
// its seconds; then it is played again on a server of its own.
func replay(t *testing.T, e engine, s *server, archive *txtar.Archive) (played apitest.Played, again int) {
	t.Helper()
	for try := 0; ; try++ {
		if try > 0 {
			s = start(t, e, "testdata/reader.yaml")
		}
		s.forgive()
		s.must(http.MethodDelete, "/dev/inbox", "")
		began := time.Now()
		played = apitest.Play(t, archive, &stage{server: s, t: t, began: s.now()})
		slow := time.Since(began) >= patience
		if try > 0 {
			s.stop()
		}
		if len(played.Faults) == 0 || try > 0 && !slow || try == replays {
			return played, try
		}
		t.Logf("it is played again: %d faults, slow %t", len(played.Faults), slow)
	}
}

// stage is a server as a transcript sees it.
type stage struct {
	*server

	t     *testing.T
	began time.Time
	last  string // id of the newest message
	code  string // in it
}

// Ask implements [apitest.Stage] with the very bytes.
func (s *stage) Ask(wire string) *http.Response {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte(strings.Replace(wire, "\r\nHost:", "\r\nConnection: close\r\nHost:", 1))); err != nil {
		s.t.Fatal(err)
	}
	method, _, _ := strings.Cut(wire, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatal(err)
	}
	s.look()
	return answer
}

// look notes the code of a new message. It is derived by the server's own ring
// and must stand in the text: a transcript may ask for any alphabet.
func (s *stage) look() {
	list := s.inbox("", "&limit=1")
	if len(list) == 0 || list[0].ID == s.last {
		return
	}
	s.last = list[0].ID
	v, _ := s.verification(s.t, list[0].Verification)
	code, err := s.dev.Service.Ring().Code(&v)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.code = code; !strings.Contains(list[0].Body, code) {
		s.t.Errorf("the message %q does not hold its code", list[0].Body)
	}
}

// Code implements [apitest.Stage].
func (s *stage) Code() string { return s.code }

// Advance implements [apitest.Stage].
func (s *stage) Advance(d time.Duration) { s.advance(d) }

// Cut implements [apitest.Stage]: only a test of its own takes a store away.
func (s *stage) Cut(away bool) bool { return !away }

// Began implements [apitest.Stage].
func (s *stage) Began() time.Time { return s.began }
