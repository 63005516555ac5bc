package otp_test

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const page = "https://app.example/verify"

// linked is a core whose default profile has a link, besides what is given.
func linked(t testing.TB, p otp.Profile) *world.World {
	t.Helper()
	p.Link = page
	return tenants(t, loose(p))
}

// lastToken is the token that the newest message shows.
func lastToken(t testing.TB, w *world.World) string {
	t.Helper()
	text := w.Courier.Last(t)
	token, ok := strings.CutPrefix(text.Link, page+"#token=")
	if !ok || len(token) != 43 || !strings.Contains(text.Body, "\n"+text.Link+"\n") {
		t.Fatalf("the link is %q in %q", text.Link, text.Body)
	}
	return token
}

// redeem judges a token and expects an outcome.
func redeem(t testing.TB, w *world.World, token string, want otp.Outcome) otp.View {
	t.Helper()
	v, outcome, err := w.Redeem(t.Context(), otp.RedeemRequest{Caller: acme, Token: token})
	if err != nil || outcome != want {
		t.Fatalf("redeem: got %s, %v; want %s", outcome, err, want)
	}
	return v
}

// unknownLink expects that a token is answered like one that never was.
func unknownLink(t testing.TB, w *world.World, caller otp.Caller, token string) {
	t.Helper()
	v, outcome, err := w.Redeem(t.Context(), otp.RedeemRequest{Caller: caller, Token: token})
	e := otp.AsError(err)
	if e == nil || e.Kind != otp.NotFound || !strings.HasPrefix(e.Message, "there is no such link") || outcome != 0 || !v.ID.IsZero() {
		t.Errorf("token %q: %+v, %s, %v", token, v, outcome, err)
	}
}

// turned is the token with one bit of one byte changed.
func turned(t testing.TB, token string, at int) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestATokenApprovesOnceLikeACode(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, code := start(t, w, native(mail))
	token := lastToken(t, w)
	if got := redeem(t, w, token, otp.OutcomeApproved); got.ID != v.ID || got.Status != otp.Approved || got.AttemptsLeft != 0 {
		t.Errorf("%+v", got)
	}
	redeem(t, w, token, otp.OutcomeUsed)
	check(t, w, v, code, otp.OutcomeUsed)
	if j := journal(t, w, v.ID); j != "a started, k approved" {
		t.Errorf("journal %s", j)
	}
	if d := destinations(t, w)[0]; d.ApprovedAt.IsZero() || len(d.Live) != 0 {
		t.Errorf("the destination is %+v", d)
	}

	v, code = start(t, w, native(mail)) // and the other way round
	token = lastToken(t, w)
	check(t, w, v, code, otp.OutcomeApproved)
	redeem(t, w, token, otp.OutcomeUsed)
}

func TestOneOfManyTokensAndCodesWins(t *testing.T) {
	t.Parallel()
	for range 20 {
		w := linked(t, otp.Profile{})
		v, code := start(t, w, native(mail))
		token := lastToken(t, w)
		var mu sync.Mutex
		counts := map[otp.Outcome]int{}
		var calls []func()
		for i := range 64 {
			calls = append(calls, func() {
				var o otp.Outcome
				var err error
				if i%2 == 0 {
					_, o, err = w.Check(t.Context(), guess(v, code))
				} else {
					_, o, err = w.Redeem(t.Context(), otp.RedeemRequest{Caller: acme, Token: token})
				}
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
				mu.Lock()
				counts[o]++
				mu.Unlock()
			})
		}
		together(calls...)
		if counts[otp.OutcomeApproved] != 1 || counts[otp.OutcomeUsed] != 63 {
			t.Fatalf("outcomes %v", counts)
		}
	}
}

func TestWrongTokensAreUnknownAndCountForNothing(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, code := start(t, w, native(mail))
	token := lastToken(t, w)
	before := stored(t, w, v.ID)
	for at := range 32 {
		unknownLink(t, w, acme, turned(t, token, at))
	}
	unknownLink(t, w, globex, token)
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, token[42]) // its two lowest bits are of no byte
	for _, odd := range []string{
		token[:42] + string(digits[last|1]), "", "x", token[:42], token + "A", token + "=", token + "\n", token[:20] + "\n" + token[20:], strings.ToUpper(token), code,
		strings.Repeat("A", 43), strings.Repeat("_", 43), token[:42] + "\x00", strings.Repeat("A", 100_000),
		base64.RawURLEncoding.EncodeToString(append(before.ID[:], before.Secret...)),
	} {
		unknownLink(t, w, acme, odd)
	}
	if after := stored(t, w, v.ID); after.Attempts != 0 || after.Events != before.Events || len(destinations(t, w)[0].Wrongs) != 0 {
		t.Errorf("they are charged: %+v, %+v", after, destinations(t, w)[0])
	}
	redeem(t, w, token, otp.OutcomeApproved)
	unknownLink(t, w, acme, turned(t, token, 31)) // nor is it told that one was used
}

func TestATokenOfNoLinkIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to     string
		change func(*otp.Tenant)
	}{
		"a number":          {phone, func(*otp.Tenant) {}},
		"a profile without": {mail, func(a *otp.Tenant) { a.Profiles[0].Link = "" }},
		"a test address": {mail, func(a *otp.Tenant) {
			a.TestAddresses = []otp.TestAddress{{Address: mail, Code: "123456", Until: "2026-06-01"}}
		}},
		"a test address's own": {"qa@test.example", func(a *otp.Tenant) {
			a.TestAddresses = []otp.TestAddress{{Pattern: "*@test.example", Code: "1234", Until: "2026-06-01"}}
		}},
	} {
		w := tenants(t, loose(otp.Profile{Link: page}), c.change)
		v, err := w.Start(t.Context(), native(c.to))
		if err != nil {
			t.Fatal(err)
		}
		row := stored(t, w, v.ID)
		if row.Spec.Link {
			t.Errorf("%s: it may be approved by a token", name)
		}
		row.Spec.Link = true // what its token would be
		unknownLink(t, w, acme, otp.LinkTokenForTest(w.Ring(), &row))
		if all := w.Courier.Dispatches(); len(all) > 0 && w.Courier.Last(t).Link != "" {
			t.Errorf("%s: its message shows a link", name)
		}
	}
}

func TestEndedVerificationsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*world.World, otp.View)
		want otp.Outcome
	}{
		"expired":    {func(w *world.World, v otp.View) { w.Clock.Advance(v.Expires.Sub(w.Clock.Now())) }, otp.OutcomeExpired},
		"superseded": {func(w *world.World, _ otp.View) { start(t, w, native(mail)) }, otp.OutcomeSuperseded},
		"canceled": {func(w *world.World, v otp.View) {
			if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Error(err)
			}
		}, otp.OutcomeCanceled},
		"exhausted": {func(w *world.World, v otp.View) {
			right, err := w.Ring().Code(new(stored(t, w, v.ID)))
			if err != nil {
				t.Error(err)
			}
			for range 5 {
				check(t, w, v, otptest.WrongCode(right), otp.OutcomeWrong)
			}
		}, otp.OutcomeExhausted},
	} {
		w := linked(t, otp.Profile{})
		v, _ := start(t, w, native(mail))
		token := lastToken(t, w)
		c.end(w, v)
		unknownLink(t, w, acme, turned(t, token, 31))
		if got := redeem(t, w, token, c.want); got.ID != v.ID {
			t.Errorf("%s: %+v", name, got)
		}
		// The salt goes, and with it all that could tell the token from another.
		w.Clock.Advance(3 * time.Hour)
		for s := w.NewSweeper(); sweep(t, s) > 0; {
		}
		if len(stored(t, w, v.ID).Secret) != 0 {
			t.Fatalf("%s: the salt is still there", name)
		}
		unknownLink(t, w, acme, token)
	}
}

func TestALinkLivesToTheInstantLikeItsCode(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, _ := start(t, w, native(mail))
	token := lastToken(t, w)
	w.Clock.Advance(v.Expires.Sub(w.Clock.Now()) - time.Microsecond)
	redeem(t, w, token, otp.OutcomeApproved)
}

func TestAResendKeepsTheLinkOrReplacesItWithTheCode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"same", "new"} {
		w := linked(t, otp.Profile{Resend: mode})
		v, _ := start(t, w, native(mail))
		old := lastToken(t, w)
		w.Clock.Advance(time.Minute)
		if _, err := resend(w, t, v); err != nil {
			t.Fatal(err)
		}
		fresh := lastToken(t, w)
		if (fresh == old) != (mode == "same") {
			t.Errorf("%s: %s, then %s", mode, old, fresh)
		}
		if mode == "new" {
			unknownLink(t, w, acme, old)
		}
		redeem(t, w, fresh, otp.OutcomeApproved)
	}
}

func TestTokensOutliveARotationAndASuppliedCodeHasOne(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	req := native(mail)
	req.Code = "4711471"
	v, _ := start(t, w, req)
	token := lastToken(t, w)
	key := keyOf(t, w.Ring(), otp.UseCode, 0)
	rotate(t, w, otp.UseCode, otp.UseSeal)
	w.Clock.Advance(2 * time.Minute)
	if needs(t, w, otp.UseCode, key) == "" {
		t.Error("nothing needs the key of a link that somebody waits for")
	}
	if got := lastToken(t, w); got != token {
		t.Errorf("the token becomes %s", got)
	}
	redeem(t, w, token, otp.OutcomeApproved)
	check(t, w, v, "4711471", otp.OutcomeUsed)

	start(t, w, native(mail)) // under the new key
	redeem(t, w, lastToken(t, w), otp.OutcomeApproved)
}

