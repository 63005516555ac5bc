package otp

import "time"

// The records of the store. They are values: a decision gets copies and puts
// back what it changed. Times are in UTC with microseconds; the zero time
// means never. Text from outside is kept as bytes by every engine.

// Channel is the way a message travels.
type Channel string

// The channels.
const (
	SMS      Channel = "sms"
	Email    Channel = "email"
	Voice    Channel = "voice"
	WhatsApp Channel = "whatsapp"
	Telegram Channel = "telegram"
)

// Channels lists every channel.
func Channels() []Channel { return []Channel{SMS, Email, Voice, WhatsApp, Telegram} }

// Verification is one proof that somebody controls one address.
type Verification struct {
	ID          ID
	Tenant      string
	Destination Key // of the address it proves; never changes
	Spec        Spec

	Status     Status
	Attempts   int // wrong guesses that were judged
	Generation int // of the code; grows when a resend draws a new one
	Sends      int
	LastSent   time.Time
	Expires    time.Time // never moves
	Ended      time.Time // when it reached a terminal status
	Events     int       // journal numbers given out so far
	Course     Course    // how far its plan has come, and its newest message; zero before the first of either
	Secret     []byte    // salt of the code, or the sealed code that the caller gave; erased an hour after the end
}

// Spec is what a verification was started with. It never changes, so that a
// changed profile changes no live code. The one exception is erasure, which
// empties Subject, Context, Letter and Metadata and sets Erased; engines write
// the Spec of a stored verification anew when Erased is set, and only then.
type Spec struct {
	Dialect     string // folder of the dialect that started it
	Owner       string // identity of the credential that started it
	Profile     string
	Purpose     string
	Channel     Channel
	Locale      string // BCP 47, chosen at the start
	Subject     string // the application's own user id, or ""
	Created     time.Time
	MaxAttempts int
	Alphabet    Alphabet
	Length      int
	KeyID       uint32    // of the ring's code key
	OwnCode     bool      // the caller supplied the code; Secret holds it sealed
	FreshCode   bool      // a resend draws a new code
	Context     []byte    // digest of what the code is bound to, or empty
	Letter      []byte    // sealed [Letter]
	Metadata    []byte    // JSON object of the caller, or empty
	Number      int64     // DANAConnect's counter, 0 for none
	Handle      Key       // the dialect's own handle, zero for none
	Prev        ID        // the destination's verification before this one
	Country     string    // ISO 3166 of a number, "" when unknown
	Plan        []Leg     // channels that follow one another, or none
	Erased      time.Time // when the personal data in it was erased
	Receipt     bool      // an approval over the native API comes with a receipt
	Test        bool      // of a test address: a fixed code, nothing is sent, no limit counts
	Prefix      Key       // of the tally of its number's prefix, zero for none
	Decoy       bool      // answers like any other; nothing is sent and no code is right
	Link        bool      // it may be approved by the token of a link too
}

// Leg is one channel of a plan.
type Leg struct {
	Channel Channel       `json:"channel"`
	Wait    time.Duration `json:"wait,omitempty"` // for a receipt or an approval, before the next leg; the last leg has none
}

// Course is how far a plan has come.
type Course struct {
	Message ID  // of the present leg
	Leg     int // index in [Spec.Plan]
}

// Letter is what the text of a message is made of. It rests sealed.
type Letter struct {
	To        string            `json:"to"`
	Sender    string            `json:"from,omitempty"`
	Text      string            `json:"text,omitempty"`    // the request's own template, or ""
	Default   string            `json:"default,omitempty"` // the dialect's, for when the tenant has none
	Variables map[string]string `json:"vars,omitempty"`
	Payment   *Payment          `json:"payment,omitempty"` // that the code authorises, or nil
	link      string            // that an e-mail shows, or ""; derived when it is sent and kept nowhere
}

