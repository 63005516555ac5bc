package smpp

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// tape records what passes a connection, in the form that text2pcap reads.
type tape struct {
	mu   sync.Mutex
	dump strings.Builder
}

type taped struct {
	net.Conn
	tape *tape
}

func (c taped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tape.add("I", p[:n])
	return n, err
}

func (c taped) Write(p []byte) (int, error) {
	c.tape.add("O", p) // before it leaves: its answer comes later
	return c.Conn.Write(p)
}

func (t *tape) add(way string, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p) == 0 {
		return
	}
	fmt.Fprintf(&t.dump, "%s\n000000", way)
	for _, c := range p {
		t.dump.WriteString(" " + hex.EncodeToString([]byte{c}))
	}
	t.dump.WriteString("\n")
}

// TestTshark has the SMPP dissector of Wireshark judge everything that leaves:
// none of it is malformed, and it reads the texts as a phone would.
func TestTshark(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"tshark", "text2pcap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian tshark)", program)
		}
	}
	record := &tape{}
	for _, more := range []map[string]any{nil, {"long": "sar", "version": "5.0"}, {"long": "payload", "validity": "absolute"}, {"bind": "pair", "encoding": "latin1"}} {
		speak(t, record, more)
	}
	folder := t.TempDir()
	text, capture := filepath.Join(folder, "tape.txt"), filepath.Join(folder, "tape.pcap")
	if err := os.WriteFile(text, []byte(record.dump.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "text2pcap", "-q", "-D", "-T", "40000,2775", text, capture).CombinedOutput(); err != nil {
		t.Fatalf("text2pcap: %v\n%s", err, out)
	}
	ask := exec.CommandContext(t.Context(), "tshark", "-r", capture, "-d", "tcp.port==2775,smpp", "-T", "fields",
		"-e", "smpp.command_id", "-e", "_ws.malformed", "-e", "smpp.opt_param", "-e", "_ws.expert.message")
	out, err := ask.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		for command := range strings.SplitSeq(fields[0], ",") {
			seen[command]++
		}
		if len(fields) < 4 || fields[1] != "" || strings.Contains(strings.ToLower(fields[3]), "malformed") {
			t.Errorf("malformed: %q", line)
		}
	}
	for _, command := range []uint32{bindTransceiver, bindTransmitter, bindReceiver, submitSM, enquireLink | answerBit, deliverSM | answerBit, genericNack, unbind} {
		if n := seen[fmt.Sprintf("0x%08x", command)]; n == 0 {
			t.Errorf("no 0x%08x among %v", command, seen)
		}
	}
}

// speak has a provider say everything that it can say.
func speak(t *testing.T, record *tape, more map[string]any) {
	t.Helper()
	l := &line{center: newCenter(), desk: &desk{}, log: newLines()}
	l.Provider = open(with(t, more), clock.New(0), slog.New(l.log))
	l.dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := l.center.dial(ctx)
		return taped{conn, record}, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { l.Run(ctx, l.desk.note) })
	_, want := l.Status()
	for range want {
		c := l.up()
		if c.command != bindTransmitter {
			c.receipt(3, "1", "DELIVRD")
		}
		c.send(pdu{command: enquireLink, sequence: 4})
		c.send(pdu{command: 0x999, sequence: 5})
		for range 2 {
			<-l.center.answers
		}
	}
	for _, body := range []string{"Your code is 482913", strings.Repeat("0123456789", 40), strings.Repeat("á", 100)} {
		m := deliverytest.Message()
		m.Body, m.Params = body, map[string]string{"dlt_entity_id": "1101234567", "dlt_template_id": "1107654321"}
		if _, err := l.Send(t.Context(), m); err != nil && delivery.ClassOf(err) != delivery.Rejected {
			t.Error(err)
		}
	}
	cancel()
	run.Wait()
}
