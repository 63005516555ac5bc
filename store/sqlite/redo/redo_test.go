package redo_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

const epoch = 77

func open(t *testing.T, path string) *redo.Log {
	t.Helper()
	l, err := redo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// write appends records of two statements each, the second of them without a parameter.
func write(t *testing.T, l *redo.Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		l.Int("a", 2, int64(-n))
		l.Bytes("a", 1, []byte(strings.Repeat("x", n)))
		l.End("a")
		l.End(fmt.Sprint("b", n%3))
		if err := l.Append(); err != nil {
			t.Fatal(err)
		}
	}
}

// written tells what replaying the log says, one line a statement.
func written(t *testing.T, l *redo.Log, epoch uint64, after uint32) (lines []string) {
	t.Helper()
	if err := l.Replay(epoch, after, func(s redo.Statement) error {
		line := s.Text
		for _, p := range s.Params {
			line += fmt.Sprintf(" %d=%d/%s", p.Position, p.Int, p.Bytes)
		}
		lines = append(lines, line)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func expected(from, to int) (lines []string) {
	for n := from; n <= to; n++ {
		lines = append(lines, fmt.Sprintf("a 2=%d/ 1=0/%s", -n, strings.Repeat("x", n)), fmt.Sprint("b", n%3))
	}
	return lines
}

func TestWhatWasAppendedIsReplayed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 5)
	for after := range uint32(7) {
		again := open(t, path)
		if got, want := written(t, again, epoch, after), expected(int(after)+1, 5); !slices.Equal(got, want) {
			t.Errorf("after %d: got %q, want %q", after, got, want)
		}
		if again.Number() != 5 || again.Size() != l.Size() {
			t.Errorf("it stands at record %d, byte %d, not at 5, %d", again.Number(), again.Size(), l.Size())
		}
	}
	if got := written(t, open(t, path), epoch+1, 0); got != nil {
		t.Errorf("another epoch has %q", got)
	}
}

func TestALogGoesOnWhereItsReplayEnded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 3)
	again := open(t, path)
	written(t, again, epoch, 0)
	write(t, again, 4, 6)
	if got, want := written(t, open(t, path), epoch, 0), expected(1, 6); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	last := open(t, path)
	written(t, last, epoch, 0)
	for _, text := range []string{"new", "a", "newer"} {
		last.Bytes(text, 1, []byte(text))
		last.End(text)
		if err := last.Append(); err != nil {
			t.Fatal(err)
		}
	}
	want := append(expected(1, 6), "new 1=0/new", "a 1=0/a", "newer 1=0/newer")
	if got := written(t, open(t, path), epoch, 0); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestATornTailIsNoRecord cuts and damages the file at each byte of its last record.
func TestATornTailIsNoRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 2)
	end := l.Size()
	write(t, l, 3, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := end; at < l.Size(); at++ {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x41
		for what, content := range map[string][]byte{"cut": whole[:at], "damaged": damaged} {
			torn := filepath.Join(t.TempDir(), what)
			if err := os.WriteFile(torn, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, want := written(t, open(t, torn), epoch, 0), expected(1, 2); !slices.Equal(got, want) {
				t.Errorf("%s at byte %d: got %q, want %q", what, at, got, want)
			}
		}
	}
}

func TestANewEpochHidesTheOldOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 50)
	l.Begin(epoch + 1)
	if l.Size() != 0 || l.Number() != 0 {
		t.Errorf("it stands at record %d, byte %d", l.Number(), l.Size())
	}
	write(t, l, 7, 7)
	again := open(t, path)
	if got, want := written(t, again, epoch+1, 0), expected(7, 7); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := written(t, open(t, path), epoch, 0); got != nil {
		t.Errorf("the old epoch has %d statements", len(got))
	}
}

func TestADroppedRecordLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	l.Int("lost", 1, 1)
	l.Drop()
	write(t, l, 1, 1)
	l.End("lost too")
	l.Int("a", 1, 1)
	l.Drop()
	write(t, l, 2, 2)
	if err := l.Append(); err != nil || l.Number() != 2 {
		t.Errorf("an empty record made it %d, %v", l.Number(), err)
	}
	l.End("lost") // which stands nowhere in the file
	if err := l.Append(); err != nil {
		t.Fatal(err)
	}
	if got, want := written(t, open(t, path), epoch, 0), append(expected(1, 2), "lost"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	l.End("of the epoch before")
	l.Begin(epoch + 1)
	write(t, l, 1, 1)
	if got, want := written(t, open(t, path), epoch+1, 0), expected(1, 1); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWipeLeavesZeros(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 50)
	if err := l.Wipe(); err != nil {
		t.Fatal(err)
	}
	if got := written(t, open(t, path), epoch, 0); len(got) != 100 {
		t.Errorf("records in use were wiped: %d statements are left", len(got))
	}
	l.Begin(epoch + 1)
	if err := l.Wipe(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at, b := range content {
		if b != 0 {
			t.Fatalf("byte %d is %d", at, b)
		}
	}
}

func TestAnErrorOfTheReplayLeavesTheLogWhereItWas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	write(t, l, 1, 3)
	before, mine := l.Size(), errors.New("mine")
	if err := l.Replay(epoch, 0, func(redo.Statement) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	if l.Number() != 3 || l.Size() != before {
		t.Errorf("it stands at record %d, byte %d, not at 3, %d", l.Number(), l.Size(), before)
	}
}

// TestAMalformedRecordEndsTheReplay: its sum is right, so it was acknowledged, and
// nobody goes on as if it were not there.
func TestAMalformedRecordEndsTheReplay(t *testing.T) {
	t.Parallel()
	for what, body := range map[string][]byte{
		"an unknown statement":      {1, 0},
		"a text that ends":          {0, 2, 'a'},
		"a text above the rest":     {0, 5, 0},
		"no length of a text":       {0},
		"no parameters and no end":  {0, 1, 'a'},
		"a position and no more":    {0, 1, 'a', 1},
		"a position above the most": {0, 1, 'a', 0xff, 0xff, 1, 'i', 2, 0},
		"an unknown kind":           {0, 1, 'a', 1, 'x', 0},
		"a number that ends":        {0, 1, 'a', 1, 'i', 0x80},
		"a number and no end":       {0, 1, 'a', 1, 'i', 2},
		"bytes that end":            {0, 1, 'a', 1, 'b', 3, 'x', 'y'},
		"an index that ends":        {0, 1, 'a', 0, 0x80},
		"an index above 64 bits":    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, redo.Sealed(epoch, 1, body), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, path)
		if err := l.Replay(epoch, 0, func(redo.Statement) error { return nil }); !errors.Is(err, redo.ErrMalformed) || l.Number() != 0 {
			t.Errorf("%s: %v, record %d", what, err, l.Number())
		}
	}
	for what, body := range map[string][]byte{
		"the highest position": {0, 1, 'a', 0xfe, 0xff, 1, 'i', 2, 0}, "empty bytes": {0, 1, 'a', 1, 'b', 0, 0}, "nothing": {},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, redo.Sealed(epoch, 1, body), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, path)
		if err := l.Replay(epoch, 0, func(redo.Statement) error { return nil }); err != nil || l.Number() != 1 {
			t.Errorf("%s: %v, record %d", what, err, l.Number())
		}
	}
}

// brokenDisk is a file that cannot be read.
type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, errors.New("I/O error") }

// TestAFaultOfTheDiskIsNoEnd of the log.
func TestAFaultOfTheDiskIsNoEnd(t *testing.T) {
	t.Parallel()
	if _, err := redo.NewReader(brokenDisk{}, epoch).Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading: %v", err)
	}
	if _, err := redo.Epoch(brokenDisk{}); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the epoch: %v", err)
	}
	dir := t.TempDir()
	if l, err := redo.Open(dir); err == nil {
		t.Errorf("a folder is opened: %v", l)
	}
	path := filepath.Join(dir, "log")
	l := open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	l.Begin(epoch)
	write(t, l, 1, 1)
	l.Begin(epoch + 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Wipe(); err == nil {
		t.Error("a closed file was wiped")
	}
}

// TestAReaderFollows reads a log while it is being written.
func TestAReaderFollows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	l.Begin(epoch)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if got, err := redo.Epoch(file); got != 0 || err != nil {
		t.Errorf("an empty log has epoch %d, %v", got, err)
	}
	r := redo.NewReader(file, epoch)
	for n := 1; n < 200; n++ {
		if _, err := r.Next(); err == nil {
			t.Fatal("there is a record too many")
		}
		write(t, l, n, n)
		statements, err := r.Next()
		if err != nil || len(statements) != 2 || string(statements[0].Params[1].Bytes) != strings.Repeat("x", n) {
			t.Fatalf("record %d: %+v, %v", n, statements, err)
		}
	}
	if got, err := redo.Epoch(file); got != epoch || err != nil {
		t.Errorf("the epoch is %d, %v", got, err)
	}
}

// FuzzReader reads anything without a panic, and again what it has read.
func FuzzReader(f *testing.F) {
	path := filepath.Join(f.TempDir(), "log")
	l, err := redo.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	l.Begin(epoch)
	for n := range int64(3) {
		l.Int("a", 1, n)
		l.Bytes("a", 2, nil)
		l.End("a")
		if err := l.Append(); err != nil {
			f.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:l.Size()], []byte("x"))
	f.Add([]byte{}, []byte{0, 1, 'a', 1, 'i', 2, 2, 'b', 1, 'z', 0})
	f.Fuzz(func(t *testing.T, file, body []byte) {
		read(t, strings.NewReader(string(file)))
		read(t, strings.NewReader(string(redo.Sealed(epoch, 1, body))))
	})
}

func read(t *testing.T, file *strings.Reader) {
	t.Helper()
	all := func() (lines []string) {
		r := redo.NewReader(file, epoch)
		for {
			statements, err := r.Next()
			if err != nil {
				return lines
			}
			for _, s := range statements {
				lines = append(lines, fmt.Sprintf("%+v", s))
			}
		}
	}
	if first, second := all(), all(); !reflect.DeepEqual(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
}
