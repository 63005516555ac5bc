package native

import "github.com/aldaba-otp/aldaba/otp"

// contact is the JSON form of a contact, with masked addresses.
type contact struct {
	ID           string `json:"id"`
	SMS          string `json:"sms,omitempty"`
	Email        string `json:"email,omitempty"`
	PendingSMS   string `json:"pending_sms,omitempty"`
	PendingEmail string `json:"pending_email,omitempty"`
}

func contactAnswer(id string, a otp.ContactAddresses) []byte {
	return encode(contact{id, masked(a.SMS), masked(a.Email), masked(a.PendingSMS), masked(a.PendingEmail)})
}

func masked(address string) string {
	if address == "" {
		return ""
	}
	return otp.Mask(address)
}

// putContact keeps or replaces a contact.
func (d *dialect) putContact(r request) ([]byte, error) {
	body, _, err := r.readBody(false, "sms", "email", "pending_sms", "pending_email")
	if err != nil {
		return nil, err
	}
	f := &faults{body: body}
	a := otp.ContactAddresses{
		SMS: f.text("sms", maxAddress), Email: f.text("email", maxAddress),
		PendingSMS: f.text("pending_sms", maxAddress), PendingEmail: f.text("pending_email", maxAddress),
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	a, err = d.service.PutContact(r.Context(), r.caller.Tenant, id, a, false)
	return contactAnswer(id, a), err
}

// getContact tells about a contact.
func (d *dialect) getContact(r request) ([]byte, error) {
	id := r.PathValue("id")
	a, err := d.service.Contact(r.Context(), r.caller.Tenant, id)
	return contactAnswer(id, a), err
}

// deleteContact forgets a contact.
func (d *dialect) deleteContact(r request) ([]byte, error) {
	return nil, d.service.DeleteContact(r.Context(), r.caller.Tenant, r.PathValue("id"))
}
