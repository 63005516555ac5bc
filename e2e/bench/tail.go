package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// tail follows the log that an engine writes before it answers: what was started a
// moment ago stands there, and to read it takes nothing from the server.
type tail interface {
	// begin comes before each measurement.
	begin() error
	// follow reads what was appended since the last time.
	follow() error
	// take returns a verification, once.
	take(id otp.ID) (v otp.Verification, ok bool)
	close() error
}

// redoTail follows the redo log of the SQLite engine, where a verification stands
// before it is in the database file.
type redoTail struct {
	file  *os.File
	epoch uint64
	log   *redo.Reader
	fresh map[otp.ID]otp.Verification // those that nobody asked for yet
}

func openRedo(path string) (tail, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a build that keeps none
	}
	if err != nil {
		return nil, err
	}
	return &redoTail{file: file, fresh: map[otp.ID]otp.Verification{}}, nil
}

func (*redoTail) begin() error { return nil }

func (t *redoTail) follow() error {
	if err := t.rest(); err != nil {
		return err
	}
	epoch, err := redo.Epoch(t.file)
	if err != nil || epoch == t.epoch {
		return err
	}
	t.epoch, t.log = epoch, redo.NewReader(t.file, epoch)
	return t.rest()
}

// rest reads up to the end of the present epoch.
func (t *redoTail) rest() error {
	for t.log != nil {
		statements, err := t.log.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range statements {
			if strings.HasPrefix(s.Text, "INSERT OR REPLACE INTO verification ") {
				if err := t.keep(s.Params); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keep notes what a code is derived from. The positions are those of the columns.
func (t *redoTail) keep(params []redo.Param) (err error) {
	var v otp.Verification
	for _, p := range params {
		switch p.Position {
		case 1:
			copy(v.ID[:], p.Bytes)
		case 6:
			v.Generation = int(p.Int)
		case 12:
			v.Secret = append([]byte(nil), p.Bytes...)
		case 14:
			v.Spec, err = store.UnpackSpec(p.Bytes)
		}
	}
	t.fresh[v.ID] = v
	return err
}

func (t *redoTail) take(id otp.ID) (v otp.Verification, ok bool) {
	if v, ok = t.fresh[id]; ok {
		delete(t.fresh, id)
	}
	return v, ok
}

func (t *redoTail) close() error { return t.file.Close() }
