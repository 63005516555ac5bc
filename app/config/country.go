package config

import "fmt"

// countries refuses codes that belong to no country. The core looks at their
// form alone, and so does a server that starts: what was let in by an older
// version is in force still, and is to be mended when it is applied again.
func (p *planner) countries(e *tenantEntry) {
	if p.tools.Country == nil {
		return
	}
	check := func(code, format string, args ...any) {
		if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' || p.tools.Country(code) {
			return // what is no code at all is told by the core
		}
		hint := ""
		if meant := map[string]string{"UK": "GB", "EL": "GR"}[code]; meant != "" {
			hint = fmt.Sprintf("; did you mean %q?", meant)
		}
		p.fail(e.path+fmt.Sprintf(format, args...), "there is no country %q in ISO 3166%s", code, hint)
	}
	t := &e.tenant
	check(t.Home, ".home")
	for i, code := range t.Countries {
		check(code, ".countries[%d]", i)
	}
	for i := range t.Routes {
		for j, code := range t.Routes[i].Countries {
			check(code, ".routes[%d].countries[%d]", i, j)
		}
	}
	for i := range t.Senders {
		for j, code := range t.Senders[i].Countries {
			check(code, ".senders[%d].countries[%d]", i, j)
		}
	}
	for i := range t.Lists {
		check(t.Lists[i].Match, ".lists[%d].match", i)
	}
}
