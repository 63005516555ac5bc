package app

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Erasure is the answer to an erasure.
type Erasure struct {
	Verifications int      `json:"verifications"` // erased now
	Before        int      `json:"erased_before"`
	Canceled      int      `json:"canceled"` // of them that were pending
	Messages      int      `json:"messages"` // taken out of the outbox
	Contacts      []string `json:"contacts"` // that hold the address still
}

// Erase removes what is kept of one address of a tenant, see [otp.Service.Erase].
// Errors: NotFound, Invalid, Unavailable, Internal.
func (a *App) Erase(ctx context.Context, tenant, to string) (Erasure, error) {
	done, err := a.Service.Erase(ctx, tenant, to, otp.ActorOperator)
	if err != nil {
		return Erasure{}, err
	}
	a.log.Info("an address was erased", "tenant", tenant, "verifications", done.Verifications)
	return Erasure{done.Verifications, done.Before, done.Canceled, done.Messages, nonNil(done.Contacts)}, nil
}

// PersonalData is what is kept of one address of a tenant.
type PersonalData struct {
	Tenant        string         `json:"tenant"`
	To            string         `json:"to"`
	At            time.Time      `json:"at"`
	Verifications []PersonalOne  `json:"verifications"` // newest first
	Contacts      []ContactData  `json:"contacts"`
	Limits        PersonalLimits `json:"limits"`
}

// PersonalOne is one verification.
type PersonalOne struct {
	ID        string            `json:"id"`
	Number    int64             `json:"number,omitempty"` // of DANAConnect
	To        string            `json:"to"`               // "erased" once it is
	Status    string            `json:"status"`
	Dialect   string            `json:"dialect"`
	Channel   string            `json:"channel"`
	Purpose   string            `json:"purpose"`
	Profile   string            `json:"profile"`
	Locale    string            `json:"locale"`
	Country   string            `json:"country,omitempty"`
	Sender    string            `json:"sender,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	Metadata  json.RawMessage   `json:"metadata,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	Created   time.Time         `json:"created"`
	Expires   time.Time         `json:"expires"`
	Ended     *time.Time        `json:"ended,omitempty"`
	Erased    *time.Time        `json:"erased,omitempty"`
	Sends     int               `json:"sends"`
	LastSent  time.Time         `json:"last_sent"`
	Journal   []TraceLine       `json:"journal"`
}

// ContactData is a contact that holds the address.
type ContactData struct {
	ID        string               `json:"id"`
	Addresses otp.ContactAddresses `json:"addresses"`
}

// PersonalLimits are the times that count towards the limits of an address.
type PersonalLimits struct {
	Sends    []time.Time `json:"sends"`
	Wrongs   []time.Time `json:"wrong_guesses"`
	Approved *time.Time  `json:"approved,omitempty"`
}

// PersonalData gathers what is kept of one address of a tenant. It holds no code
// and no secret. Errors: NotFound, Invalid, Unavailable, Internal.
func (a *App) PersonalData(ctx context.Context, tenant, to string) (PersonalData, error) {
	found, err := a.Service.PersonalData(ctx, tenant, to)
	if err != nil {
		return PersonalData{}, err
	}
	all := PersonalData{
		Tenant: tenant, To: found.To, At: a.Clock.Now().UTC().Truncate(time.Millisecond),
		Verifications: []PersonalOne{}, Contacts: []ContactData{}, Limits: PersonalLimits{Sends: []time.Time{}, Wrongs: []time.Time{}},
	}
	for i := range found.Verifications {
		all.Verifications = append(all.Verifications, personalOne(&found.Verifications[i]))
	}
	for _, c := range found.Contacts {
		all.Contacts = append(all.Contacts, ContactData{c.ID, c.Addresses})
	}
	all.Limits.Sends = append(all.Limits.Sends, found.Limits.Sends...)
	for _, w := range found.Limits.Wrongs {
		all.Limits.Wrongs = append(all.Limits.Wrongs, w.At)
	}
	all.Limits.Approved = timeOrNone(found.Limits.ApprovedAt)
	return all, nil
}

func personalOne(v *otp.KeptVerification) PersonalOne {
	one := PersonalOne{
		ID: v.ID.String(), Number: v.Number, To: v.To, Status: v.Status.String(), Dialect: v.Dialect, Channel: string(v.Channel),
		Purpose: v.Purpose, Profile: v.Profile, Locale: v.Locale, Country: v.Country, Sender: v.Sender, Subject: v.Subject,
		Metadata: v.Metadata, Variables: v.Variables, Created: v.Created, Expires: v.Expires, Ended: timeOrNone(v.Ended),
		Erased: timeOrNone(v.Erased), Sends: v.Sends, LastSent: v.LastSent, Journal: []TraceLine{},
	}
	for i := range v.Journal {
		e := &v.Journal[i]
		line := TraceLine{At: e.At, After: e.At.Sub(v.Created).Seconds(), Kind: string(e.Kind), Detail: e.Detail, Actor: e.Actor}
		if channel, provider, detail, ok := e.Carried(); ok {
			line.Channel, line.Provider, line.Detail = string(channel), provider, detail
		}
		one.Journal = append(one.Journal, line)
	}
	return one
}

// timeOrNone is nil for never.
func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ofAddress reads what calls about one address are asked for: erasure, personal
// data, the release of a lock. The address
// comes in the body: paths and queries get into logs.
func (a *App) ofAddress(act func(ctx context.Context, tenant, to string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Tenant string `json:"tenant"`
			To     string `json:"to"`
		}
		if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME","to":"+18095550100"}`, &asked.Tenant, &asked.To) {
			return
		}
		tell(r.Context(), asked.Tenant, "") // the operators' journal learns no address
		answer, err := act(r.Context(), asked.Tenant, asked.To)
		if err != nil {
			a.adminRefuse(w, err)
			return
		}
		adminAnswer(w, answer)
	}
}

// adminErase answers POST /admin/erase.
func (a *App) adminErase() http.HandlerFunc {
	return a.ofAddress(func(ctx context.Context, tenant, to string) (any, error) { return a.Erase(ctx, tenant, to) })
}

// adminPersonalData answers POST /admin/personal-data.
func (a *App) adminPersonalData() http.HandlerFunc {
	return a.ofAddress(func(ctx context.Context, tenant, to string) (any, error) { return a.PersonalData(ctx, tenant, to) })
}
