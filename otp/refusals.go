package otp

import (
	"context"
	"slices"
	"strings"
	"time"
)

// RefusalQuery asks what limits, watch and lists have said.
type RefusalQuery struct {
	Tenant string
	To     string // one address, or "" for all
	Rule   string // or "" for all
	Since  time.Time
	Limit  int // the newest so many
}

// Refusal is one line of the journal about a limit, the watch or a list, for
// the operator. It holds no full address.
type Refusal struct {
	At      time.Time
	Kind    EventKind
	Tenant  string
	Dialect string
	Actor   string // identity of the credential, "operator" or "server"
	Rule    string // "" of a decision of a list
	Counter string // how far it was used, or what was decided; may be ""
	Allows  string // what would have let it pass; may be ""
	Address string // its tag, the same for all lines of one address; may be ""
}

// refusalKinds are written the moment that their name is made of; the name of
// the others is of a verification or of a day that began before.
func refusalKinds() (prompt, late []EventKind) {
	return []EventKind{EventRefused, EventShadowed, EventListed, EventReleased}, []EventKind{EventLocked, EventAlert}
}

const (
	refusalPage = 500
	// lateBy is the most between the time in a name and the line: of a
	// verification's life, or of a day.
	lateBy = 25 * time.Hour
)

// Refusals returns what was said since a time, newest last. The journal is kept
// as long as the tenant's journal_retention. Errors: NotFound when there is no
// such tenant, Invalid for the address, Unavailable, Internal.
func (s *Service) Refusals(ctx context.Context, q RefusalQuery) ([]Refusal, error) {
	if _, ok := s.Directory().Tenant(q.Tenant); !ok {
		return nil, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	r := refusals{s: s, q: q}
	if q.To != "" {
		_, key, _, err := s.place(q.Tenant, q.To)
		if err != nil {
			return nil, err
		}
		r.tag = key.tag()
	}
	prompt, late := refusalKinds()
	end := s.Now().Add(time.Minute) // a server's clock may be ahead
	found, err := r.between(ctx, late, q.Since.Add(-lateBy), end)
	if err != nil {
		return nil, err
	}
	// Backwards, by growing steps, so that the newest are found without reading
	// all of a flood.
	begin := q.Since.Add(-time.Minute) // names are cut to the minute
	var newest []Refusal
	for span := time.Hour; end.After(begin) && len(newest) < q.Limit; span *= 2 {
		from := latest(begin, end.Add(-span)).Truncate(time.Minute)
		page, err := r.between(ctx, prompt, from, end)
		if err != nil {
			return nil, err
		}
		newest, end = append(page, newest...), from
	}
	found = append(found, newest...)
	byTime(found)
	return last(found, q.Limit), nil
}

func byTime(all []Refusal) {
	slices.SortStableFunc(all, func(a, b Refusal) int { return a.At.Compare(b.At) })
}

// refusals is one search.
type refusals struct {
	s   *Service
	q   RefusalQuery
	tag string // "" for all addresses
}

// between returns the newest lines of some kinds that are named after times
// between two.
func (r *refusals) between(ctx context.Context, kinds []EventKind, from, to time.Time) (found []Refusal, err error) {
	after, before := FirstID(from), FirstID(to)
	for {
		events, err := r.s.o.Store.ScanEvents(ctx, r.q.Tenant, kinds, after, before, refusalPage)
		if err != nil {
			return nil, unread(err)
		}
		tags, err := r.lockedTags(ctx, events)
		if err != nil {
			return nil, err
		}
		for i := range events {
			line := events[i].refusal()
			if line.Address == "" {
				line.Address = tags[events[i].Verification]
			}
			if r.wants(&line) {
				found = append(found, line)
			}
		}
		byTime(found)
		found = last(found, r.q.Limit)
		if len(events) < refusalPage {
			return found, nil
		}
		after = events[len(events)-1].Verification
	}
}

// lockedTags finds the addresses of verifications whose guess locked them.
func (r *refusals) lockedTags(ctx context.Context, events []Event) (map[ID]string, error) {
	var ids []ID
	for i := range events {
		if events[i].Kind == EventLocked {
			ids = append(ids, events[i].Verification)
		}
	}
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // a map to read from
	}
	all, err := r.s.o.Store.Verifications(ctx, ids...)
	if err != nil {
		return nil, unread(err)
	}
	tags := make(map[ID]string, len(all))
	for i := range all {
		tags[all[i].ID] = all[i].Destination.tag()
	}
	return tags, nil
}

func (r *refusals) wants(line *Refusal) bool {
	return !line.At.Before(r.q.Since) && (r.q.Rule == "" || line.Rule == r.q.Rule) && (r.tag == "" || line.Address == r.tag)
}

// refusal reads the detail of an event: rule, counter, "; " and what would have
// let it pass, and the address's tag.
func (e *Event) refusal() Refusal {
	line := Refusal{At: e.At, Kind: e.Kind, Tenant: e.Tenant, Dialect: e.Dialect, Actor: e.Actor}
	rest := e.Detail
	if i := strings.LastIndexByte(rest, ' '); i >= 0 && isTag(rest[i+1:]) {
		rest, line.Address = rest[:i], rest[i+1:]
	}
	if e.Kind == EventListed {
		line.Counter = rest
		return line
	}
	line.Rule, line.Counter, _ = strings.Cut(rest, " ")
	if i := strings.LastIndex(line.Counter, "; "); i >= 0 {
		line.Counter, line.Allows = line.Counter[:i], line.Counter[i+2:]
	}
	if line.Allows == "" && e.Kind == EventRefused {
		line.Allows = passes(line.Rule)
	}
	return line
}

// passes tells what ends a limit of one address, whose lines do not say it.
func passes(rule string) string {
	switch rule {
	case RuleBlockList:
		return "aldaba list remove"
	case RuleLock:
		return "aldaba lock release"
	case RuleLedger, RuleDelay, RuleHasty:
		return "time, or aldaba lock release"
	}
	return "time"
}

// isTag reports whether a word is what [Key.tag] writes.
func isTag(word string) bool {
	return len(word) == 13 && word[0] == '#' && strings.Trim(word[1:], "0123456789abcdef") == ""
}
