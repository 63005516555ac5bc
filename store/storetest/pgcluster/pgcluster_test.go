package pgcluster_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "aldaba-pgcluster-") // the server's user may not enter the test's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	_, err = pgcluster.StartAt(dir, pgcluster.Options{Settings: []string{"no_such_setting=1"}})
	if errors.Is(err, pgcluster.ErrNoBinaries) && os.Getenv("ALDABA_REQUIRE_POSTGRES") == "" {
		t.Skip(err)
	}
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
}
