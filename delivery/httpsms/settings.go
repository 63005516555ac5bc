package httpsms

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// settings are a gateway as described in YAML, after the preset was filled in.
// docs/operations/http.md is their reference.
type settings struct {
	Preset       string                `json:"preset"`
	Without      []string              `json:"without"`
	Channels     []string              `json:"channels"`
	BaseURL      string                `json:"base_url"`
	URL          string                `json:"url"`
	Method       string                `json:"method"`
	Headers      map[string]string     `json:"headers"`
	Query        map[string]string     `json:"query"`
	JSON         any                   `json:"json"`
	Form         map[string]string     `json:"form"`
	XML          string                `json:"xml"`
	Body         string                `json:"body"`
	ContentType  string                `json:"content_type"`
	From         string                `json:"from"`
	Vars         map[string]string     `json:"vars"`
	Secrets      map[string]string     `json:"secrets"`
	Maps         map[string]mapSetting `json:"maps"`
	Auth         *authSettings         `json:"auth"`
	Success      successSettings       `json:"success"`
	Errors       []ruleSettings        `json:"errors"`
	ErrorCode    []string              `json:"error_code"`
	Receipts     *receiptSettings      `json:"receipts"`
	Timeout      time.Duration         `json:"timeout"`
	InsecureHTTP bool                  `json:"insecure_http"`
	CA           string                `json:"ca"`
	Needs        []string              `json:"needs"`
}

// mapSetting makes {{map.NAME}}: the value of `of`, replaced by the table.
type mapSetting struct {
	Of      string            `json:"of"`
	Is      map[string]string `json:"is"`
	Default string            `json:"default"`
}

type authSettings struct {
	Type            string            `json:"type"`
	Username        string            `json:"username"`
	Password        string            `json:"password"`
	Token           string            `json:"token"`
	Name            string            `json:"name"`
	Value           string            `json:"value"`
	Secret          string            `json:"secret"`
	Header          string            `json:"header"`
	TimestampHeader string            `json:"timestamp_header"`
	Algorithm       string            `json:"algorithm"`
	Encoding        string            `json:"encoding"`
	Prefix          string            `json:"prefix"`
	Message         string            `json:"message"`
	TokenURL        string            `json:"token_url"`
	ClientID        string            `json:"client_id"`
	ClientSecret    string            `json:"client_secret"`
	Scope           string            `json:"scope"`
	Audience        string            `json:"audience"`
	Style           string            `json:"style"`
	AccessKey       string            `json:"access_key"`
	SecretKey       string            `json:"secret_key"`
	SessionToken    string            `json:"session_token"`
	Region          string            `json:"region"`
	Service         string            `json:"service"`
	PrivateKey      string            `json:"private_key"`
	Claims          map[string]string `json:"claims"`
}

type successSettings struct {
	Status []string           `json:"status"`
	ID     string             `json:"id"`
	Match  []conditionSetting `json:"match"`
}

type conditionSetting struct {
	Path    string `json:"path"`
	Equals  any    `json:"equals"`
	Matches string `json:"matches"`
}

type ruleSettings struct {
	Status  []string `json:"status"`
	Path    string   `json:"path"`
	Equals  any      `json:"equals"`
	Matches string   `json:"matches"`
	Class   string   `json:"class"`
	Code    string   `json:"code"`
}

type receiptSettings struct {
	Needs     []string             `json:"needs"`
	Auth      *receiptAuthSettings `json:"auth"`
	Format    string               `json:"format"`
	List      string               `json:"list"`
	When      []conditionSetting   `json:"when"`
	ID        string               `json:"id"`
	State     stateSettings        `json:"state"`
	Code      string               `json:"code"`
	At        string               `json:"at"`
	Challenge *challengeSettings   `json:"challenge"`
}

type stateSettings struct {
	Path      string   `json:"path"`
	Delivered []string `json:"delivered"`
	Failed    []string `json:"failed"`
	EnRoute   []string `json:"en_route"`
}

type challengeSettings struct {
	Name      string `json:"name"`
	TokenName string `json:"token_name"`
	Secret    string `json:"secret"`
}

