package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// client is one keep-alive connection. It speaks just enough HTTP/1.1 to take
// little of the processors that it shares with the server.
type client struct {
	conn     net.Conn
	codes    *codes
	numbers  *atomic.Int64 // the last one used at this server; each start has its own
	question question
	head     []byte // of a start, up to the number
	auth     string
	out, in  []byte
	took     []int32 // microseconds of each pair
}

// The number of each start is this and nine digits.
const numberPrefix = "+584"

func dial(address, key string, c *codes, numbers *atomic.Int64) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	x := &client{conn: conn, codes: c, numbers: numbers, in: make([]byte, 8<<10)}
	x.question.answer = make(chan struct{}, 1)
	x.auth = " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\nContent-Length: "
	body := `{"to":"` + numberPrefix
	x.head = []byte("POST /v1/verifications" + x.auth + strconv.Itoa(len(body)+9+2) + "\r\n\r\n" + body)
	return x, nil
}

// spread puts the nth number far from the one before, as people's are, so that no
// prefix of ten thousand gets many: n times the golden section of all there are.
func spread(n int64) int64 { return n * 618_033_989 % 1_000_000_000 }

// start starts one verification.
func (x *client) start() error {
	x.out = append(x.out[:0], x.head...)
	digits := strconv.AppendInt(nil, 1_000_000_000+spread(x.numbers.Add(1)), 10)
	x.out = append(append(x.out, digits[1:]...), `"}`...)
	body, err := x.exchange()
	if err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(body, []byte(`{"id":"`))
	if ok && len(rest) > 36 {
		x.question.id, ok = otp.ParseID(string(rest[:36]))
	}
	if !ok {
		return fmt.Errorf("a start was answered with %s", body)
	}
	return nil
}

// pair starts one verification and checks it with the right code.
func (x *client) pair() error {
	if err := x.start(); err != nil {
		return err
	}
	code, err := x.codes.code(&x.question)
	if err != nil {
		return err
	}
	return x.check(x.question.id, code)
}

// check gives the right code of one verification.
func (x *client) check(id otp.ID, code string) error {
	x.out = append(x.out[:0], "POST /v1/verifications/"...)
	x.out = append(append(append(x.out, id.String()...), "/check"...), x.auth...)
	x.out = strconv.AppendInt(x.out, int64(len(`{"code":""}`)+len(code)), 10)
	x.out = append(append(append(x.out, "\r\n\r\n{\"code\":\""...), code...), `"}`...)
	body, err := x.exchange()
	if err == nil && !bytes.Contains(body, []byte(`"outcome":"approved"`)) {
		err = fmt.Errorf("the right code was answered with %s", body)
	}
	return err
}

// exchange sends the request and returns the body of the answer.
func (x *client) exchange() ([]byte, error) {
	if _, err := x.conn.Write(x.out); err != nil {
		return nil, err
	}
	n := 0
	for {
		more, err := x.conn.Read(x.in[n:])
		if err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
		n += more
		if body, ok := whole(x.in[:n]); ok {
			return body, nil
		}
		if n == len(x.in) {
			return nil, errors.New("an answer is too long")
		}
	}
}

// whole returns the body once all of the answer is there.
func whole(answer []byte) ([]byte, bool) {
	end := bytes.Index(answer, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, false
	}
	field := []byte("Content-Length: ")
	at := bytes.Index(answer[:end], field)
	if at < 0 {
		return nil, false
	}
	length := 0
	for _, c := range answer[at+len(field):] {
		if c < '0' || c > '9' {
			break
		}
		length = 10*length + int(c-'0')
	}
	body := answer[end+4:]
	return body, len(body) == length
}

// drive opens connections and lets each do its work until it says io.EOF.
func drive(s *server, connections int, work func(x *client) error) (clients []*client, took time.Duration, err error) {
	defer func() {
		for _, x := range clients {
			_ = x.conn.Close() // nothing is under way on it
		}
	}()
	if err := s.codes.begin(); err != nil {
		return nil, 0, err
	}
	for range connections {
		x, err := dial(s.address, s.key, s.codes, &s.numbers)
		if err != nil {
			return clients, 0, err
		}
		clients = append(clients, x)
	}
	var group sync.WaitGroup
	errs := make([]error, connections)
	begin := time.Now()
	for i, x := range clients {
		group.Go(func() {
			for errs[i] == nil {
				errs[i] = work(x)
			}
		})
	}
	group.Wait()
	took = time.Since(begin)
	for _, err := range errs {
		if !errors.Is(err, io.EOF) {
			return clients, took, err
		}
	}
	return clients, took, nil
}
