package otp

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// draft is a checked start request, ready to be decided.
type draft struct {
	req      StartRequest
	tenant   *Tenant
	profile  *Profile
	settings Settings
	doubtful doubtful
	purpose  string
	address  Address
	letter   Letter
	ring     *Ring

	key     Key
	record  Verification
	message Message
	purse   purse
	handle  Key
	replay  *replayCheck
	test    *TestAddress // that the address is, or nil
	again   again
	gate    *gate
	price   Money      // of the first try, at most
	entry   *ListEntry // of the tenant's list, or nil
	vouched bool       // a challenge was passed
	decoy   decoy
	token   Key // of its token, when vouched

	refusal error // of the step, in its present run
	said    said
}

// draft checks everything that can be known before the step.
func (s *Service) draft(ctx context.Context, req StartRequest) (*draft, error) {
	d, err := s.review(req)
	if err != nil {
		s.noteListed(ctx, d)
		return nil, err
	}
	s.vouch(ctx, d)
	return d, s.prepare(ctx, d)
}

// review checks what needs neither the store nor the ring's secrets. With an
// error it returns how far it came, or nil.
func (s *Service) review(req StartRequest) (*draft, error) {
	dir := s.Directory()
	d := &draft{req: req, ring: s.Ring(), decoy: decoy{is: req.Decoy}}
	var ok bool
	if d.tenant, ok = dir.Tenant(req.Caller.Tenant); !ok {
		return nil, &Error{Kind: Unauthenticated, Message: "the tenant is gone"}
	}
	if d.profile, ok = profileFor(dir, req); !ok {
		return nil, &Error{Kind: Inactive, Field: "profile", Message: "there is no active profile of this name"}
	}
	if err := d.faults(s, dir); err != nil {
		return d, err
	}
	return d, nil
}

// faults makes all checks, so that who asked with several faults is told of
// them at once: the first one, and the others in its Also.
func (d *draft) faults(s *Service, dir *Directory) *Error {
	var first *Error
	for _, check := range []func(*draft, *Service, *Directory) *Error{(*draft).addressee, (*draft).settle, (*draft).wording} {
		switch err := d.orDecoy(s, dir, check(d, s, dir)); {
		case err == nil:
		case first == nil && err.Kind != Invalid:
			return err
		case first == nil:
			first = err
		case err.Kind == Invalid:
			first.Also = append(append(first.Also, err), err.Also...)
		}
	}
	return first
}

// profileFor finds the profile of a request: by the dialect's alias, by its
// own name on the native API, else the default.
func profileFor(dir *Directory, req StartRequest) (*Profile, bool) {
	p, ok := dir.DefaultProfile(req.Caller.Tenant), true
	if req.Profile != "" {
		dialect := req.Dialect
		if dialect == NativeDialect {
			dialect = ""
		}
		p, ok = dir.Profile(req.Caller.Tenant, dialect, req.Profile)
	}
	return p, ok && !p.Inactive
}

// addressee reads the address and checks channel, balance, country and route.
func (d *draft) addressee(s *Service, dir *Directory) *Error {
	a, err := s.o.Addresses.Parse(d.req.To, d.tenant.Home)
	if err != nil {
		return &Error{Kind: Invalid, Field: "to", Message: "is no telephone number or e-mail address", Cause: err}
	}
	d.address = a
	if d.req.Channel == "" {
		d.req.Channel = SMS
		if a.Email {
			d.req.Channel = Email
		}
	}
	if !IsChannel(d.req.Channel) || (d.req.Channel == Email) != a.Email {
		return invalid("channel", "does not fit the address")
	}
	if d.req.Caller.NoCredit { // after what is wrong with the request itself
		return &Error{Kind: NoCredit, Message: "the account has no balance"}
	}
	spec := &d.record.Spec
	d.testing(s.Now())
	if !a.Email {
		spec.Country = s.o.Addresses.Country(a.Send)
	}
	if d.test == nil {
		if err := d.listing(s.Now()); err != nil {
			return err
		}
	}
	if err := d.checkKeys(); err != nil {
		return err
	}
	if !a.Email {
		if d.test == nil && !d.listed(Allowed) && !d.tenant.allowsAll() && !d.tenant.allows(spec.Country) {
			return &Error{Kind: Undeliverable, Field: "to", Rule: "country", Message: "the tenant does not send to this country"}
		}
	}
	d.plan(s, dir)
	if err := d.lineKind(s); err != nil {
		return err
	}
	if d.test == nil && !s.reachable(dir, d.tenant, d.req.Channel, a.Send, spec.Country) {
		return &Error{Kind: Undeliverable, Field: "channel", Rule: "route", Message: "the tenant has no route for this channel and address"}
	}
	return d.tenant.checkSender(d.req.Channel, cmp.Or(d.req.Sender, d.profile.Sender), spec.Country)
}

