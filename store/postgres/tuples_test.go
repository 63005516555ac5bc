package postgres

import (
	"bytes"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestLiveIsAnArrayOfItsIDs compares what is written in place with the plain way.
func TestLiveIsAnArrayOfItsIDs(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		list := make([]otp.Live, n)
		ids := make([]otp.ID, n)
		for i := range list {
			ids[i] = otp.ID{byte(i + 1), 15: byte(n)}
			list[i] = otp.Live{Purpose: "login", ID: ids[i]}
		}
		plain := uuids(ids)
		var want, got tuples
		want.field(oidUUIDs, len(plain))
		want.buf = append(want.buf, plain...)
		got.live(list)
		if !bytes.Equal(got.buf, want.buf) || got.fields != 1 {
			t.Errorf("%d ids: %x, want %x", n, got.buf, want.buf)
		}
	}
}
