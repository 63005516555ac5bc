package otp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// A link in an e-mail is the other way to approve a verification: its token is
// redeemed where a code would be typed, by a POST of the application and by
// nothing else, since scanners of mail open every link (docs/adr/0013-links.md).

// linkMark stands between the page of a profile and a token. A fragment is sent
// to no server (RFC 3986, 3.5), so it is in no log and no Referer.
const linkMark = "#token="

// linkMAC is 128 bits: nobody finds one by trying.
type linkMAC [16]byte

// linkToken is what a link proves: it names a verification, and only who has
// the ring can make its second half.
type linkToken struct {
	id  ID
	mac linkMAC
}

// String writes both halves in base64url without padding (RFC 4648, 5).
func (t linkToken) String() string {
	return base64.RawURLEncoding.EncodeToString(append(t.id[:], t.mac[:]...))
}

// parseLinkToken reads the one way to write a token.
func parseLinkToken(s string) (t linkToken, ok bool) {
	const size = len(t.id) + len(t.mac)
	if len(s) != base64.RawURLEncoding.EncodedLen(size) {
		return t, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != size { // the decoder passes over line breaks
		return t, false
	}
	copy(t.id[:], raw)
	copy(t.mac[:], raw[len(t.id):])
	return t, !t.id.IsZero()
}

// linkMAC derives the second half of a stored verification's token: HMAC-SHA-256
// under its code key over all that a code depends on, with a name of its own in
// front, so that neither tells of the other. Secret is the salt of a drawn code
// or the sealed form of a supplied one; either is erased with it. It fails when
// the ring lacks the key or the secret is erased.
func (r *Ring) linkMAC(v *Verification) (mac linkMAC, err error) {
	key, ok := r.byID(UseCode, v.Spec.KeyID)
	if !ok || len(v.Secret) == 0 {
		return mac, errSealed
	}
	buf := make([]byte, 0, 256)
	buf = append(buf, "aldaba link v1"...)
	for _, part := range [][]byte{[]byte(v.Tenant), v.ID[:], []byte(v.Spec.Purpose), v.Spec.Context, v.Secret} {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(part)))
		buf = append(buf, part...)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(v.Generation))
	h := hmac.New(sha256.New, key.secret)
	h.Write(buf)
	copy(mac[:], h.Sum(nil))
	return mac, nil
}

// linkFor returns what a message shows for {{link}}: the page of the profile in
// force with the token, or "" when the verification has none. Errors: as
// [Ring.Code].
func (t *Tenant) linkFor(r *Ring, v *Verification, channel Channel) (string, error) {
	if !v.Spec.Link || channel != Email {
		return "", nil
	}
	for i := range t.Profiles {
		if p := &t.Profiles[i]; p.Name == v.Spec.Profile && p.Link != "" {
			mac, err := r.linkMAC(v)
			return p.Link + linkMark + linkToken{v.ID, mac}.String(), err
		}
	}
	return "", nil
}

// linked reports whether a start gets a link. That of a test address would
// reach nobody.
func (d *draft) linked() bool {
	return d.profile.Link != "" && d.req.Channel == Email && d.test == nil
}

// RedeemRequest is a token that came back from a link.
type RedeemRequest struct {
	Caller Caller
	Token  string
	// ID, unless it is zero, is the verification that the browser's session
	// started: the token of any other is then unknown and is not used up.
	ID ID
	// Purpose, Payment and Receipt are as in [CheckRequest].
	Purpose string
	Payment *Payment
	Receipt bool
	Repeat  *Repeat
}

// Redeem judges the token of a link as [Service.Check] judges a code, in the
// same atomic step: of all codes and tokens of one verification one is approved.
//
// A token that is not right is NotFound, whatever is wrong with it, and spends
// and counts nothing. A right one whose purpose or payment differs is
// OutcomeWrong and is charged as a code would be. Errors: as [Service.Check].
func (s *Service) Redeem(ctx context.Context, req RedeemRequest) (View, Outcome, error) {
	if fault := req.Payment.faults(); fault != nil {
		return View{}, 0, fault
	}
	token, ok := parseLinkToken(req.Token)
	if !ok || !req.ID.IsZero() && req.ID != token.id {
		// It goes the way of a wrong one, to an id that is never drawn.
		token = linkToken{id: ID{len(ID{}) - 1: 1}}
	}
	ring := s.Ring()
	return s.judgeGuess(ctx, &guess{
		target: s.target(ring, req.Caller, NativeDialect, Ref{ID: token.id}), service: s, ring: ring, link: &token.mac,
		binding: binding{req.Purpose, req.Payment.digest()}, receipt: req.Receipt,
		replay: req.Repeat.check(ring, req.Caller.Tenant), repeat: req.Repeat,
	})
}

var errUnknownLink = &Error{Kind: NotFound, Message: "there is no such link; it may be mistyped, replaced by a newer one, or long over"}

// admit finds the verification of a guess. One by a token must be right before
// anything is told: all others are unknown alike, after the same work.
func (g *guess) admit(now time.Time, st *State) (refusal, failure error) {
	refusal = g.find(now, st)
	if g.link == nil {
		if refusal != nil {
			others := false
			if !g.ref.ID.IsZero() { // handles are of one tenant and language
				_, others = st.Verifications.Get(g.ref.ID)
			}
			g.blank(now, st, others)
		}
		return refusal, nil
	}
	v, known := &g.v, refusal == nil && g.v.Spec.Link && !g.v.Spec.Decoy && len(g.v.Secret) > 0
	if !known {
		v = &Verification{Secret: make([]byte, 16), Spec: Spec{KeyID: g.ring.current(UseCode, now).id}}
	}
	mac, err := g.ring.linkMAC(v)
	if err != nil && v.Status == Pending {
		return nil, &Error{Kind: Internal, Cause: fmt.Errorf("link of verification %s: %w", v.ID, err)}
	}
	if !hmac.Equal(mac[:], g.link[:]) || !known || err != nil {
		return errUnknownLink, nil
	}
	return nil, nil
}

// barred tells whether a guess must wait, by which rule and how long. The ledger
// and the delay bound guessing, and a right token was not guessed: who fails at
// the code keeps nobody from his link. The lock closes the address for all.
func (g *guess) barred(now time.Time, by guesser) (rule string, wait time.Duration) {
	if g.link == nil {
		return g.dest.mayJudge(now, by)
	}
	by.prompt = true
	return g.dest.run(by.subject).bars(now, by)
}
