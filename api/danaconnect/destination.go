package danaconnect

import (
	"strings"

	"github.com/aldaba-otp/aldaba/otp"
)

// field is a value for one field of a conversation.
type field struct{ code, value string }

// destination is what the fields of a request say.
type destination struct {
	to        string // "" when no field holds an address
	channel   otp.Channel
	variables map[string]string
}

// destination reads address and variables out of a request's fields (ruling
// R15). An unknown conversation gives none: the core refuses it by its name,
// and a start without an address by that.
func (s *server) destination(tenant, alias string, g generate) destination {
	profile, ok := s.host.Service.Directory().Profile(tenant, name, alias)
	if !ok {
		return destination{}
	}
	channelOf := guess
	d := destination{}
	if len(profile.Fields) > 0 {
		channelOf = declared(profile)
		d.to, d.channel = byProfile(profile, g.fields)
	} else {
		d.to, d.channel = byName(g)
	}
	d.variables = variables(g, channelOf)
	return d
}

// byProfile goes by the profile's order: its first field with a value decides.
func byProfile(p *otp.Profile, given []field) (string, otp.Channel) {
	for _, wanted := range p.Fields {
		for _, f := range given {
			if f.code == wanted.Code && strings.TrimSpace(f.value) != "" {
				return strings.TrimSpace(f.value), wanted.Channel
			}
		}
	}
	return "", ""
}

// byName goes by the request's order: the first field that is called like an
// address and has a value. The field for the code is none, though it is
// often called SMS_OTP.
func byName(g generate) (string, otp.Channel) {
	for _, f := range g.fields {
		channel, ok := guess(f.code)
		if ok && f.code != g.codeField && strings.TrimSpace(f.value) != "" {
			return strings.TrimSpace(f.value), channel
		}
	}
	return "", ""
}

// guess tells by a field's name what kind of address it holds.
func guess(code string) (otp.Channel, bool) {
	code = strings.ToUpper(code)
	if strings.Contains(code, "MAIL") {
		return otp.Email, true
	}
	for _, word := range [...]string{"PHONE", "SMS", "CEL", "MOVIL", "TELEFONO"} {
		if strings.Contains(code, word) {
			return otp.SMS, true
		}
	}
	return "", false
}

// declared tells what kind of address a field holds by the profile.
func declared(p *otp.Profile) func(code string) (otp.Channel, bool) {
	return func(code string) (otp.Channel, bool) {
		for _, f := range p.Fields {
			if f.Code == code {
				return f.Channel, true
			}
		}
		return "", false
	}
}

// variables are the fields that hold no address. What no text can show is
// left out: the vendor takes any field, so a client may well send it. So is
// the field that the code itself would be written to.
func variables(g generate, address func(code string) (otp.Channel, bool)) map[string]string {
	all := map[string]string{}
	for _, f := range g.fields {
		_, isAddress := address(f.code)
		fits := otp.IsVariable(f.code) && otp.IsValue(f.value) && len(all) < otp.MaxVariables
		if fits && !isAddress && f.code != g.codeField {
			all[f.code] = f.value
		}
	}
	return all
}
