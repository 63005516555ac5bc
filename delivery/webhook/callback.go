package webhook

import (
	"errors"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
)

// reporter is the provider with receipts: the application says later, signed
// with the same secret (or the one before it), what became of a message.
type reporter struct{ *sender }

var _ delivery.Callback = (*reporter)(nil)

// Callback implements [delivery.Callback].
func (p *reporter) Callback(r *http.Request, body []byte) ([]delivery.Report, delivery.Reply, error) {
	if err := hook.Verify(p.secrets, r.Header, body, now(p.clock)); err != nil {
		return nil, delivery.Reply{}, delivery.ErrForged
	}
	report, err := read(body)
	if err != nil {
		return nil, delivery.Reply{}, err
	}
	return []delivery.Report{report}, delivery.Reply{}, nil
}

// read reads {"id", "state", "code", "timestamp"}. Members that it does not
// know are left alone, so that an application may send its own event whole.
func read(body []byte) (delivery.Report, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return delivery.Report{}, err
	}
	var report delivery.Report
	id, ok := o.Get("id").Text()
	if !ok || !validID(id) {
		return delivery.Report{}, errors.New("id: must be the message's id, or the one that was answered when it was taken")
	}
	report.ID = id
	state, _ := o.Get("state").Text()
	for _, known := range []delivery.State{delivery.EnRoute, delivery.Delivered, delivery.Failed} {
		if state == known.String() {
			report.State = known
		}
	}
	if report.State == 0 {
		return delivery.Report{}, errors.New("state: must be en_route, delivered or failed")
	}
	code, _ := o.Get("code").Text()
	report.Code = delivery.Word(code)
	if at := o.Get("timestamp"); at.Kind() != strictjson.Absent {
		text, _ := at.Text()
		if report.At, err = time.Parse(time.RFC3339, text); err != nil {
			return delivery.Report{}, errors.New("timestamp: must be a time such as 2026-01-31T12:00:00Z")
		}
	}
	return report, nil
}
