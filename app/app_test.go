package app

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
)

func TestServerIsRefusedWithoutItsRing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "aldaba.db")
	first, err := New(t.Context(), Options{Database: database, KeysFile: ringIn(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(first); err != nil {
		t.Fatal(err)
	}
	other, broken, none := filepath.Join(dir, "other.json"), filepath.Join(dir, "broken.json"), filepath.Join(dir, "none.json")
	if err := GenerateRing(other, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, keys, database, want string }{
		{"no ring named", "", database, "make one with `aldaba key generate`"},
		{"no such file", none, database, "there is no key ring at " + none + ": make one with `aldaba key generate --out " + none + "`"},
		{"a folder", dir, database, "is a directory"},
		{"no ring inside", broken, database, broken + ": "},
		{"another ring", other, database, errOtherRing.Error()},
		{"an unknown engine", other, "mysql:x", "must be sqlite:PATH or postgres://USER@HOST/NAME"},
	} {
		if _, err := New(t.Context(), Options{Database: c.database, KeysFile: c.keys}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Database: "sqlite:" + filepath.Join(dir, "aldaba.db"), KeysFile: ringIn(t, dir), Listen: "127.0.0.1:0"}
	a, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, a, shop, false)
	// It never starts its courier: the message stays in the outbox.
	view, err := a.Service.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "shop"}, Dialect: otp.NativeDialect, To: "+584121234567"})
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	b := running(t, o)
	if got := contact(t, b, "shop", "1"); got != "+584121234567 " {
		t.Errorf("contact 1 is %q", got)
	}
	// The orphan is adopted at once; the sweep of others would take 15 s.
	for range 200 {
		if list := b.Inbox.List("", "", 10); len(list) == 1 && list[0].Verification == view.ID.String() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Error("the message of the server before was not sent")
}

func TestStopDrainsRequestsThenMessagesThenTheStore(t *testing.T) {
	t.Parallel()
	a := running(t, Options{DrainDelay: 300 * time.Millisecond})
	apply(t, a, shop, false)
	base := "http://" + a.Addr()
	if status, body := call(t, http.MethodGet, base+"/readyz", "", ""); status != 200 || body != `{"status":"ok"}` {
		t.Errorf("readyz %d %s", status, body)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop(a) }()
	for a.ready.Load() {
		<-time.After(time.Millisecond)
	}
	if status, body := call(t, http.MethodGet, base+"/readyz", "", ""); status != 503 || body != `{"status":"draining"}` {
		t.Errorf("readyz while draining %d %s", status, body)
	}
	if status, _ := call(t, http.MethodGet, base+"/healthz", "", ""); status != 200 {
		t.Errorf("healthz while draining %d", status)
	}
	const key = "0123456789abcdef0123456789abcdef"
	if status, body := call(t, http.MethodPost, base+"/v1/verifications", key, `{"to":"+584121234567"}`); status != 201 {
		t.Errorf("a request while draining: %d %s", status, body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := len(a.Inbox.List("", "", 10)); n != 1 {
		t.Errorf("%d messages were sent before the end", n)
	}
	if _, err := net.Dial("tcp", a.Addr()); err == nil {
		t.Error("it listens still")
	}
}

func TestFailedStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		name, want string
		o          Options
	}{
		{"a short token", "at least 16 characters; make one with `openssl rand -hex 32`", Options{AdminListen: "127.0.0.1:0", AdminToken: "short"}},
		{"no token", "at least 16 characters", Options{AdminListen: "127.0.0.1:0"}},
		{"a token that cannot be sent", "such as a space", Options{AdminListen: "127.0.0.1:0", AdminToken: "open sesame, open sesame"}},
		{"a taken port", "admin listener: ", Options{AdminListen: taken.Addr().String(), AdminToken: token}},
		{"no certificate", "tls.cert: none.pem: ", Options{TLSCert: "none.pem", TLSKey: "none.pem"}},
	} {
		c.o.DrainDelay = time.Hour
		a := open(t, c.o)
		if err := a.Start(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		address := a.Addr()
		if err := stop(a); err != nil {
			t.Errorf("%s: stop: %v", c.name, err)
		}
		if _, err := net.Dial("tcp", address); err == nil {
			t.Errorf("%s: it listens still", c.name)
		}
	}
}

func TestChangedRingIsNoticed(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	before := len(a.Service.Ring().Keys())
	if err := a.rereadRing(t.Context()); err != nil || len(a.Service.Ring().Keys()) != before {
		t.Errorf("unchanged: %v", err)
	}
	if _, err := RotateRing(a.o.KeysFile, a.Clock.Now(), false); err != nil {
		t.Fatal(err)
	}
	if err := a.rereadRing(t.Context()); err != nil || len(a.Service.Ring().Keys()) != before+3 {
		t.Errorf("rotated: %v, %d keys", err, len(a.Service.Ring().Keys()))
	}
	kept := a.Service.Ring()
	for _, spoil := range []struct { // in this order: the last one leaves no file
		name string
		do   func() error
	}{
		{"broken", func() error { return os.WriteFile(a.o.KeysFile, []byte("{"), 0o600) }},
		{"gone", func() error { return os.Remove(a.o.KeysFile) }},
	} {
		if err := spoil.do(); err != nil {
			t.Fatal(err)
		}
		if err := a.rereadRing(t.Context()); err == nil || a.Service.Ring() != kept {
			t.Errorf("%s: %v", spoil.name, err)
		}
	}
	if err := GenerateRing(a.o.KeysFile, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.rereadRing(t.Context()); !errors.Is(err, errOtherRing) || a.Service.Ring() != kept {
		t.Errorf("another ring: %v", err)
	}
}

func TestLoopsNoticeTheFileAndTheOtherServer(t *testing.T) {
	t.Parallel()
	keys := ringIn(t, t.TempDir())
	otptest.Ring(t)
	synctest.Test(t, func(t *testing.T) {
		a, err := New(t.Context(), Options{Database: "memory:", KeysFile: keys})
		if err != nil {
			t.Fatal(err)
		}
		a.loops.Go(a.watchRing)
		a.loops.Go(a.watchConfiguration)
		if _, err := RotateRing(keys, time.Now(), false); err != nil {
			t.Fatal(err)
		}
		_, version, err := a.Store.ReadDocuments(t.Context())
		if err == nil { // as another process on the database does it
			_, err = a.Store.WriteDocuments(t.Context(), version, []store.Document{{Kind: kindTenant, Name: "new", Body: []byte(`{"name":"new"}`)}})
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, ok := a.Service.Directory().Tenant("new"); !ok {
			t.Error("the tenant is not there within a second")
		}
		time.Sleep(time.Second + time.Millisecond)
		if n := len(a.Service.Ring().Keys()); n != 7 {
			t.Errorf("%d keys after 2 s, want 7", n)
		}
		if err := stop(a); err != nil {
			t.Error(err)
		}
	})
}

func TestRingIsMadeOnceByProcessesThatRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	prints := make(chan string)
	for range 2 {
		go func() {
			err := ensureRing(path)
			f, fault := readRing(path)
			if err != nil || fault != nil {
				prints <- fmt.Sprint(err, fault)
				return
			}
			prints <- f.ring.Fingerprint()
		}()
	}
	if a, b := <-prints, <-prints; a != b {
		t.Errorf("%s and %s", a, b)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%v left in the folder, %v", left, err)
	}
}
