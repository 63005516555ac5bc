package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestEveryMistakeOfABrokenFileIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			_, err = ParseTenants(name, data, vaultSecrets)
			var mistakes Mistakes
			if !errors.As(err, &mistakes) {
				t.Fatalf("%v is not a list of mistakes", err)
			}
			if strings.Contains(err.Error(), "TOP") {
				t.Error("a mistake quotes a secret")
			}
			golden(t, "broken/"+strings.TrimSuffix(name, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

// vaultSecrets are those of the tests' type of provider with secrets.
func vaultSecrets(providerType string) []string {
	if providerType != "vault" {
		return nil
	}
	return []string{"password", "auth.token", "headers.*"}
}

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := ParseTenants("tenants.yaml", []byte(text), vaultSecrets)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// environment holds the secrets of testdata/good/tenants.yaml.
func environment() Environment {
	values := map[string]string{
		"ACME_KEY": "demo-key", "ACME_DANA_PASSWORD": "demo-password", "ACME_MODICA_PASSWORD": "demo: *password\t'#",
		"ACME_UNITYVOX_KEY": "0042", "ACME_HOOK": webhookKey1, "CARRIER_PASSWORD": "TOPSECRET1", "EMPTY": "", "BROKEN": "\xff", "BELL": "\a",
	}
	files := map[string]string{
		"testdata/good/secrets/client": "demo-secret\n", "testdata/good/secrets/token": "TOPSECRET2\n", "secrets/client": "demo-secret\n",
		"/abs": "two\n\n", "crlf": "windows\r\n", "none": "\n",
	}
	return Environment{
		Getenv: func(name string) (string, bool) { v, ok := values[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if v, ok := files[path]; ok {
				return []byte(v), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

func good(t *testing.T) *File {
	t.Helper()
	data, err := os.ReadFile("testdata/good/tenants.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseTenants("testdata/good/tenants.yaml", data, vaultSecrets)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSecretsAreTakenFromFilesAndVariables(t *testing.T) {
	t.Parallel()
	f := good(t)
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	want := []string{"demo-key", "demo-password", "demo-secret", "demo: *password\t'#", "0042"}
	for i, c := range f.read.tenants[0].credentials {
		if c.secret.value != want[i] {
			t.Errorf("secret %d is %q, not %q", i, c.secret.value, want[i])
		}
	}
	if err := f.Resolve(Environment{}); err != nil {
		t.Errorf("resolving twice: %v", err)
	}
}

func TestASecretThatIsMissingIsAMistakeWithItsLine(t *testing.T) {
	t.Parallel()
	f := parse(t, `providers:
  - {name: a, type: vault, password_env: NONE}
tenants:
  - name: acme
    credentials:
      - {type: api_key, key_env: EMPTY}
      - {type: api_key, key_env: BROKEN}
      - {type: api_key, key_env: BELL}
      - {type: api_key, key_file: missing}
      - {type: api_key, key_file: none}
      - {type: modica, application: a, password_file: crlf}
      - {type: modica, application: b, password_file: /abs}
`)
	err := f.Resolve(environment())
	want := strings.Join([]string{
		`tenants.yaml:2: providers[0].password_env: the environment variable "NONE" is not set`,
		`tenants.yaml:6: tenants[0].credentials[0].key_env: the environment variable "EMPTY" is empty`,
		`tenants.yaml:7: tenants[0].credentials[1].key_env: the value of the environment variable is not valid UTF-8`,
		`tenants.yaml:8: tenants[0].credentials[2].key_env: the value of the environment variable has a control character`,
		`tenants.yaml:9: tenants[0].credentials[3].key_file: cannot read the file "missing": file does not exist`,
		`tenants.yaml:10: tenants[0].credentials[4].key_file: the file "none" is empty`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestAFileGoesOverTheWireUnchanged(t *testing.T) {
	t.Parallel()
	f := good(t)
	if _, err := f.Encode(); err == nil || !strings.Contains(err.Error(), "must be resolved") {
		t.Errorf("unresolved: %v", err)
	}
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	sent, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sent), "#") && strings.Contains(string(sent), "in order") {
		t.Error("comments are sent")
	}
	got, err := ParseTenants("sent", sent, vaultSecrets)
	if err != nil {
		t.Fatal(err)
	}
	if !same(f.read.tenants[0].tenant, got.read.tenants[0].tenant) || !same(f.read.providers, got.read.providers) {
		t.Errorf("sent and received differ:\n%s", sent)
	}
	for i, c := range got.read.tenants[0].credentials {
		if c.secret.value != f.read.tenants[0].credentials[i].secret.value || !same(c.kept, f.read.tenants[0].credentials[i].kept) {
			t.Errorf("credential %d differs", i)
		}
	}
	located := f.Locate(Mistakes{{"sent", 77, "tenants[0].profiles[3].length", "is odd"}, {"sent", 7, "elsewhere", "x"}})
	if located[0].String() != "testdata/good/tenants.yaml:37: tenants[0].profiles[3].length: is odd" || located[1].Line != 0 {
		t.Errorf("%v", located)
	}
}

func TestNumbersAreTakenAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	f := parse(t, `tenants: [{name: 007, profiles: [{name: 1e3, aliases: {danaconnect: [824541, "0013", 0012, 1_0, 0x1F, NO]}, fields: {1: sms}}]}]`)
	p := f.read.tenants[0].tenant.Profiles[0]
	if got := strings.Join(p.Aliases["danaconnect"], " "); got != "824541 0013 0012 1_0 0x1F NO" || p.Name != "1e3" || f.read.tenants[0].tenant.Name != "007" || p.Fields[0].Code != "1" {
		t.Errorf("%q %q", got, p.Name)
	}
}

func TestProviderSettingsKeepTheirKinds(t *testing.T) {
	t.Parallel()
	f := parse(t, `providers: [{name: a, type: http, status: [200, 202], rate: 1.5, on: true, json: {to_file: "{{to}}", n: -3}, text: "0012"}]`)
	got := f.read.providers[0].Settings
	want := map[string]any{"status": []any{200, 202}, "rate": 1.5, "on": true, "json": map[string]any{"to_file": "{{to}}", "n": -3}, "text": "0012"}
	if !same(got, want) || len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

func TestAHostileFileCostsNoMoreThanItsSize(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"mistakes":   "tenants:\n" + strings.Repeat("  - {x: 1, profiles: [{length: 99}]}\n", 10_000),
		"no lists":   "tenants: [" + strings.Repeat("a,", 100_000) + "]",
		"deep":       "providers: [{name: a, type: b, c: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}]",
		"bottomless": strings.Repeat("[", 100_000),
		"one word":   "tenants: [{name: " + strings.Repeat("a", 1_000_000) + "}]",
		"a key":      strings.Repeat("a", 1000) + ": 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseTenants("f", []byte(text), vaultSecrets)
			var mistakes Mistakes
			if !errors.As(err, &mistakes) || len(mistakes) > 2*mistakesNamed {
				t.Errorf("%d mistakes", len(mistakes))
			}
		})
	}
}

func FuzzParseTenants(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseTenants("f", data, vaultSecrets)
		if err != nil {
			if len(err.Error()) == 0 {
				t.Error("an error without words")
			}
			return
		}
		sent, err := encode(bare(file.root))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTenants("f", sent, vaultSecrets)
		if err != nil {
			t.Fatalf("%v\n%s", err, sent)
		}
		for i := range file.read.tenants {
			if !same(file.read.tenants[i].tenant, again.read.tenants[i].tenant) {
				t.Error("encoding changed a tenant")
			}
		}
		if !same(file.read.providers, again.read.providers) {
			t.Error("encoding changed a provider")
		}
	})
}