// settle decides the settings.
func (d *draft) settle(*Service, *Directory) *Error {
	d.purpose = cmp.Or(d.req.Purpose, d.profile.Purpose, Authenticate)
	if !isPurpose(d.purpose) {
		return invalid("purpose", "must be one of %s", strings.Join(Purposes(), ", "))
	}
	if d.req.Code != "" {
		if err := d.ownCode(); err != nil {
			return err
		}
	}
	if err := d.payment(); err != nil {
		return err
	}
	a := asked{
		request: d.req.Asked, dialect: d.req.Documented, shorten: d.req.Shorten,
		profile: Settings{d.profile.Alphabet, d.profile.Length, d.profile.Lifetime, d.profile.MaxAttempts},
		policy:  d.tenant.policyFor(d.req.Dialect, d.profile), ceiling: d.tenant.MaxLifetime,
		channel: d.req.Channel, purpose: d.purpose,
	}
	settings, err := settle(a)
	d.settings = settings
	d.doubtful = doubtful{settings.weak(d.req.Channel, d.purpose), a.cut(settings)}
	d.fixed()
	return err
}

func isPurpose(p string) bool {
	return slices.Contains(Purposes(), p)
}

// ownCode reads the settings of a code that the caller supplied from the code
// itself.
func (d *draft) ownCode() *Error {
	code, alphabet := d.req.Code, ownAlphabet(d.req.Code)
	if alphabet == "" {
		return invalid("code", "must be of letters and digits")
	}
	if len(code) < MinLength || len(code) > MaxLength {
		return invalid("code", "must have %d to %d characters", MinLength, MaxLength)
	}
	if l := d.req.Asked.Length; l != 0 && l != len(code) {
		return invalid("length", "does not fit the code that was given")
	}
	if a := d.req.Asked.Alphabet; a != "" && a != alphabet {
		return invalid("alphabet", "does not fit the code that was given")
	}
	d.req.Asked.Length, d.req.Asked.Alphabet = len(code), alphabet
	return nil
}

// ownAlphabet is the alphabet of a code that somebody chose, or "" when it is
// of none.
func ownAlphabet(code string) Alphabet {
	alphabet := Digits
	for _, c := range []byte(code) {
		switch {
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			alphabet = Alnum
		default:
			return ""
		}
	}
	return alphabet
}

// wording chooses language and text, so that a text which cannot be filled is
// refused now and not found out when it is sent.
func (d *draft) wording(s *Service, _ *Directory) *Error {
	if err := checkVariables(d.req.Variables, d.req.Payment); err != nil {
		return err
	}
	for _, own := range []string{d.req.Text, d.req.DefaultText} {
		if own == "" {
			continue
		}
		if err := checkText(own); err != nil {
			return err
		}
	}
	if len(d.req.Subject) > 256 || !utf8.ValidString(d.req.Subject) {
		return invalid("subject", "must be UTF-8 of at most 256 bytes")
	}
	if len(d.req.Metadata) > 4096 {
		return invalid("metadata", "must be at most 4096 bytes")
	}
	d.record.Spec.Locale = d.language(s)
	sender := cmp.Or(d.req.Sender, d.profile.Sender)
	d.letter = Letter{To: d.address.Send, Sender: sender, Text: d.req.Text, Default: d.req.DefaultText, Variables: d.req.Variables, Payment: d.req.Payment}
	if err := d.fillable(d.req.Channel); err != nil {
		return err
	}
	for i := 1; i < len(d.record.Spec.Plan); i++ {
		if err := d.fillable(d.record.Spec.Plan[i].Channel); err != nil {
			return err
		}
	}
	return nil
}

