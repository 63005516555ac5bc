package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// TestACallWithManyUnknownReceiptsIsTaken: each is waited for, since it may have
// come before its hand-over was noted, but not one after the other: a request
// has ten seconds.
func TestACallWithManyUnknownReceiptsIsTaken(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var reports []delivery.Report
	for n := range 100 {
		reports = append(reports, delivery.Report{ID: fmt.Sprint("stranger-", n), State: delivery.Delivered})
	}
	if err := a.hearAll(ctx, "carrier", reports); err != nil {
		t.Error(err)
	}
}
