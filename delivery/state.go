package delivery

import (
	"cmp"
	"context"
	"slices"

	"github.com/aldaba-otp/aldaba/otp"
)

// Connected is a provider that keeps connections and can tell how many of them
// stand.
type Connected interface {
	// Status returns how many connections stand, and how many should.
	Status() (up, want int)
}

// ConnectionState tells about the connections of one provider.
type ConnectionState struct {
	Provider string
	Up, Want int
}

// Connections returns the state of every provider that keeps connections, in
// order of their names.
func (c *Courier) Connections() (all []ConnectionState) {
	for name, p := range *c.providers.Load() {
		if keeps, ok := p.(Connected); ok {
			up, want := keeps.Status()
			all = append(all, ConnectionState{name, up, want})
		}
	}
	slices.SortFunc(all, func(a, b ConnectionState) int { return cmp.Compare(a.Provider, b.Provider) })
	return all
}

// Holding returns the rows of a verification that wait in this server's
// memory, oldest first: messages for a person, and events for webhooks. What a
// provider has in hand at the moment is not among them. It looks at all that
// waits, so it is for people and not for programs.
func (c *Courier) Holding(id otp.ID) (all []otp.Message) {
	keep := func(m *otp.Message) {
		if m.Verification == id {
			all = append(all, *m)
		}
	}
	c.mu.Lock()
	for i := range c.ready {
		keep(&c.ready[i].dispatch.Message)
	}
	for i := range c.retries {
		keep(&c.retries[i].job.dispatch.Message)
	}
	c.mu.Unlock()
	c.herald.mu.Lock()
	for _, e := range c.herald.hooks {
		for i := range e.queue {
			keep(&e.queue[i])
		}
	}
	c.herald.mu.Unlock()
	slices.SortFunc(all, func(a, b otp.Message) int {
		return cmp.Or(a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
	})
	return all
}

// try is what is known of a try before it is made.
func (c *Courier) try(provider string, d *otp.Dispatch) Try {
	m := &d.Message
	return Try{
		Provider: provider, Tenant: m.Tenant, Channel: string(m.Channel), Country: d.Verification.Spec.Country,
		Waited: c.o.Clock.Now().Sub(m.Created),
	}
}

// around asks [Options.Around].
func (c *Courier) around(ctx context.Context, provider string, d *otp.Dispatch) (context.Context, func(error)) {
	return c.o.Around(ctx, c.try(provider, d), &d.Message)
}
