package smtp

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// signingKey is a private key in PEM form and its DNS record.
type signingKey struct{ name, pem, record string }

func signingKeys(t *testing.T) []signingKey {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	spki, err := x509.MarshalPKIXPublicKey(&r.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaRecord := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(spki)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}))
	return []signingKey{
		{"RSA in PKCS 8", pkcs8(r), rsaRecord},
		{"RSA in PKCS 1", pkcs1, rsaRecord},
		{"Ed25519", pkcs8(private), "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)},
	}
}

// TestSignaturesAreVerifiedByOthers sends letters through a relay and shows
// what arrived to go-msgauth and to Debian's dkimpy.
func TestSignaturesAreVerifiedByOthers(t *testing.T) {
	t.Parallel()
	for _, key := range signingKeys(t) {
		t.Run(key.name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t)
			p := opened(t, plainly(r.address, given{"dkim": map[string]any{"domain": "acme.example", "selector": "mail2026", "key": key.pem}}))
			for _, subject := range []string{"Your code", "", strings.Repeat("código  ", 40), "two  spaces and a rather long line that has to be folded somewhere in between"} {
				m := letterTo("ana@example.com")
				m.Subject, m.Body = subject, ".\n\n trailing \t\n..\nñ\n\n\n"
				if _, err := p.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				all := r.took()
				data := all[len(all)-1].data
				verifyWithGo(t, data, key.record)
				if !strings.Contains(key.name, "PKCS 1") {
					verifyWithPython(t, data, key.record)
				}
			}
		})
	}
}

func verifyWithGo(t *testing.T, data, record string) {
	t.Helper()
	verify := func(data string) error {
		found, err := dkim.VerifyWithOptions(strings.NewReader(data), &dkim.VerifyOptions{LookupTXT: func(domain string) ([]string, error) {
			if domain != "mail2026._domainkey.acme.example" {
				t.Errorf("it asks for %s", domain)
			}
			return []string{record}, nil
		}})
		if err != nil || len(found) != 1 {
			t.Fatalf("%d signatures: %v", len(found), err)
		}
		return found[0].Err
	}
	if err := verify(data); err != nil {
		t.Errorf("go-msgauth: %v\n%.900s", err, data)
	}
	for _, changed := range []string{
		strings.Replace(data, "To: <ana@", "To: <eva@", 1),
		strings.Replace(data, "\r\nFrom: ", "\r\nFrom: eve@evil.example\r\nFrom: ", 1),
		"Subject: another\r\n" + data,
		data + "more\r\n",
	} {
		if verify(changed) == nil {
			t.Error("a changed letter passes")
		}
	}
	tags := regexp.MustCompile(`\s+`).ReplaceAllString(data[:strings.Index(data, "\r\n"+"Auto-Submitted")], "")
	if !strings.Contains(tags, "c=relaxed/relaxed") || strings.Contains(tags, "l=") || !strings.Contains(tags, "d=acme.example;s=mail2026") {
		t.Errorf("the signature is %s", tags)
	}
}

// verifyWithPython needs Debian's python3-dkim.
func verifyWithPython(t *testing.T, data, record string) {
	t.Helper()
	const program = `import sys, dkim
record = sys.argv[1].encode()
sys.exit(0 if dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: record) else 1)`
	if _, err := os.Stat("/usr/lib/python3/dist-packages/dkim"); err != nil {
		t.Log("Debian's python3-dkim is not here; only go-msgauth has verified")
		return
	}
	c := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", program, record)
	c.Stdin = strings.NewReader(data)
	var complaint bytes.Buffer
	c.Stderr = &complaint
	if err := c.Run(); err != nil {
		t.Errorf("dkimpy: %v %s", err, complaint.String())
	}
}

func TestHeadersToSignCanBeChosen(t *testing.T) {
	t.Parallel()
	key := signingKeys(t)[2]
	p := opened(t, plainly("127.0.0.1:25", given{"dkim": map[string]any{
		"domain": "bücher.example", "selector": "s1.mail", "key": key.pem, "headers": []any{"from", "Date", "Content-Type"},
	}}))
	data := string(composed(t, p, letterTo("ana@example.com")).data)
	tags := regexp.MustCompile(`\s+`).ReplaceAllString(data, "")
	if !strings.Contains(tags, "h=from:Date:Content-Type:From:Date;") || !strings.Contains(tags, "d=xn--bcher-kva.example;s=s1.mail;") {
		t.Errorf("%.300s", data)
	}
}

// TestTheLongestTagsAreVerified stands where the library begins to fold.
func TestTheLongestTagsAreVerified(t *testing.T) {
	t.Parallel()
	key := signingKeys(t)[2]
	domain := strings.Repeat("long.", 12) + "acme.domain"
	for _, extra := range []int{maxTag - len("From:To:"), maxTag - len("From:To:") - 1, maxTag - len("From:To:") - len(":From"), 30} {
		p := opened(t, plainly("127.0.0.1:25", given{"dkim": map[string]any{
			"domain": domain, "selector": strings.Repeat("s", 63), "key": key.pem, "headers": []any{"From", "To", strings.Repeat("X", extra)},
		}}))
		found, err := dkim.VerifyWithOptions(bytes.NewReader(composed(t, p, letterTo("ana@example.com")).data), &dkim.VerifyOptions{
			LookupTXT: func(string) ([]string, error) { return []string{key.record}, nil },
		})
		if len(domain) != maxTag || err != nil || len(found) != 1 || found[0].Err != nil {
			t.Errorf("a domain of %d characters, a header of %d: %v %+v", len(domain), extra, err, found[0].Err)
		}
	}
}

func TestAWeakKeyIsRefused(t *testing.T) {
	t.Parallel()
	// Of 768 bits, made for this test and used nowhere.
	weak, err := os.ReadFile("testdata/weak-rsa.pem")
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(delivery.Settings{
		Values: plainly("127.0.0.1:25", given{"dkim": map[string]any{"domain": "acme.example", "selector": "s", "key": string(weak)}}), Clock: clock.New(0),
	})
	if err == nil || err.Error() != "dkim.key: must have at least 1024 bits; take 2048" {
		t.Errorf("%v", err)
	}
}
