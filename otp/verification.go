package otp

import (
	"strings"
	"time"
)

// end moves the verification to a terminal status.
func (v *Verification) end(s Status, now time.Time) {
	v.Status, v.Ended = s, now
}

// attemptsLeft is how many wrong guesses would still be judged.
func (v *Verification) attemptsLeft() int {
	if v.Status != Pending {
		return 0
	}
	return v.unspent()
}

// unspent is how many tries were never used up by a wrong guess.
func (v *Verification) unspent() int { return max(v.Spec.MaxAttempts-v.Attempts, 0) }

// space is the number of codes that are equally likely.
func (v *Verification) space() float64 { return v.Spec.Alphabet.space(v.Spec.Length) }

// Code returns the code that a stored verification waits for. It fails when
// the ring lacks the key or the secret is erased. No dialect may show it.
func (r *Ring) Code(v *Verification) (string, error) {
	if v.Spec.OwnCode {
		plain, err := r.open(sealName("code", v.ID), v.Secret)
		return string(plain), err
	}
	key, ok := r.byID(UseCode, v.Spec.KeyID)
	if !ok || len(v.Secret) == 0 {
		return "", errSealed
	}
	return derivation{
		id: v.ID, salt: v.Secret, generation: v.Generation, purpose: v.Spec.Purpose,
		context: v.Spec.Context, alphabet: v.Spec.Alphabet, length: v.Spec.Length,
	}.derive(key.mac), nil
}

// letter opens what the message is made of; that of an erased verification is
// empty.
func (v *Verification) letter(r *Ring) (Letter, error) {
	var l Letter
	if !v.Spec.Erased.IsZero() {
		return l, nil
	}
	err := r.openJSON(sealName("letter", v.ID), v.Spec.Letter, &l)
	return l, err
}

// Erased is shown in place of an address that was erased.
const Erased = "erased"

// masked shows enough of the verification's address to recognise it.
func (v *Verification) masked(to string) string {
	if !v.Spec.Erased.IsZero() {
		return Erased
	}
	return Mask(to)
}

// Mask shows enough of an address to recognise it and never all of it:
// "+180*****567", "a***@example.com". At least five characters of a number are
// hidden.
func Mask(address string) string {
	if local, domain, ok := strings.Cut(address, "@"); ok {
		shown := 1
		if len(local) < 2 {
			shown = 0
		}
		return local[:shown] + strings.Repeat("*", 3) + "@" + domain
	}
	tail := min(3, max(len(address)-6, 0)/2)
	head := min(4, max(len(address)-5-tail, 0))
	return address[:head] + strings.Repeat("*", len(address)-head-tail) + address[len(address)-tail:]
}
