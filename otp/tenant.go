package otp

import "time"

// Policy decides what weak settings are honoured.
type Policy string

// The policies.
const (
	Compatible Policy = "compatible" // what a vendor documents is honoured in full
	Strict     Policy = "strict"     // the floors and ceilings of the native API hold
)

// Tenant is a customer of the server, as a value. Its JSON form is what the
// store keeps; secrets in it are hashed or sealed.
type Tenant struct {
	Name        string        `json:"name"`
	Brand       string        `json:"brand,omitempty"`        // {{brand}} in texts; the name when empty
	Home        string        `json:"home,omitempty"`         // ISO 3166 country, reads national numbers
	Countries   []string      `json:"countries,omitempty"`    // allow-list; "*" is all, empty means home only
	Policy      Policy        `json:"policy,omitempty"`       // of its vendor dialects; compatible when empty
	Locale      string        `json:"locale,omitempty"`       // BCP 47 default; "en" when empty
	MaxLifetime time.Duration `json:"max_lifetime,omitempty"` // of dialects whose answer tells the expiry
	Retention   time.Duration `json:"retention,omitempty"`    // of verifications; 30 days when zero
	Journal     time.Duration `json:"journal,omitempty"`      // retention of the journal; 365 days when zero
	Currency    string        `json:"currency,omitempty"`     // ISO 4217, of the prices in its routes
	Guessing    Guessing      `json:"guessing,omitzero"`      // bounds of wrong guesses over all its addresses
	Limits      Limits        `json:"limits,omitzero"`        // bounds of what it sends
	FraudWatch  FraudWatch    `json:"fraud_watch,omitzero"`
	Lists       []ListEntry   `json:"lists,omitempty"`
	Challenge   *Challenge    `json:"challenge,omitempty"` // that lets a start pass which the limits of prefix, country and client or the watch refuse
	Routes      []Route       `json:"routes,omitempty"`
	Profiles    []Profile     `json:"profiles,omitempty"`
	Templates   []Template    `json:"templates,omitempty"`
	Credentials []Credential  `json:"credentials,omitempty"`
	// Senders are what may be shown as the sender of a text, by country. When
	// there are none, a request may ask for any that is well formed.
	Senders      []Sender     `json:"senders,omitempty"`
	SenderPolicy SenderPolicy `json:"sender_policy,omitempty"` // replace when empty
	Webhooks     []Webhook    `json:"webhooks,omitempty"`      // that hear of events
	// TestAddresses are for tests alone. A tenant under the strict policy has
	// none unless AllowTestAddresses says that it may.
	TestAddresses      []TestAddress `json:"test_addresses,omitempty"`
	AllowTestAddresses bool          `json:"allow_test_addresses,omitempty"`

	// As the directory has them, with defaults.
	limits Limits
	fraud  FraudWatch
	list   list
	texts  texts // of the directory
}

// Challenge is how somebody shows that he is no program: with a token that his
// browser was given, which is asked about at whoever gave it.
type Challenge struct {
	Type    string `json:"type"`                    // [Turnstile], [HCaptcha] or [ChallengeWebhook]
	SiteKey string `json:"site_key,omitempty"`      // that refusals tell, for the page
	URL     string `json:"url,omitempty"`           // of a webhook, or instead of the vendor's
	Secret  string `json:"secret_sealed,omitempty"` // see [Ring.SealText] and [ChallengeSecret]
}

// Webhook is an address of the tenant's application that hears of events.
type Webhook struct {
	URL    string `json:"url"`
	Secret string `json:"secret_sealed"` // see [Ring.SealText]; whsec_... of Standard Webhooks
	// Previous signs beside Secret while the application changes over; "" for none.
	Previous string      `json:"previous_secret_sealed,omitempty"`
	Events   []EventKind `json:"events,omitempty"` // empty means all of [WebhookEvents]
}

