package main

import (
	"io"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// What is measured.
const (
	actPair  = "pair"  // a start and a right check of it
	actStart = "start" // starts alone
	actCheck = "check" // right checks alone, of verifications that were started before the clock runs
)

// checksASecond is more than any server carries, so that the stock of started
// verifications outlasts a measurement; where it does not, the time until it is
// used up counts.
const checksASecond = 8000

// known is a verification with its code.
type known struct {
	id   otp.ID
	code string
}

// stock hands out started verifications, each once.
type stock struct {
	mu  sync.Mutex
	all []known
}

func (s *stock) put(k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, k)
}

func (s *stock) take() (k known, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok = len(s.all) > 0; ok {
		k, s.all = s.all[len(s.all)-1], s.all[:len(s.all)-1]
	}
	return k, ok
}

// prepared returns what one client does again and again, after what must be done
// before the clock runs.
func (w *world) prepared(s *server, connections int, length time.Duration) (act func(*client) error, err error) {
	switch w.act {
	case actStart:
		return (*client).start, nil
	case actCheck:
		held, wanted := &stock{}, int(length.Seconds()*checksASecond)
		_, _, err := drive(s, connections, func(x *client) error {
			if held.size() >= wanted {
				return io.EOF
			}
			if err := x.start(); err != nil {
				return err
			}
			code, err := x.codes.code(&x.question)
			held.put(known{x.question.id, code})
			return err
		})
		if err != nil {
			return nil, err
		}
		if _, _, err := s.carried(); err != nil {
			return nil, err
		}
		return func(x *client) error {
			k, ok := held.take()
			if !ok {
				return io.EOF
			}
			return x.check(k.id, k.code)
		}, nil
	}
	return (*client).pair, nil
}

func (s *stock) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// note tells what stands in the table where it is no pair.
func (w *world) note() string {
	if w.act == actPair {
		return ""
	}
	return "; here only the " + w.act + " of each is done"
}
