package native

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/locale"
	"github.com/aldaba-otp/aldaba/otp"
)

// The bounds of texts, in bytes, that are checked before the core sees them.
const (
	maxAddress  = 320 // of an e-mail address, RFC 3696
	maxName     = 128
	maxSubject  = 256
	maxGuess    = 64
	maxOwnCode  = otp.MaxLength
	maxToken    = 4096         // of a challenge
	maxLifetime = 24 * 60 * 60 // seconds; the policy's ceiling is far below
)

// documented is what stands in the document for requests and profiles that
// leave it open (ruling R14).
func documented() otp.Settings {
	return otp.Settings{Alphabet: otp.Digits, Length: 6, Lifetime: 5 * time.Minute, MaxAttempts: 5}
}

// start issues a code.
func (d *dialect) start(r request) ([]byte, error) {
	body, raw, err := r.readBody(false, "to", "channel", "profile", "purpose", "subject", "locale", "length", "alphabet",
		"lifetime", "max_attempts", "code", "variables", "payment", "client_ip", "limits", "challenge", "metadata")
	if err != nil {
		return nil, err
	}
	f := &faults{body: body}
	req := f.startRequest()
	req.Caller, req.Retry = r.caller, api.Retry(r.Request, raw, 0)
	req.Locales = append(req.Locales, strings.Join(r.Header["Accept-Language"], ", "))
	if req.Repeat, err = r.repeat("start", raw, verificationAnswer); err != nil {
		f.join(err)
	}
	if len(f.all) > 0 || f.broken != nil {
		f.join(d.service.Review(req))
		return nil, f.err()
	}
	v, err := d.service.Start(r.Context(), req)
	if err != nil {
		return nil, err
	}
	api.TellClamped(r.w.Header(), v)
	return verificationAnswer(v, 0), nil
}

// startRequest reads the members of a start.
func (f *faults) startRequest() otp.StartRequest {
	req := otp.StartRequest{
		Dialect: otp.NativeDialect, Replace: otp.ReplacePurpose, Documented: documented(),
		To: f.needed("to", maxAddress), Profile: f.text("profile", maxName), Subject: f.text("subject", maxSubject),
		Code: f.text("code", maxOwnCode), Variables: f.texts("variables"), Payment: f.payment(), Metadata: f.metadata(),
	}
	req.Channel = otp.Channel(f.word("channel", channelWords()...))
	req.Pinned = req.Channel != ""
	req.Purpose = f.word("purpose", otp.Purposes()...)
	req.Asked = otp.Settings{
		Alphabet:    otp.Alphabet(f.word("alphabet", string(otp.Digits), string(otp.Alnum))),
		Length:      f.integer("length", otp.MinLength, otp.MaxLength),
		Lifetime:    time.Duration(f.integer("lifetime", 1, maxLifetime)) * time.Second,
		MaxAttempts: f.integer("max_attempts", 1, otp.MaxAttempts),
	}
	if tag := f.text("locale", maxName); tag != "" {
		if _, ok := locale.Canonical(tag); !ok {
			f.add("locale", "must be a BCP 47 language tag")
		}
		req.Locales = []string{tag}
	}
	req.Client, req.Limits = f.client(), f.texts("limits")
	req.Challenge = f.text("challenge", maxToken)
	return req
}

// client reads the end user's network address.
func (f *faults) client() netip.Addr {
	ip := f.text("client_ip", maxName)
	if ip == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		f.add("client_ip", "must be an IPv4 or IPv6 address")
	}
	return a
}

func channelWords() []string {
	channels := otp.Channels()
	words := make([]string, len(channels))
	for i, c := range channels {
		words[i] = string(c)
	}
	return words
}

// word reads one of the given words; absent is "".
func (f *faults) word(name string, words ...string) string {
	if _, given := f.given(name); !given {
		return ""
	}
	text, ok := f.body.Get(name).Text()
	for _, word := range words {
		if ok && text == word {
			return word
		}
	}
	f.add(name, "must be one of %s", strings.Join(words, ", "))
	return ""
}

// metadata returns the member without its white space, in its own order.
func (f *faults) metadata() []byte {
	if f.texts("metadata") == nil {
		return nil
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, f.body.Get("metadata").Raw()) // it was parsed already
	return compact.Bytes()
}

