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

// tail follows the redo log of the SQLite engine: what was started a moment ago
// stands there, before it is in the database file.
type tail struct {
	file  *os.File
	epoch uint64
	log   *redo.Reader
	fresh map[otp.ID]otp.Verification // those that nobody asked for yet
}

func openTail(path string) (*tail, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a build that keeps none
	}
	if err != nil {
		return nil, err
	}
	return &tail{file: file, fresh: map[otp.ID]otp.Verification{}}, nil
}

// follow reads what was appended since the last time.
func (t *tail) follow() error {
	if t == nil {
		return nil
	}
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
func (t *tail) rest() error {
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
func (t *tail) keep(params []redo.Param) (err error) {
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

func (t *tail) close() error {
	if t == nil {
		return nil
	}
	return t.file.Close()
}

// take returns a verification, once.
func (t *tail) take(id otp.ID) (v otp.Verification, ok bool) {
	if t == nil {
		return v, false
	}
	if v, ok = t.fresh[id]; ok {
		delete(t.fresh, id)
	}
	return v, ok
}
