package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// stronghold is an `aldaba serve` of the same engine, for what `aldaba dev` has
// not: TLS, the admin listener, receipts, limits of sources. Its messages go to
// a gateway.
type stronghold struct {
	served

	site    site
	gateway *gateway
	roots   *tls.Config
}

func newStronghold(s *siege, overTLS bool) stronghold {
	s.Helper()
	database := ""
	if s.database != "" {
		database = postgres(s.T)
	}
	more := []string{"public_url: https://otp.example.com"}
	if overTLS {
		more = append(more, "tls: {cert: cert.pem, key: key.pem}")
	}
	h := stronghold{site: newSite(s.T, database, more...), gateway: newGateway(s.T)}
	h.roots = &tls.Config{RootCAs: h.site.certificate(s.T), NextProtos: []string{"h2"}}
	h.served = h.site.serve(s.T)
	if overTLS {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.roots.RootCAs}}
		s.Cleanup(transport.CloseIdleConnections)
		h.client.http.Transport = transport
		h.client.base = strings.Replace(h.client.base, "http:", "https:", 1)
	}
	h.apply(s.T, strings.Replace(serveTenants, "providers: [{name: sandbox, type: inbox}]", "providers:"+h.gateway.provider("sandbox"), 1))
	return h
}

// code starts natively and waits for the message.
func (h *stronghold) code(s *siege) (id, code string) {
	s.Helper()
	to := fresh()
	r := h.begin(serveKey, to)
	if r.status != http.StatusCreated {
		s.Fatalf("a start is answered %d %s", r.status, r.body)
	}
	eventually(s.T, 10*time.Second, "the message is at the gateway", func() bool {
		got := h.gateway.kept()[to]
		if len(got) > 0 {
			code = got[0].code()
		}
		return code != ""
	})
	return r.member("id"), code
}

// streams is how many requests one connection of HTTP/2 may have under way.
const streams = 100

// onePacket is the single-packet attack: on one connection of HTTP/2 all
// requests lack their last frame, and one write brings the last frames of all.
func onePacket(s *siege) string {
	h := newStronghold(s, true)
	rounds := s.pick(2, 200)
	sum := 0
	for range rounds {
		id, code := h.code(s)
		won, answered, err := packet(h, "/v1/verifications/"+id+"/check", fmt.Sprintf(`{"code":%q}`, code))
		if err != nil || won != 1 || answered != streams {
			s.Errorf("of %d right codes in one packet %d were answered and %d approved, %v", streams, answered, won, err)
		}
		sum += won
	}
	return fmt.Sprintf("one packet of HTTP/2: %d rounds of %d, approved %d", rounds, streams, sum)
}

// packet makes one such attack and counts the approvals.
func packet(h stronghold, path, body string) (won, answered int, err error) {
	address := strings.TrimPrefix(h.client.base, "https://")
	conn, err := tls.Dial("tcp", address, h.roots)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings() // into memory, as all writes below
	var last bytes.Buffer
	lastFramer := http2.NewFramer(&last, nil)
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for i := range streams {
		stream := uint32(2*i + 1)
		block.Reset()
		for _, f := range [][2]string{
			{":method", "POST"},
			{":scheme", "https"},
			{":authority", address},
			{":path", path},
			{"authorization", "Bearer " + serveKey},
			{"content-type", jsonType},
			{"content-length", fmt.Sprint(len(body))},
		} {
			_ = fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
		_ = framer.WriteData(stream, false, []byte(body[:len(body)-1]))
		_ = lastFramer.WriteData(stream, true, []byte(body[len(body)-1:]))
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		return 0, 0, err
	}
	// The answer to a ping tells that all before it was read.
	out.Reset()
	_ = framer.WritePing(false, [8]byte{})
	if _, err := conn.Write(out.Bytes()); err != nil {
		return 0, 0, err
	}
	for answered < streams {
		f, err := framer.ReadFrame()
		if err != nil {
			return won, answered, err
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			_, err = conn.Write(last.Bytes())
		case *http2.SettingsFrame:
			if !f.IsAck() {
				out.Reset()
				_ = framer.WriteSettingsAck()
				_, err = conn.Write(out.Bytes())
			}
		case *http2.DataFrame:
			if bytes.Contains(f.Data(), []byte(`"outcome":"approved"`)) {
				won++
			}
			if f.StreamEnded() {
				answered++
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				answered++
			}
		}
		if err != nil {
			return won, answered, err
		}
	}
	return won, answered, nil
}