// repeat reads the Idempotency-Key. What the request is about is part of the
// payload, so that a key serves one operation on one verification.
func (r request) repeat(operation string, body []byte, answer func(otp.View, otp.Outcome) []byte) (*otp.Repeat, error) {
	lines := r.Header["Idempotency-Key"]
	switch len(lines) {
	case 0:
		return nil, nil
	case 1:
		payload := append([]byte("native "+operation+" "+strings.ToLower(r.PathValue("id"))+"\n"), body...)
		return &otp.Repeat{Key: lines[0], Payload: payload, Answer: answer}, nil
	}
	return nil, &otp.Error{Kind: otp.Invalid, Field: "Idempotency-Key", Message: "must be given once"}
}

// ref reads the name of the verification. One that is no id names nothing.
func (r request) ref() (otp.Ref, error) {
	id, ok := otp.ParseID(r.PathValue("id"))
	if !ok || id.IsZero() {
		return otp.Ref{}, &otp.Error{Kind: otp.NotFound, Message: "there is no such verification"}
	}
	return otp.Ref{ID: id}, nil
}

// check judges one code.
func (d *dialect) check(r request) ([]byte, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	body, raw, err := r.readBody(false, "code", "purpose", "payment", "receipt", "client_ip")
	if err != nil {
		return nil, err
	}
	f := &faults{body: body}
	req := otp.CheckRequest{
		Caller: r.caller, Dialect: otp.NativeDialect, Ref: ref, Code: f.needed("code", maxGuess),
		Purpose: f.word("purpose", otp.Purposes()...), Payment: f.payment(), Receipt: f.flag("receipt"), Client: f.client(),
	}
	req.Repeat, err = r.repeat("check", raw, checkAnswer)
	f.join(err)
	if err := f.err(); err != nil {
		return nil, err
	}
	v, outcome, err := d.service.Check(r.Context(), req)
	if err != nil {
		return nil, err
	}
	return checkAnswer(v, outcome), nil
}

// bare reads a request that says everything with its path.
func (r request) bare(operation string) (otp.Ref, *otp.Repeat, error) {
	ref, err := r.ref()
	if err != nil {
		return ref, nil, err
	}
	if _, _, err := r.readBody(true); err != nil {
		return ref, nil, err
	}
	repeat, err := r.repeat(operation, nil, verificationAnswer) // {} and nothing are the same
	return ref, repeat, err
}

// resend sends the code again.
func (d *dialect) resend(r request) ([]byte, error) {
	ref, repeat, err := r.bare("resend")
	if err != nil {
		return nil, err
	}
	v, err := d.service.Resend(r.Context(), otp.ResendRequest{Caller: r.caller, Dialect: otp.NativeDialect, Ref: ref, Repeat: repeat})
	return verificationAnswer(v, 0), err
}

// next sends the code on the next channel of the plan at once.
func (d *dialect) next(r request) ([]byte, error) {
	ref, repeat, err := r.bare("next")
	if err != nil {
		return nil, err
	}
	v, err := d.service.Next(r.Context(), otp.NextRequest{Caller: r.caller, Dialect: otp.NativeDialect, Ref: ref, Repeat: repeat})
	return verificationAnswer(v, 0), err
}

// cancel takes a verification back.
func (d *dialect) cancel(r request) ([]byte, error) {
	ref, repeat, err := r.bare("cancel")
	if err != nil {
		return nil, err
	}
	v, err := d.service.Cancel(r.Context(), otp.CancelRequest{Caller: r.caller, Dialect: otp.NativeDialect, Ref: ref, Repeat: repeat})
	return verificationAnswer(v, 0), err
}

// get tells about one verification and what happened to it.
func (d *dialect) get(r request) ([]byte, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	v, err := d.service.Lookup(r.Context(), r.caller, ref.ID) // writes an expiry that the timeline is to show
	if err != nil {
		return nil, err
	}
	timeline, err := d.service.Timeline(r.Context(), r.caller, ref.ID)
	if err != nil {
		return nil, err
	}
	return lookAnswer(v, timeline), nil
}

// list tells about the verifications of one address.
func (d *dialect) list(r request) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &refusedBody{status: http.StatusBadRequest, detail: "the query cannot be read"}
	}
	to := query["to"]
	if len(to) != 1 || len(query) != 1 {
		return nil, &refusedBody{
			status: http.StatusBadRequest, detail: "the query has one parameter",
			errors: []httpx.FieldError{{Field: "to", Detail: "must be given once and alone"}},
		}
	}
	// A plus that was not escaped arrives as a space.
	number, plus := strings.CutPrefix(to[0], " ")
	if plus {
		number = "+" + number
	}
	all, err := d.service.List(r.Context(), r.caller, number)
	if err != nil {
		return nil, err
	}
	return listAnswer(all), nil
}