// Profile tells how verifications of one kind look. A zero field is open: the
// request or the dialect's own documentation decides.
type Profile struct {
	Name        string              `json:"name"`
	Aliases     map[string][]string `json:"aliases,omitempty"` // dialect to the names it knows the profile by
	Fields      []Field             `json:"fields,omitempty"`  // DANAConnect field codes that hold an address, in order
	Inactive    bool                `json:"inactive,omitempty"`
	Policy      Policy              `json:"policy,omitempty"`
	Alphabet    Alphabet            `json:"alphabet,omitempty"`
	Length      int                 `json:"length,omitempty"`
	Lifetime    time.Duration       `json:"lifetime,omitempty"`
	MaxAttempts int                 `json:"max_attempts,omitempty"`
	Resend      string              `json:"resend,omitempty"` // "same" (default) or "new"
	Purpose     string              `json:"purpose,omitempty"`
	Sender      string              `json:"sender,omitempty"`
	Plan        []Leg               `json:"plan,omitempty"`    // channels that follow one another
	Receipt     bool                `json:"receipt,omitempty"` // approvals come with a receipt over the native API
	// Link is the page of the application that e-mails lead to, behind which a
	// token stands as #token=TOKEN; "" for none. See [Service.Redeem].
	Link string `json:"link,omitempty"`
	// RepeatWindow is how long an equal start is taken for the same one; below
	// zero, never. What the dialect does when zero, see [Retry].
	RepeatWindow time.Duration `json:"repeat_window,omitempty"`
	// Uniform turns refusals that tell something about the address into decoys,
	// over the native API.
	Uniform bool `json:"uniform,omitempty"`
}

// Field maps a dialect's field code to the channel of the address it holds.
type Field struct {
	Code    string  `json:"code"`
	Channel Channel `json:"channel"`
}

// Template is a tenant's own text.
type Template struct {
	Profile string  `json:"profile,omitempty"` // "" serves all profiles
	Channel Channel `json:"channel,omitempty"` // "" serves all channels
	Locale  string  `json:"locale,omitempty"`  // the tenant's default when empty
	Subject string  `json:"subject,omitempty"` // e-mail only
	Text    string  `json:"text"`
	// Domain makes the last line "@DOMAIN #CODE", so that a telephone offers the
	// code to that site alone (WICG, origin-bound one-time codes).
	Domain string `json:"domain,omitempty"`
	// AppHash makes the last line the 11 characters by which Android's SMS
	// Retriever gives the text to one app. It excludes Domain.
	AppHash string `json:"app_hash,omitempty"`
	// Params go to the provider as they are, such as dlt_entity_id and
	// dlt_template_id in India, or the name of an approved WhatsApp template.
	Params map[string]string `json:"params,omitempty"`
}

// CredentialType tells which dialect's credentials these are.
type CredentialType string

// The types of credentials.
const (
	APIKey      CredentialType = "api_key"     // native: Authorization: Bearer
	DanaConnect CredentialType = "danaconnect" // HTTP Basic user@company
	OAuth2      CredentialType = "oauth2"      // client credentials grant
	Modica      CredentialType = "modica"      // HTTP Basic application
	UnityVox    CredentialType = "unityvox"    // account number and key
)

// CredentialTypes lists every type.
func CredentialTypes() []CredentialType {
	return []CredentialType{APIKey, DanaConnect, OAuth2, Modica, UnityVox}
}

// HasPassword reports whether the secret is a password (kept as argon2id)
// rather than a key (kept as an HMAC for look-up).
func (t CredentialType) HasPassword() bool {
	return t == DanaConnect || t == OAuth2 || t == Modica
}

// Provider is one configured carrier.
type Provider struct {
	Name     string         `json:"name"`
	Type     string         `json:"type"` // a folder of the delivery gallery
	Settings map[string]any `json:"settings,omitempty"`
}

// ContactAddresses are the addresses of a [Contact].
type ContactAddresses struct {
	SMS          string `json:"sms,omitempty"`
	Email        string `json:"email,omitempty"`
	PendingSMS   string `json:"pending_sms,omitempty"`
	PendingEmail string `json:"pending_email,omitempty"`
}

// Of returns the address for a channel, or "".
func (c ContactAddresses) Of(channel Channel, pending bool) string {
	switch {
	case channel == Email && pending:
		return c.PendingEmail
	case channel == Email:
		return c.Email
	case pending:
		return c.PendingSMS
	}
	return c.SMS
}