type receiptAuthSettings struct {
	Type        string        `json:"type"`
	Name        string        `json:"name"`
	Username    string        `json:"username"`
	Secret      string        `json:"secret"`
	Header      string        `json:"header"`
	Algorithm   string        `json:"algorithm"`
	Encoding    string        `json:"encoding"`
	Prefix      string        `json:"prefix"`
	Message     string        `json:"message"`
	Key         string        `json:"key"`
	PublicKey   string        `json:"public_key"`
	Timestamp   string        `json:"timestamp"`
	Tolerance   time.Duration `json:"tolerance"`
	Issuer      string        `json:"issuer"`
	PayloadHash string        `json:"payload_hash"`
	URLHash     string        `json:"url_hash"`
}

// defaultTimeout is what a try may take. The courier's own is 10 s as well.
const defaultTimeout = 10 * time.Second

// bodies are the settings of which one says what the body is.
var bodies = []string{"json", "form", "xml", "body"} //nolint:gochecknoglobals // a constant

// read makes settings of what was configured: the preset below, the user's
// settings on top. It returns false when there is no point in looking further.
func read(configured map[string]any) (settings, delivery.Faults, bool) {
	s := settings{Timeout: defaultTimeout}
	merged, faults := withPreset(configured)
	if merged != nil {
		faults = append(faults, delivery.Decode(merged, &s)...)
	}
	if faults != nil {
		return s, faults, false
	}
	s.Method = strings.ToUpper(cmp.Or(s.Method, http.MethodPost))
	s.missing(&faults)
	if s.URL == "" {
		faults.Add("url", "must be given, or a preset")
	}
	if !slices.Contains([]string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch}, s.Method) {
		faults.Add("method", "must be POST, GET, PUT or PATCH")
	}
	if s.Timeout <= 0 || s.Timeout > time.Minute {
		faults.Add("timeout", "must be longer than 0 and at most 1m")
	}
	return s, faults, true
}

// missing tells the settings that the preset needs and that are not given. They
// get a value, so that the other mistakes can be told besides.
func (s *settings) missing(f *delivery.Faults) {
	const filler = "missing"
	for _, name := range s.Needs {
		if s.has(name) {
			continue
		}
		f.Add(name, "must be given for the preset %s", s.Preset)
		group, key, _ := strings.Cut(name, ".")
		switch group {
		case "vars":
			s.Vars = with(s.Vars, key, filler)
		case "secrets":
			s.Secrets = with(s.Secrets, key, filler)
		case "base_url":
			s.BaseURL = "https://" + filler
		}
	}
}

func with(mapping map[string]string, key, value string) map[string]string {
	done := map[string]string{key: value}
	for name, v := range mapping {
		if name != key {
			done[name] = v
		}
	}
	return done
}

// has tells whether a setting named as in `needs` has a value.
func (s *settings) has(name string) bool {
	group, key, _ := strings.Cut(name, ".")
	switch group {
	case "vars":
		return s.Vars[key] != ""
	case "secrets":
		return s.Secrets[key] != ""
	case "from":
		return s.From != ""
	case "base_url":
		return s.BaseURL != ""
	}
	return false
}

// constants are the placeholders whose values are known at Open.
func (s *settings) constants() scope {
	return scope{given: map[string][]string{
		"var.":    slices.Sorted(maps.Keys(s.Vars)),
		"secret.": slices.Sorted(maps.Keys(s.Secrets)),
	}}
}

// constant returns the value of one of those placeholders.
func (s *settings) constant(name string) string {
	group, key, _ := strings.Cut(name, ".")
	switch group {
	case "var":
		return s.Vars[key]
	case "secret":
		return s.Secrets[key]
	}
	return ""
}

// fixed expands a setting that may name variables and secrets only.
func (s *settings) fixed(f *delivery.Faults, path, text string) string {
	t, err := s.constants().parse(text)
	if err != nil {
		f.Add(path, "%s", err.Error())
		return ""
	}
	value, err := t.expand(s.constant, nil)
	if err != nil {
		f.Add(path, "must be valid: %s", err.Error())
	}
	return value
}

// messageNames are the placeholders that a message fills.
func (s *settings) messageScope() scope {
	known := s.constants()
	known.names = []string{
		"to", "to_digits", "from", "text", "subject", "code", "brand", "locale", "language", "id", "verification", "tenant",
		"country", "channel", "ttl_seconds", "ttl_minutes", "expires", "now", "callback_url",
	}
	known.prefixes = []string{"param."}
	known.given["map."] = slices.Sorted(maps.Keys(s.Maps))
	return known
}
