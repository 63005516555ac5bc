package danaconnect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// conversations are of one tenant: 1 declares its fields, 2 declares none, 3
// shows variables.
func conversations(t *testing.T) []otp.Tenant {
	ring := otptest.Ring(t)
	demo := otptest.Demo(ring)
	demo[0].Profiles = []otp.Profile{
		{Name: "declared", Aliases: map[string][]string{"danaconnect": {"1"}}, Fields: []otp.Field{
			{Code: "CORREO", Channel: otp.Email}, {Code: "NUMERO", Channel: otp.SMS}, {Code: "LLAMADA", Channel: otp.Voice},
		}},
		{Name: "bare", Aliases: map[string][]string{"danaconnect": {"2"}}},
		{Name: "shown", Aliases: map[string][]string{"danaconnect": {"3"}}, Fields: []otp.Field{{Code: "NUMERO", Channel: otp.SMS}}},
	}
	demo[0].Templates = []otp.Template{{Profile: "shown", Text: "{{COD1_NAME}}: {{code}}"}}
	return demo
}

func TestDestination(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		conversation  int
		fields        string // of version 2
		channel, to   string // "" when it cannot be sent
		codeFieldName string
	}{
		{1, `"NUMERO":"+18091234567","CORREO":"ana@example.com"`, "email", "ana@example.com", ""},
		{1, `"CORREO":" ana@example.com\t"`, "email", "ana@example.com", ""},
		{2, `"COD1_EMAIL":" ana@example.com "`, "email", "ana@example.com", ""},
		{1, `"NUMERO":"+18091234567","CORREO":""`, "sms", "+18091234567", ""},
		{1, `"NUMERO":"+18091234567","CORREO":"  "`, "sms", "+18091234567", ""},
		{1, `"NUMERO":"+18091234567","CORREO":null`, "sms", "+18091234567", ""},
		{1, `"LLAMADA":"+1 809 123 4567"`, "voice", "+18091234567", ""},
		{1, `"NUMERO":"0412-1234567"`, "sms", "+584121234567", ""},
		{1, `"NUMERO":"+18091234567","CORREO":"no address"`, "", "", ""}, // the first with a value decides
		{1, `"COD1_EMAIL":"ana@example.com","COD1_PHONE":"+18091234567"`, "", "", ""},
		{1, `"numero":"+18091234567"`, "", "", ""},
		{1, ``, "", "", ""},
		{2, `"COD1_EMAIL":"ana@example.com"`, "email", "ana@example.com", ""},
		{2, `"MAIL2":"ana@example.com"`, "email", "ana@example.com", ""},
		{2, `"HOME_PHONE":"+18091234567","COD1_EMAIL":"ana@example.com"`, "sms", "+18091234567", ""},
		{2, `"COD1_EMAIL":"","COD1_SMS":"+18091234567"`, "sms", "+18091234567", ""},
		{2, `"celular":"+18091234567"`, "sms", "+18091234567", ""},
		{2, `"MOVIL":"+18091234567"`, "sms", "+18091234567", ""},
		{2, `"TELEFONO_1":"+18091234567"`, "sms", "+18091234567", ""},
		{2, `"SMS_OTP":"-","TELEFONO":"+18091234567"`, "sms", "+18091234567", "SMS_OTP"},
		{2, `"SMS_OTP":"-","TELEFONO":"+18091234567"`, "", "", ""},
		{2, `"NUMERO":"+18091234567"`, "", "", ""},
	} {
		s := newStage(t, version(t, "v2"), world.Options{Tenants: conversations(t)})
		body := fmt.Sprintf(`{"conversationId":%d,"fieldValues":{%s},"type":1,"length":6,"expiresInSeconds":300`, c.conversation, c.fields)
		if c.codeFieldName != "" {
			body += fmt.Sprintf(`,"otpFieldCode":%q`, c.codeFieldName)
		}
		heard, rec := s.post("/otp/2.0/generate", body+"}")
		if c.to == "" {
			if heard.Word != "200 08" || len(s.Courier.Dispatches()) != 0 {
				t.Errorf("%d {%s} is answered %s", c.conversation, c.fields, rec.Body)
			}
			continue
		}
		if heard.ID == "" {
			t.Errorf("%d {%s} is answered %s", c.conversation, c.fields, rec.Body)
		} else if m := s.Courier.Last(t); m.To != c.to || string(m.Channel) != c.channel {
			t.Errorf("%d {%s} goes by %s to %s", c.conversation, c.fields, m.Channel, m.To)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	many := ""
	for i := range 60 {
		many += fmt.Sprintf(`,"EXTRA_%d":"x"`, i)
	}
	for _, c := range []struct{ fields, name, want string }{
		{`"COD1_NAME":"Ana"`, "Ana", "200 01 with id"},
		{`"COD1_NAME":"{{code}} {{COD1_NAME}}"`, "{{code}} {{COD1_NAME}}", "200 01 with id"},
		{`"COD1_NAME":"a\r\nb\u0000c"`, "a  b c", "200 01 with id"},
		{`"COD1_NAME":"Ana","not a name":"1","1st":"2","":"3","ñ":"4"`, "Ana", "200 01 with id"},
		{`"COD1_NAME":"Ana","BIG":"` + strings.Repeat("x", 5000) + `"`, "Ana", "200 01 with id"},
		{`"COD1_NAME":"Ana"` + many, "Ana", "200 01 with id"},
		{`"COD1_NAME":"Ana","code":"000000","brand":"Evil"`, "Ana", "200 01 with id"},
		{`"OTHER":"Ana"`, "", "400 09"}, // the text shows what the request lacks
	} {
		s := newStage(t, version(t, "v2"), world.Options{Tenants: conversations(t)})
		body := `{"conversationId":3,"fieldValues":{"NUMERO":"+18091234567",` + c.fields + `},"type":1,"length":6,"expiresInSeconds":300}`
		heard, rec := s.post("/otp/2.0/generate", body)
		if heard.Word != c.want {
			t.Errorf("%.60s is answered %s, want %s", c.fields, rec.Body, c.want)
			continue
		}
		if heard.ID == "" {
			if want := `{"code":9,"description":"fieldValues must hold COD1_NAME, which the text shows"}`; rec.Body.String() != want {
				t.Errorf("%s is answered %s", c.fields, rec.Body)
			}
			continue
		}
		if m := s.Courier.Last(t); m.Body != c.name+": "+m.Code || m.Code == "000000" {
			t.Errorf("%.60s: the text is %q", c.fields, m.Body)
		}
	}
}

// TestWhatShowsAnAddressIsNoVariable: neither a field that the conversation
// declares to hold one, nor that to which the code is written.
func TestWhatShowsAnAddressIsNoVariable(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{"NUMERO": "400 09", "OTP": "400 09", "MAIL_ALIAS": "200 01 with id"} {
		tenants := conversations(t)
		tenants[0].Templates = []otp.Template{{Profile: "shown", Text: "{{" + variable + "}}: {{code}}"}}
		s := newStage(t, version(t, "v2"), world.Options{Tenants: tenants})
		body := `{"conversationId":3,"fieldValues":{"NUMERO":"+18091234567","OTP":"000000","MAIL_ALIAS":"Ana"},"type":1,"length":6,"expiresInSeconds":300}`
		if heard, rec := s.post("/otp/2.0/generate", body); heard.Word != want {
			t.Errorf("%s: %s", variable, rec.Body)
		}
	}
}

// TestTheTypeOfACodeIsTheRequests, whatever the conversation's profile says.
func TestTheTypeOfACodeIsTheRequests(t *testing.T) {
	t.Parallel()
	for kind, want := range map[int]otp.Alphabet{1: otp.Digits, 2: otp.Alnum} {
		for _, profile := range []otp.Alphabet{otp.Digits, otp.Alnum} {
			tenants := conversations(t)
			tenants[0].Profiles[2].Alphabet, tenants[0].Templates = profile, nil
			s := newStage(t, version(t, "v2"), world.Options{Tenants: tenants})
			body := fmt.Sprintf(`{"conversationId":3,"fieldValues":{"NUMERO":"+18091234567"},"type":%d,"length":6,"expiresInSeconds":300}`, kind)
			if _, rec := s.post("/otp/2.0/generate", body); len(s.Courier.Dispatches()) != 1 || s.Courier.Dispatches()[0].Verification.Spec.Alphabet != want {
				t.Errorf("type %d over %s: %s", kind, profile, rec.Body)
			}
		}
	}
}
