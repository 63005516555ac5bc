package native

import (
	"net/http"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// A token has 43 bytes; what has more or less is unknown like any other that is
// wrong, so that a page may hand on whatever stood in its address.
const maxToken = api.BodyLimit

// linkRoute is where the token of a link is redeemed. It has one method: who
// only opens an address, as scanners of mail do, changes nothing.
func (d *dialect) linkRoute() httpx.Route {
	return d.route(http.MethodPost, "/v1/links/redeem", otp.ScopeCheck, http.StatusOK, d.redeem)
}

// redeem judges one token.
func (d *dialect) redeem(r request) ([]byte, error) {
	body, raw, err := r.readBody(false, "token", "id", "purpose", "payment", "receipt")
	if err != nil {
		return nil, err
	}
	f := &faults{body: body}
	req := otp.RedeemRequest{
		Caller: r.caller, Token: f.needed("token", maxToken),
		Purpose: f.word("purpose", otp.Purposes()...), Payment: f.payment(), Receipt: f.flag("receipt"),
	}
	if text := f.text("id", maxName); text != "" {
		var ok bool
		if req.ID, ok = otp.ParseID(text); !ok || req.ID.IsZero() {
			f.add("id", "must be the id of a verification")
		}
	}
	req.Repeat, err = r.repeat("redeem", raw, checkAnswer)
	f.join(err)
	if err := f.err(); err != nil {
		return nil, err
	}
	v, outcome, err := d.service.Redeem(r.Context(), req)
	if err != nil {
		return nil, err
	}
	return checkAnswer(v, outcome), nil
}
