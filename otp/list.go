package otp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ListEntry says what a tenant thinks of many addresses: those that begin like a
// number ("+58414"), of a country ("VE"), of a mail domain ("@example.com"), or
// asked for from a network ("203.0.113.0/24"). One address alone has a
// [Listing], which stands sealed under its key and not in a configuration.
type ListEntry struct {
	Match   string    `json:"match"`
	Verdict Verdict   `json:"verdict"`
	Until   time.Time `json:"until,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// maxList bounds a tenant's list.
const maxList = 10_000

// String returns "allow" or "block", or "" for none.
func (v Verdict) String() string {
	switch v {
	case Allowed:
		return "allow"
	case Blocked:
		return "block"
	case Unlisted:
	}
	return ""
}

// MarshalText implements [encoding.TextMarshaler].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (v *Verdict) UnmarshalText(text []byte) error {
	switch string(text) {
	case "allow":
		*v = Allowed
	case "block":
		*v = Blocked
	case "":
		*v = Unlisted
	default:
		return errors.New("must be allow or block")
	}
	return nil
}

// list is a tenant's list, ready for look-ups.
type list struct {
	matches  map[string]*ListEntry // by prefix, country or domain
	networks []netip.Prefix
	of       []*ListEntry // of the networks
}

// listOf indexes the entries.
func listOf(entries []ListEntry) (l list) {
	for i := range entries {
		e := &entries[i]
		if network, err := netip.ParsePrefix(e.Match); err == nil {
			l.networks, l.of = append(l.networks, network.Masked()), append(l.of, e)
			continue
		}
		if l.matches == nil {
			l.matches = make(map[string]*ListEntry)
		}
		l.matches[strings.ToLower(e.Match)] = e
	}
	return l
}

// find returns the entry that says most about an address: the longest prefix, else
// the domain or the country, else the network of who asks.
func (l *list) find(now time.Time, a Address, country string, client netip.Addr) *ListEntry {
	inForce := func(e *ListEntry) bool { return e != nil && (e.Until.IsZero() || now.Before(e.Until)) }
	if l.matches != nil {
		_, domain, _ := strings.Cut(a.Count, "@")
		keys := []string{"@" + strings.ToLower(domain)}
		if !a.Email {
			keys = keys[:0]
			for n := len(a.Send); n > 1; n-- {
				keys = append(keys, a.Send[:n])
			}
			keys = append(keys, strings.ToLower(country))
		}
		for _, key := range keys {
			if e := l.matches[key]; inForce(e) {
				return e
			}
		}
	}
	for i, network := range l.networks {
		if client.IsValid() && network.Contains(client.Unmap().WithZone("")) && inForce(l.of[i]) {
			return l.of[i]
		}
	}
	return nil
}

// matchFault tells what is wrong with what an entry is about.
func matchFault(match string) string {
	if _, err := netip.ParsePrefix(match); err == nil {
		return ""
	}
	number, isNumber := strings.CutPrefix(match, "+")
	domain, isDomain := strings.CutPrefix(match, "@")
	switch {
	case isNumber && number != "" && len(number) <= 12 && strings.Trim(number, "0123456789") == "":
		return ""
	case isDomain && strings.Contains(domain, ".") && !strings.ContainsAny(domain, "@ \t\r\n") && len(domain) <= 253:
		return ""
	case isCountry(match):
		return ""
	}
	return `must be the beginning of a number ("+58414", 12 digits at most), a country ("VE"), a mail domain ("@example.com") or a network ("203.0.113.0/24"); one whole address is listed with "aldaba list"`
}

func (t *Tenant) checkLists(f *faultList) {
	f.check(len(t.Lists) <= maxList, ".lists", "must have %d entries at most", maxList)
	seen := map[string]bool{}
	for i := range t.Lists {
		e, at := &t.Lists[i], fmt.Sprintf(".lists[%d]", i)
		fault := matchFault(e.Match)
		f.check(fault == "", at+".match", "%s", fault)
		f.check(!seen[strings.ToLower(e.Match)], at+".match", "stands in the list already")
		seen[strings.ToLower(e.Match)] = true
		f.check(e.Verdict != Unlisted, at+".verdict", "must be allow or block")
		f.check(len(e.Reason) <= 200 && !hasBreaks(e.Reason), at+".reason", "must be one line of at most 200 bytes")
	}
}

// listing asks the tenant's list about a start.
func (d *draft) listing(now time.Time) *Error {
	d.entry = d.tenant.list.find(now, d.address, d.record.Spec.Country, d.req.Client)
	if d.listed(Blocked) {
		return blocked("the block-list has " + d.entry.Match)
	}
	return nil
}

func (d *draft) listed(v Verdict) bool { return d.entry != nil && d.entry.Verdict == v }

func blocked(why string) *Error {
	return &Error{Kind: Undeliverable, Field: "to", Rule: RuleBlockList, Message: "this address gets nothing: " + why}
}

// verdict is what is decided about the one address, as long as it holds.
func (d *Destination) verdict(now time.Time) Verdict {
	if l := &d.Listing; l.Until.IsZero() || now.Before(l.Until) {
		return l.Verdict
	}
	return Unlisted
}

// Listed is what is decided about one address, as an operator sees it.
type Listed struct {
	To    string // masked; "" for a match
	Match string // "" for one address
	Listing
}

// Listing returns what is decided about an address. Errors: NotFound when there
// is no such tenant, Invalid for the address, Unavailable, Internal.
func (s *Service) Listing(ctx context.Context, tenant, to string) (Listed, error) {
	_, key, send, err := s.place(tenant, to)
	if err != nil {
		return Listed{}, err
	}
	d, _, err := s.o.Store.Destination(ctx, key)
	if err != nil {
		return Listed{}, unread(err)
	}
	return Listed{To: Mask(send), Listing: d.Listing}, nil
}

// Decide decides about one address of a tenant; an Unlisted verdict takes the
// decision back. Errors: as [Service.Listing].
func (s *Service) Decide(ctx context.Context, tenant, to string, l Listing) (Listed, error) {
	return s.decide(ctx, tenant, to, l, nil)
}

func (s *Service) decide(ctx context.Context, tenant, to string, l Listing, replay *replayCheck) (Listed, error) {
	_, key, send, err := s.place(tenant, to)
	if err != nil {
		return Listed{}, err
	}
	if err := l.fault(s.Now()); err != nil {
		return Listed{}, err
	}
	by := l.By
	if l.Verdict == Unlisted {
		l = Listing{}
	}
	found := Listed{To: Mask(send), Listing: l}
	err = s.do(ctx, Step{Load: Keys{Destinations: []Key{key}, Replays: replay.keys()}, Decide: func(now time.Time, st *State) error {
		if err := replay.seen(now, st); err != nil {
			return err
		}
		d, ok := st.Destinations.Get(key)
		if !ok {
			d = Destination{Key: key, Tenant: tenant}
		}
		d.Listing, d.Touched = l, latest(d.Touched, now)
		st.Destinations.Put(key, d)
		e := noted(now, now, EventListed, tenant, l.Verdict.told()+" "+key.tag(), fmt.Sprintf("%x", key))
		e.Actor = by
		st.Journal(e)
		replay.decided(now, st, found)
		return nil
	}})
	return found, err
}

// tag stands for an address in the journal, so that an operator who knows the
// address finds what was decided about it.
func (k Key) tag() string { return fmt.Sprintf("#%x", k[:6]) }