// language chooses that of the text.
func (d *draft) language(s *Service) string {
	locales, own := d.tenant.locales(d.profile.Name, d.req.Channel), d.tenant.locale()
	if len(d.req.Locales) == 0 && locales[0] == own {
		return own // nobody asked for another one
	}
	// The tenant's own language is the last preference, so that its "es-VE" is
	// served by a text in "es".
	return s.o.Languages.Match(locales, append(slices.Clone(d.req.Locales), own))
}

// fillable refuses a start whose text on a channel shows what nobody gave.
func (d *draft) fillable(channel Channel) *Error {
	letter := d.letter
	if channel == Email {
		letter.link = d.profile.Link
	}
	w, err := d.tenant.wordingFor(d.profile.Name, channel, d.record.Spec.Locale, &letter)
	if err != nil {
		return &Error{Kind: Internal, Cause: err}
	}
	name, missing := w.body.missing(d.gives)
	if !missing && channel == Email {
		name, missing = w.subject.missing(d.gives)
	}
	if missing {
		return invalid("variables", "must hold %s, which the text shows", name)
	}
	return w.shown(d.req.Payment, channel)
}

// gives tells whether a text can show a variable.
func (d *draft) gives(variable string) bool {
	switch variable {
	case "code", "brand", "expires_in", "minutes", "link":
		return true
	}
	_, ok := d.req.Variables[variable]
	return ok || d.req.Payment != nil && slices.Contains(paymentVariables(), variable)
}

// prepare draws and seals what the decision needs.
func (s *Service) prepare(ctx context.Context, d *draft) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	messageID, err := s.newID()
	if err != nil {
		return err
	}
	now := s.Now()
	tenant := d.tenant.Name
	d.key = d.ring.destinationKey(tenant, d.address)
	spec := &d.record.Spec
	*spec = Spec{
		Dialect: d.req.Dialect, Owner: d.req.Caller.Identity, Profile: d.profile.Name, Purpose: d.purpose, Channel: d.req.Channel,
		Locale: spec.Locale, Country: spec.Country, Plan: spec.Plan, Subject: d.req.Subject, MaxAttempts: d.settings.MaxAttempts, Alphabet: d.settings.Alphabet,
		Length: d.settings.Length, KeyID: d.ring.current(UseCode, now).id, OwnCode: d.req.Code != "",
		FreshCode: d.profile.Resend == "new", Context: d.req.Payment.digest(), Metadata: d.req.Metadata, Receipt: d.profile.Receipt, Test: d.test != nil, Link: d.linked(),
		Decoy: d.decoy.is,
	}
	if spec.Letter, err = d.ring.sealJSON(now, s.o.Rand, sealName("letter", id), d.letter); err != nil {
		return err
	}
	d.record.ID, d.record.Tenant, d.record.Destination = id, tenant, d.key
	if d.record.Secret, err = s.secret(d, now); err != nil {
		return err
	}
	if d.req.Numbered {
		if spec.Number, err = s.nextNumber(ctx, tenant, d.ring); err != nil {
			return err
		}
		d.req.Session = fmt.Sprint(spec.Number)
	}
	if d.req.SessionOf != nil {
		d.req.Session = d.req.SessionOf(id)
	}
	if d.req.Session != "" {
		d.handle = d.ring.handleKey(tenant, d.req.Dialect, d.req.Session)
		spec.Handle = d.handle
	}
	d.message = Message{ID: messageID, Tenant: tenant, Verification: id, Kind: CodeMessage, Channel: d.req.Channel, Owner: s.o.Server}
	if !spec.Test {
		d.purse = s.purse(tenant, messageID)
		d.price = d.purse.price(d.req.Channel, d.address.Send, spec.Country)
		d.gate = s.gateOf(d)
		s.colds.take(s.Now(), d.gate)
		s.pulse.take(d.gate.watch)
	}
	if len(spec.Plan) > 0 {
		d.record.Course = Course{Message: messageID}
	}
	d.replay = d.req.Repeat.check(d.ring, tenant)
	d.again = d.recognised()
	return nil
}

// secret is the salt of a code of our own, or the caller's code sealed.
func (s *Service) secret(d *draft, now time.Time) ([]byte, error) {
	if d.req.Code != "" {
		return d.ring.seal(now, s.o.Rand, sealName("code", d.record.ID), []byte(d.req.Code))
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(s.o.Rand, salt); err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	return salt, nil
}

func sealName(what string, id ID) string { return what + " " + id.Hex() }
