package httpsms

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// authorizer makes a gateway believe that a request is ours.
type authorizer interface {
	// authorize adds to the request whose body this is. Its errors are
	// *delivery.Error.
	authorize(ctx context.Context, r *http.Request, body []byte) error
}

// renewer is an authorizer whose credentials may be stale.
type renewer interface {
	// refused tells that the gateway answered 401 to what was authorized last;
	// it returns whether another try makes sense.
	refused(r *http.Request) bool
}

// set authorizes by headers that are always the same.
type set struct{ name, value string }

func (a set) authorize(_ context.Context, r *http.Request, _ []byte) error {
	r.Header.Set(a.name, a.value)
	return nil
}

type basic struct{ username, password string }

func (a basic) authorize(_ context.Context, r *http.Request, _ []byte) error {
	r.SetBasicAuth(a.username, a.password)
	return nil
}

// parameter authorizes by a query parameter.
type parameter struct{ name, value string }

func (a parameter) authorize(_ context.Context, r *http.Request, _ []byte) error {
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += url.QueryEscape(a.name) + "=" + url.QueryEscape(a.value)
	return nil
}

// auth reads how requests are authorized; nil when they are not.
func (b *builder) auth(clk *clock.Clock, client *http.Client) authorizer {
	if b.s.Auth == nil {
		return nil
	}
	a := *b.s.Auth
	need := func(name, value string) string {
		value = b.s.fixed(&b.faults, "auth."+name, value)
		if value == "" {
			b.faults.Add("auth."+name, "must be given for type %s", a.Type)
		} else if _, err := inHeader(value); err != nil && name != "private_key" {
			b.faults.Add("auth."+name, "must hold no control characters")
		}
		return value
	}
	switch a.Type {
	case "basic":
		return basic{need("username", a.Username), need("password", a.Password)}
	case "bearer":
		return set{"Authorization", "Bearer " + need("token", a.Token)}
	case "header":
		if !headerName.MatchString(a.Name) {
			b.faults.Add("auth.name", "must be the name of a header")
		}
		return set{a.Name, need("value", a.Value)}
	case "query":
		return parameter{need("name", a.Name), need("value", a.Value)}
	case "hmac":
		return b.hmacAuth(a, clk, need)
	case "oauth2":
		return b.oauth2Auth(a, clk, client, need)
	case "sigv4":
		return sigv4{
			access: need("access_key", a.AccessKey), secret: need("secret_key", a.SecretKey),
			session: b.s.fixed(&b.faults, "auth.session_token", a.SessionToken),
			region:  need("region", a.Region), service: need("service", a.Service), now: clk.Now,
		}
	case "jwt":
		return b.jwtAuth(a, clk, need)
	}
	b.faults.Add("auth.type", "must be basic, bearer, header, query, hmac, oauth2, sigv4 or jwt")
	return nil
}

// unavailable is a refusal for want of valid credentials.
func unavailable(cause error) *delivery.Error {
	return &delivery.Error{Class: delivery.Unavailable, Cause: cause}
}
