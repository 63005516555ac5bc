package sqlite

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestJournalsOfAllLengthsReachTheFile: events are written many at once, and of each
// number the first stays, be it in the layer or in the file already.
func TestJournalsOfAllLengthsReachTheFile(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	ctx := context.Background()
	want := map[otp.ID][]string{}
	note := func(round string, lengths ...int) {
		t.Helper()
		if err := w.Do(ctx, otp.Step{Decide: func(at time.Time, s *otp.State) error {
			for i, length := range lengths {
				id := otp.ID{byte(i + 1)}
				for n := range length {
					detail := fmt.Sprint(round, " ", i, " ", n)
					s.Journal(otp.Event{Verification: id, N: n, Tenant: "acme", At: at, Kind: otp.EventSent, Dialect: "native", Actor: "key", Detail: detail})
					if n >= len(want[id]) {
						want[id] = append(want[id], detail)
					}
				}
			}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		if err := e.flush(ctx); err != nil {
			t.Fatal(err)
		}
		for id, details := range want {
			events, err := e.Events(ctx, id)
			var got []string
			for _, event := range events {
				got = append(got, event.Detail)
			}
			if err != nil || !slices.Equal(got, details) {
				t.Errorf("%s: the journal of %x is %q, not %q, error %v", round, id[0], got, details, err)
			}
			if last := events[len(events)-1]; last.Tenant != "acme" || last.Kind != otp.EventSent || last.Dialect != "native" || last.Actor != "key" || last.At.IsZero() {
				t.Errorf("%s: an event is %+v", round, last)
			}
		}
	}
	note("a few", 1, 2)
	note("just as many as go at once", eventsAtOnce-1, 2, 1)
	note("more", 20, 1, 3, 40, 7)
	note("two rounds to the last", eventsAtOnce, 5, 5, eventsAtOnce, 30)
}
