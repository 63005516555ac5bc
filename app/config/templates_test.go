package config

import (
	"slices"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestTemplatesThatAFileBringsAreJudgedAsTheyWillBe(t *testing.T) {
	t.Parallel()
	with := tools(t)
	with.Templates = func(t *otp.Tenant) []string { return []string{t.Brand + ": " + t.Templates[0].Text} }
	in := Current{Tenants: []otp.Tenant{{Name: "acme", Brand: "ACME", Templates: []otp.Template{{Text: "old {{code}}"}}}}}
	for text, want := range map[string][]string{
		`tenants: [{name: acme, templates: [{text: "new {{code}}"}]}]`: {"ACME: new {{code}}"},
		`tenants: [{name: acme, home: VE}]`:                            nil, // it brings none
	} {
		if got := plan(t, parse(t, text), in, with).Warnings; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestAFileTellsItsTenants(t *testing.T) {
	t.Parallel()
	got := parse(t, `tenants: [{name: acme, brand: ACME}, {name: globex}]`).Tenants()
	if len(got) != 2 || got[0].Brand != "ACME" || got[1].Name != "globex" {
		t.Errorf("got %+v", got)
	}
}
