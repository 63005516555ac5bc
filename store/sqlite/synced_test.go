package sqlite

import (
	"testing"

	"zombiezen.com/go/sqlite"
)

// What is acknowledged survives a power cut only if each commit waits for the
// disk: synchronous FULL (2) with a write-ahead log, as the documentation of
// SQLite says (https://www.sqlite.org/pragma.html#pragma_synchronous). NORMAL
// passes every other test, since only the machine's end would show it.
func TestEachCommitWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	e, _ := openWriter(t)
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} {
		got := ""
		err := e.writer.rows("PRAGMA "+pragma, nil, func(s *sqlite.Stmt) error {
			got = s.ColumnText(0)
			return nil
		})
		if err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}