func TestATokenIsForWhatItsCodeIsFor(t *testing.T) {
	t.Parallel()
	paid := &otp.Payment{Amount: "10.00", Currency: "EUR", Payee: "Ana"}
	w := linked(t, otp.Profile{})
	req := native(mail)
	req.Purpose, req.Payment = otp.AuthorizePayment, paid
	v, _ := start(t, w, req)
	ask := otp.RedeemRequest{Caller: acme, Token: lastToken(t, w), Payment: &otp.Payment{Amount: "99.00", Currency: "EUR", Payee: "Ana"}, Receipt: true}
	got, outcome, err := w.Redeem(t.Context(), ask)
	if err != nil || outcome != otp.OutcomeWrong || got.AttemptsLeft != 4 || len(destinations(t, w)[0].Wrongs) != 1 {
		t.Errorf("another payment: %+v, %s, %v", got, outcome, err)
	}
	ask.Payment, ask.Purpose = nil, otp.Recover
	if _, outcome, err = w.Redeem(t.Context(), ask); err != nil || outcome != otp.OutcomeWrong {
		t.Errorf("another purpose: %s, %v", outcome, err)
	}
	ask.Payment, ask.Purpose = &otp.Payment{Amount: "1e3"}, ""
	if _, _, err = w.Redeem(t.Context(), ask); otp.KindOf(err) != otp.Invalid {
		t.Errorf("a broken payment: %v", err)
	}
	ask.Payment, ask.Purpose = paid, otp.AuthorizePayment
	if got, outcome, err = w.Redeem(t.Context(), ask); err != nil || outcome != otp.OutcomeApproved || got.ID != v.ID || got.Receipt == "" {
		t.Errorf("its own: %+v, %s, %v", got, outcome, err)
	}
}

func TestGuessersKeepNobodyFromHisLinkButALockDoes(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{MaxAttempts: 10})
	fill := func(failures int, wrongs int) string {
		v, code := start(t, w, native(mail))
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong) // so that the next guess is no first one
		token := lastToken(t, w)
		change(t, w, func(d *otp.Destination) {
			d.Run = otp.Run{Failures: failures, At: w.Clock.Now(), Channels: 1 << 1}
			for range wrongs {
				d.Wrongs = append(d.Wrongs, otp.Wrong{At: w.Clock.Now(), Chance: 1})
			}
		})
		check(t, w, v, code, otp.OutcomeThrottled)
		return token
	}
	redeem(t, w, fill(12, 0), otp.OutcomeApproved) // a delay of half an hour
	if d := destinations(t, w)[0]; d.Run.Failures != 0 {
		t.Errorf("the approval ends no run: %+v", d.Run)
	}
	redeem(t, w, fill(0, 19), otp.OutcomeApproved) // a full ledger
	change(t, w, func(d *otp.Destination) { d.Wrongs = nil })
	token := fill(100, 0)
	_, outcome, err := w.Redeem(t.Context(), otp.RedeemRequest{Caller: acme, Token: token})
	if outcome != otp.OutcomeThrottled {
		t.Errorf("a locked address: %s, %v", outcome, err)
	}
	want(t, err, otp.Throttled, otp.RuleLock, 7*24*time.Hour)
	unknownLink(t, w, acme, turned(t, token, 31)) // a lock is told to the right one alone
}

func TestATokenMayBeHeldAgainstItsSession(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, _ := start(t, w, native(mail))
	token := lastToken(t, w)
	other, _ := start(t, w, native("eva@example.com"))
	ask := otp.RedeemRequest{Caller: acme, Token: token, ID: other.ID}
	if _, _, err := w.Redeem(t.Context(), ask); otp.KindOf(err) != otp.NotFound || stored(t, w, v.ID).Status != otp.Pending {
		t.Errorf("in another's session: %v", err)
	}
	ask.ID = v.ID
	if _, outcome, err := w.Redeem(t.Context(), ask); err != nil || outcome != otp.OutcomeApproved {
		t.Errorf("in its own: %s, %v", outcome, err)
	}
}

func TestARepeatOfARedeemIsToldTheSame(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	start(t, w, native(mail))
	token := lastToken(t, w)
	req := otp.RedeemRequest{Caller: acme, Token: token, Repeat: &otp.Repeat{
		Key: "k1", Payload: []byte(token), Answer: func(_ otp.View, o otp.Outcome) []byte { return []byte(o.String()) },
	}}
	if _, outcome, err := w.Redeem(t.Context(), req); err != nil || outcome != otp.OutcomeApproved {
		t.Fatalf("%s, %v", outcome, err)
	}
	_, _, err := w.Redeem(t.Context(), req)
	if again, ok := err.(*otp.Repeated); !ok || string(again.Answer) != "approved" { //nolint:errorlint // it is not wrapped
		t.Errorf("again: %v", err)
	}
}