// Destination is what a tenant's server remembers of one address, over all its
// verifications and dialects.
type Destination struct {
	Key        Key
	Tenant     string
	Live       []Live      // pending verifications that a newer one supersedes
	Newest     ID          // head of the chain of Spec.Prev
	Sends      []time.Time // the last 10, oldest first
	Wrongs     []Wrong     // the last 20 wrong guesses, oldest first
	Run        Run         // wrong guesses in a row, of all but Subject
	Own        Run         // wrong guesses in a row in the name of Subject
	Subject    SubjectTag  // of who proved the address last with a subject given
	ApprovedAt time.Time
	Touched    time.Time // last change; an idle row is swept
	LastStart  LastStart // zero unless its newest start may come again
	Listing    Listing   // zero for most
	Decoys     DecoyGuesses
}

// DecoyGuesses are the wrong guesses at decoys of an address. They bar guesses
// at decoys, as those at codes that were sent do, and nothing else.
type DecoyGuesses struct {
	Wrongs []Wrong // the last 20, oldest first
	Run    Run     // in a row, in whoever's name
}

// LastStart is how a destination knows its newest start when it comes again. It
// is forgotten when the verification ends.
type LastStart struct {
	Print Key // of the request; see [Retry]
	At    time.Time
	ID    ID // of the verification that it made
}

// Live points from a purpose to the verification that serves it.
type Live struct {
	Purpose string
	ID      ID
}

// Wrong is one charged guess.
type Wrong struct {
	At     time.Time
	Chance uint64 // of having been right, in units of 10^-12, rounded up
}

// Message is one text that waits to be carried. The row exists as long as work
// is left; what became of it stands in the journal.
type Message struct {
	ID           ID
	Tenant       string
	Verification ID
	Kind         MessageKind
	Channel      Channel
	Created      time.Time
	Expires      time.Time // nothing is sent from here on
	NextAt       time.Time // of the next try
	Owner        ID        // the server that carries it; another takes over when that one is dead
	Attempt      int       // tries made
	Copies       int       // tries that may have reached a carrier
	FirstEvent   int       // first of the journal numbers reserved for its tries
	Progress     Progress  // after a carrier took it; zero before
	Charges      Charges   // zero when its tenant's routes have no prices
}

// Progress is what is known of a message that a carrier has taken.
type Progress struct {
	Provider string    // the last one that took it
	Await    int       // parts whose receipt is still to come
	Hedged   bool      // a second provider was asked for want of a receipt
	HedgeAt  time.Time // when a second provider is to be asked; zero for never or done
	LookAt   time.Time // when the receipt should have come, for the judgement of the provider; zero for never or done
	LegAt    time.Time // when the plan's next leg begins; zero for never
}

// hedging reports whether the second copy is in hand: a provider is asked for it,
// and what it said is not told yet.
func (p *Progress) hedging() bool { return p.Hedged && !p.HedgeAt.IsZero() }

// MessageKind tells what an outbox row carries.
type MessageKind uint8

// The kinds of outbox rows.
const (
	CodeMessage  MessageKind = iota + 1 // a code for a person
	EventMessage                        // a journal event for a tenant's webhook; FirstEvent is its number
)

// Handle lets a dialect find a verification by a name of its own, and a
// carrier's receipt find its message.
type Handle struct {
	Key          Key
	Verification ID
	Message      ID   // that a carrier knows by this name; zero for a dialect's handle
	Fate         Fate // what the carrier said last
}

// Fate is what a carrier says became of a part of a message. It only grows.
type Fate uint8

// The fates. The last two are final.
const (
	FateUnknown Fate = iota
	FateDelivered
	FateFailed
)

// Replay is the memory of one idempotency key.
type Replay struct {
	Key         Key
	Fingerprint [32]byte // SHA-256 of operation and payload
	Answer      []byte   // what the dialect wants to say again
	Expires     time.Time
}

// Counter is what is counted under a key: a number, such as the next free one of
// a dialect or the money of a day, or a tally, or both.
type Counter struct {
	Key   Key
	Value int64
	Tally Tally // zero for a plain number
}

