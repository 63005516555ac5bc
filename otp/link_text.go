package otp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// builtinLink returns what the built-in e-mails of a language say of the link,
// after all that they say of the code.
func builtinLink(locale string) string {
	language, _, _ := strings.Cut(locale, "-")
	switch language {
	case "es":
		return "\nEn lugar de escribir el código puedes abrir esta página y confirmar allí:\n\n{{link}}\n\nNo reenvíes este mensaje: quien tenga el enlace puede usarlo.\n"
	case "de":
		return "\nStatt den Code einzugeben, können Sie diese Seite öffnen und dort bestätigen:\n\n{{link}}\n\nLeiten Sie diese Nachricht nicht weiter: Wer den Link hat, kann ihn benutzen.\n"
	case "fr":
		return "\nAu lieu de saisir le code, vous pouvez ouvrir cette page et confirmer :\n\n{{link}}\n\nNe transférez pas ce message : quiconque a le lien peut l'utiliser.\n"
	}
	return "\nInstead of typing the code you can open this page and confirm there:\n\n{{link}}\n\nDo not forward this message: whoever has the link can use it.\n"
}

// showsLink reports whether a template shows {{link}}. One that cannot be read
// does not.
func showsLink(template string) bool {
	parsed, err := parseTemplate(template)
	return err == nil && parsed.names("link")
}

// maxLink bounds the address of a page, in bytes; with the token it is still
// a line that mail carries whole.
const maxLink = 512

// linkFault tells what is wrong with the page of a profile's links, or "".
func linkFault(link string) string {
	u, err := url.Parse(link)
	odd := strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'()*<>[\\]^`{|}", r) })
	switch {
	case err != nil || odd || len(link) > maxLink || u.Hostname() == "":
		return fmt.Sprintf("must be a URL such as https://app.example/verify, of at most %d bytes, with everything unusual percent-encoded", maxLink)
	case u.Scheme == "http" && !isLocal(u.Hostname()) || u.Scheme != "http" && u.Scheme != "https":
		return "must begin with https://; http:// is for localhost alone"
	case u.User != nil:
		return "must name no user and no password"
	case strings.ContainsAny(link, "?#"):
		return "must have no query, which logs keep, and no fragment, which is the token's"
	}
	return ""
}

// sampleLink is as long as a usual one.
const sampleLink = "https://app.example/verify" + linkMark + "AZq6vNeMcAC4cs9ZHTwQWQZx0v7mTzq4Jw8bQ2nE5kE"

// isLocal tells whether a host is this machine and no other.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkLinks refuses a text that shows a link where there is none.
func (t *Tenant) checkLinks(f *faultList, tpl *Template, at string) {
	f.check(!showsLink(tpl.Subject), at+".subject", "must not show {{link}}: subjects show on locked screens and stand in the logs of mail servers")
	if !showsLink(tpl.Text) {
		return
	}
	if tpl.Channel != Email {
		f.add(at+".channel", "must be email for a text with {{link}}")
		return
	}
	if name, found := t.unlinked(tpl); found {
		f.add(at+".text", "must not show {{link}}: it serves the profile %q, which has no link", name)
	}
}

// unlinked returns a profile without a link whose e-mails are of a template.
func (t *Tenant) unlinked(tpl *Template) (name string, found bool) {
	profiles, standard := t.Profiles, Profile{Name: "default"}
	for i := range t.Profiles {
		if t.Profiles[i].Name == standard.Name {
			standard.Link = t.Profiles[i].Link
		}
	}
	for _, p := range append(profiles[:len(profiles):len(profiles)], standard) {
		serving := t.templatesFor(p.Name, Email)
		if p.Link == "" && len(serving) > 0 && serving[0].Profile == tpl.Profile && serving[0].Channel == tpl.Channel {
			return p.Name, true
		}
	}
	return "", false
}
