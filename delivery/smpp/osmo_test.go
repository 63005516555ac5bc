package smpp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// stored is one short message as a mobile switching centre keeps it.
type stored struct {
	coding, header int64
	to, from       string
	data           []byte
}

// unpacked reads packed septets from a bit on (TS 23.038, section 6.1.2.1).
func unpacked(data []byte, bit int) []byte {
	var septets []byte
	for ; bit+7 <= 8*len(data); bit += 7 {
		wide := int(data[bit/8])
		if bit/8+1 < len(data) {
			wide |= int(data[bit/8+1]) << 8
		}
		septets = append(septets, byte(wide>>(bit%8))&0x7f)
	}
	return septets
}

// phone reads what goes over the air.
func (s stored) phone() string {
	start := 0
	if s.header == 1 {
		start = 1 + int(s.data[0])
	}
	if s.coding == 8 {
		return gsm7.DecodeUCS2(s.data[start:])
	}
	// The text begins at a whole septet. As many octets are kept as there are
	// septets, so that the last of them are filling.
	skip := (8*start + 6) / 7
	return gsm7.Decode(unpacked(s.data, 7*skip)[:len(s.data)-skip])
}

// TestOsmo speaks with OsmoMSC, a real mobile switching centre, and reads back
// what it would send over the air.
func TestOsmo(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"osmo-msc", "gcc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian osmo-msc, gcc)", program)
		}
	}
	folder := t.TempDir()
	library, database, config := filepath.Join(folder, "sctp.so"), filepath.Join(folder, "sms.db"), filepath.Join(folder, "msc.cfg")
	if out, err := exec.CommandContext(t.Context(), "gcc", "-shared", "-fPIC", "-o", library, "testdata/sctp.c", "-ldl").CombinedOutput(); err != nil {
		t.Skipf("needs a C compiler: %v\n%s", err, out)
	}
	port := spareport.For(t)
	text := fmt.Sprintf("log stderr\n logging filter all 1\n logging color 0\n logging level set-all notice\nline vty\n bind 127.0.0.1 %d\n"+
		"smpp\n local-tcp-ip 127.0.0.1 %d\n system-id osmo\n policy closed\n esme aldaba\n  password hush-hus\nsmsc\n database %s\n", spareport.For(t), port, database)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `exec osmo-msc -c "$0" 2>&1`, config)
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
	told := process(t, cmd)
	var last string
	for line := range told {
		last = line
		if strings.Contains(line, "OsmoMSC-A") {
			break // it listens for SMPP before this
		}
	}
	if !strings.Contains(last, "OsmoMSC-A") {
		t.Skipf("osmo-msc does not start here: %s", last)
	}
	l := reach(t, port, map[string]any{"password": "hush-hus", "receipts": false})
	<-l.log.bound
	for _, body := range bodies() {
		m := deliverytest.Message()
		m.Body = body
		if _, err := l.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	l.stop()
	rows := readBack(t, database)
	for _, body := range bodies() {
		seen := ""
		for range gsm7.Count(body).Parts {
			if len(rows) == 0 {
				t.Fatalf("%q was not kept", body)
			}
			if rows[0].to != "18091234567" || rows[0].from != "Acme" {
				t.Errorf("%+v", rows[0])
			}
			seen += rows[0].phone()
			rows = rows[1:]
		}
		if seen != body {
			t.Errorf("the phone shows %q, not %q", seen, body)
		}
	}
}

func readBack(t *testing.T, database string) (all []stored) {
	t.Helper()
	conn, err := sqlite.OpenConn(database, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sqlitex.Execute(conn, "SELECT data_coding_scheme, ud_hdr_ind, dest_addr, src_addr, user_data FROM SMS ORDER BY id", &sqlitex.ExecOptions{
		ResultFunc: func(row *sqlite.Stmt) error {
			s := stored{coding: row.ColumnInt64(0), header: row.ColumnInt64(1), to: row.ColumnText(2), from: row.ColumnText(3), data: make([]byte, row.ColumnLen(4))}
			row.ColumnBytes(4, s.data)
			all = append(all, s)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
