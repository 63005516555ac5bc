package postgres_test

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/store/postgres"
)

// TestABrokenURLIsExplainedWithoutQuotingIt: it may hold a password, and where it
// is broken nobody can tell what of it is one.
func TestABrokenURLIsExplainedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://aldaba:hunter2@127.0.0.1/x":                                    "",
		"postgresql://aldaba@db-a,db-b/x?target_session_attrs=read-write":          "",
		"postgres://aldaba:hunter2@127.0.0.1:5432x/x?sslmode=bogus":                "the port must be 1 to 65535; in user",
		"postgres://aldaba:hunter2/x@127.0.0.1/x":                                  "the port must be 1 to 65535; in user and password write / ? # @ : as %2F",
		"postgres://aldaba:hunter2@127.0.0.1/x?sslmode=bogus":                      "sslmode must be disable, allow, prefer",
		"postgres://aldaba@127.0.0.1/x?sslmode=verify-full&sslrootcert=/hunter2":   "the file of sslrootcert, sslcert or sslkey cannot be read: no such file",
		"postgres://aldaba@127.0.0.1/x?connect_timeout=hunter2":                    "connect_timeout must be a number of seconds",
		"postgres://aldaba@127.0.0.1/x?target_session_attrs=hunter2":               "cannot be understood; write it like postgres://USER@HOST",
		"postgres://aldaba:hunter2%zz@127.0.0.1/x":                                 "cannot be understood",
		"postgres://aldaba@127.0.0.1/x?pool_max_conn_lifetime=hunter2&sslmode=any": "must be",
	} {
		err := postgres.CheckURL(url)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if _, open := postgres.Open(t.Context(), url, postgres.Options{}); want != "" && (open == nil || !strings.HasSuffix(open.Error(), err.Error())) {
			t.Errorf("%s: Open says %v", url, open)
		}
	}
}
