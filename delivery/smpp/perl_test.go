package smpp

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// TestPerl speaks with Net::SMPP, by the example that comes with it; only its
// port and its tracing are set.
func TestPerl(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("/usr/share/doc/libnet-smpp-perl/examples/smsc.pl")
	if err != nil || exec.Command("perl", "-MNet::SMPP", "-e1").Run() != nil {
		t.Skip("needs Net::SMPP with its examples (Debian libnet-smpp-perl)")
	}
	port := spareport.For(t)
	set := strings.NewReplacer("$port = 9900;", fmt.Sprintf("$port = %d;", port), "$trace = 0;", "$trace = 1;", "'localhost'", "'127.0.0.1'")
	cmd := exec.Command("perl", "-", "3")
	cmd.Stdin = strings.NewReader("open(STDERR, '>&', \\*STDOUT); $| = 1;\n" + set.Replace(string(script)))
	told := process(t, cmd)
	for line := range told {
		if strings.Contains(line, "Entering accept loop") {
			break
		}
	}
	l := reach(t, port, nil)
	<-l.log.bound
	m := deliverytest.Message()
	for range 3 {
		r, err := l.Send(t.Context(), m)
		if err != nil || len(r.IDs) != 1 || r.IDs[0] != "123456789" {
			t.Errorf("%+v %v", r, err)
		}
	}
	l.stop()
	texts, unbound := 0, false
	for line := range told {
		if strings.Contains(line, "'short_message' => 'Your code is 482913'") {
			texts++
		}
		if unbound = strings.Contains(line, "sent unbind"); unbound {
			break
		}
	}
	if texts != 3 || !unbound {
		t.Errorf("%d texts were read, unbound %v", texts, unbound)
	}
}
