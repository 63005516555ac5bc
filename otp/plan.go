package otp

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The bounds of a plan: each leg is a message that somebody pays for.
const (
	maxLegs    = 4
	minLegWait = 5 * time.Second
	maxLegWait = 10 * time.Minute
)

// plan chooses the channels of a start.
func (d *draft) plan(s *Service, dir *Directory) {
	legs := d.legs(s, dir)
	if len(legs) == 0 {
		return
	}
	d.req.Channel = legs[0].Channel
	if len(legs) > 1 {
		legs[len(legs)-1].Wait = 0
		d.record.Spec.Plan = legs
	}
}

// legs returns the plan of a start: the profile's, without the channels that
// nobody carries to the address, or none. A caller that chose a channel itself
// begins there.
func (d *draft) legs(s *Service, dir *Directory) []Leg {
	plan := d.profile.Plan
	if d.address.Email || len(plan) == 0 {
		return nil
	}
	if d.req.Pinned {
		at := slices.IndexFunc(plan, func(l Leg) bool { return l.Channel == d.req.Channel })
		if at < 0 {
			return nil
		}
		plan = plan[at:]
	}
	var open []Leg
	for _, leg := range plan {
		if d.test != nil || d.decoy.hides != "" || s.reachable(dir, d.tenant, leg.Channel, d.address.Send, d.record.Spec.Country) {
			open = append(open, leg)
		}
	}
	return open
}

// goesOn tells whether a leg follows the present one.
func (v *Verification) goesOn() bool { return v.Course.Leg+1 < len(v.Spec.Plan) }

// channel is the one of the present leg.
func (v *Verification) channel() Channel {
	if v.Course.Leg < len(v.Spec.Plan) {
		return v.Spec.Plan[v.Course.Leg].Channel
	}
	return v.Spec.Channel
}

// legAt is when the leg after the present one begins if nothing is heard.
func (v *Verification) legAt(now time.Time) time.Time {
	if !v.goesOn() {
		return time.Time{}
	}
	return now.Add(v.Spec.Plan[v.Course.Leg].Wait)
}

// advance begins the next leg with a message of its own and saves both. There
// must be one.
func (v *Verification) advance(now time.Time, st *State, paid purse, m Message, actor string) (Message, error) {
	if _, err := paid.affords(now, st, v.Spec.Plan[v.Course.Leg+1].Channel, v, 1); err != nil {
		return m, err // before anything has changed
	}
	v.Course.Leg++
	m.Tenant, m.Verification, m.Kind, m.Channel = v.Tenant, v.ID, CodeMessage, v.channel()
	v.Course.Message = m.ID
	st.Journal(v.event(EventNextLeg, now, actor, string(m.Channel)))
	m, err := v.post(now, st, paid, m)
	if err != nil {
		return m, err
	}
	st.Verifications.Put(v.ID, *v)
	return m, nil
}

// NextRequest asks for the next leg of a plan now.
type NextRequest struct {
	Caller  Caller
	Dialect string
	Ref     Ref
	Repeat  *Repeat
}

// Next begins the next leg of a pending verification's plan at once, with the
// same code. It counts as a send of the destination.
//
// Errors: as [Service.Resend], and Ended when the plan has no further leg.
func (s *Service) Next(ctx context.Context, req NextRequest) (View, error) {
	return s.another(ctx, ResendRequest(req), (*act).next)
}

func (a *act) next(now time.Time, st *State, m Message) error {
	if err := a.pending(); err != nil {
		return err
	}
	if !a.v.goesOn() {
		return &Error{Kind: Ended, Message: "the verification has no further channel"}
	}
	if err := a.maySend(now, st, a.v.Spec.Plan[a.v.Course.Leg+1].Channel, 0); err != nil {
		return err
	}
	a.v.Sends, a.v.LastSent = a.v.Sends+1, now
	a.dest = a.dest.counting(&a.v, now)
	st.Destinations.Put(a.dest.Key, a.dest)
	m, err := a.v.advance(now, st, a.purse, m, a.caller.Identity)
	if err != nil {
		return err
	}
	a.message = &m
	return nil
}

func (p *Profile) checkPlan(f *faultList, at string) {
	if len(p.Plan) == 0 {
		return
	}
	f.check(len(p.Plan) >= 2 && len(p.Plan) <= maxLegs, at+".plan", "must have 2 to %d channels", maxLegs)
	for i, leg := range p.Plan {
		here := fmt.Sprintf("%s.plan[%d]", at, i)
		f.check(IsChannel(leg.Channel) && leg.Channel != Email, here+".channel", "must be a channel of telephones: sms, voice, whatsapp or telegram")
		twice := slices.ContainsFunc(p.Plan[:i], func(l Leg) bool { return l.Channel == leg.Channel })
		f.check(!twice, here+".channel", "stands in the plan already")
		if i+1 < len(p.Plan) {
			f.check(leg.Wait >= minLegWait && leg.Wait <= maxLegWait, here+".wait", "must be %s to %s", minLegWait, maxLegWait)
		} else {
			f.check(leg.Wait == 0, here+".wait", "says nothing: no channel follows")
		}
	}
}

// checkPlanRoutes refuses a plan with a channel that no route carries, which
// would be found out only when somebody waits for it.
func (t *Tenant) checkPlanRoutes(f *faultList, at string, p *Profile) {
	if len(t.Routes) == 0 {
		return
	}
	for i, leg := range p.Plan {
		carried := slices.ContainsFunc(t.Routes, func(r Route) bool { return r.Channel == leg.Channel })
		f.check(carried, fmt.Sprintf("%s.plan[%d].channel", at, i), "has no route; add one for %s", leg.Channel)
	}
}