// Tally is what a rule counts over time, such as the messages to a prefix.
type Tally struct {
	Tenant string      // "" for all of them together
	Name   string      // what is counted, for people: "prefix +58414123"; never a full address
	Until  time.Time   // it counts for nothing from here on and is swept; zero: it stays
	Next   time.Time   // theoretical arrival time of a rate (GCRA)
	Times  []time.Time // of the newest messages, oldest first, of a rule that counts exactly
	Slots  []Slot      // a sliding window, oldest first
	Block  Block
}

// Slot is a piece of a sliding window.
type Slot struct {
	At       time.Time // its beginning
	Sends    int
	Approved int // verifications, in the slot of their approval
}

// Block closes what a tally is about for a while.
type Block struct {
	Since time.Time // when what led to it was first seen; zero for none
	Until time.Time // closed until then; zero while it is only watched
	Level int       // how often it was closed, which makes the next time longer
}

// Listing is what an operator or a tenant decided about one address.
type Listing struct {
	Verdict Verdict
	Until   time.Time // zero: until it is taken back
	Reason  string    // of whoever decided, for the next one
	By      string
}

// Verdict tells what a list says of an address.
type Verdict uint8

// The verdicts of lists.
const (
	Unlisted Verdict = iota
	Allowed          // passes the fraud watch and the limits of prefix, country and client
	Blocked          // gets nothing
)

// Contact is a set of addresses that a tenant knows under an id of its own.
type Contact struct {
	Key    Key
	Tenant string
	ID     string
	Sealed []byte // [ContactAddresses], sealed
	// Configured says that the contact came with the tenant's configuration,
	// which replaces its own list and no other.
	Configured bool
}

// Event is one line of the journal: one change of state. It holds no code and
// no clear address.
type Event struct {
	Verification ID  // or a name made for the refusal of a start
	N            int // position among the verification's events
	Tenant       string
	At           time.Time
	Kind         EventKind
	Dialect      string
	Actor        string // identity of the credential, or "server"
	Detail       string // rule; channel, provider and what it said; see [Event.Carried]
	Facts        Facts  // not kept
}

// EventKind tells what happened.
type EventKind string

// The kinds of journal events.
const (
	EventStarted    EventKind = "started"
	EventResent     EventKind = "resent"
	EventWrong      EventKind = "wrong"
	EventApproved   EventKind = "approved"
	EventExhausted  EventKind = "exhausted"
	EventExpired    EventKind = "expired"
	EventCanceled   EventKind = "canceled"
	EventSuperseded EventKind = "superseded"
	EventVoid       EventKind = "void"
	EventSent       EventKind = "sent"        // a provider took the message
	EventRetry      EventKind = "retry"       // a try failed, another follows
	EventUnsent     EventKind = "unsent"      // no further try follows
	EventDelivered  EventKind = "delivered"   // the carrier says that it has arrived
	EventFailed     EventKind = "failed"      // the carrier took it and says that it will not arrive
	EventSilent     EventKind = "unconfirmed" // the carrier promised a receipt and none came while the code lived
	EventNextLeg    EventKind = "next"        // the plan went on to its next channel
	EventErased     EventKind = "erased"      // the personal data of the verification was erased
	EventRefused    EventKind = "refused"     // a limit said no; one line a rule, key and minute
	EventLocked     EventKind = "locked"      // this wrong guess locked the address
	EventReleased   EventKind = "released"    // a locked address was released without a guess at it
	EventAlert      EventKind = "alert"       // something that the operator must know: its detail begins with the rule; one line a minute
	EventShadowed   EventKind = "shadowed"    // the fraud watch would have refused it, and only writes that down; one line a rule, key and minute
	EventListed     EventKind = "listed"      // somebody decided about one address
	EventRepeated   EventKind = "repeated"    // an equal start got the first one's answer; one line a key and minute
)
