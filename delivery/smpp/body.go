package smpp

// The lengths of C-octet strings with their final NUL. Those of section 4 of
// SMPP 3.4 hold for what is written; carriers exceed some, so that what is read
// may be longer.
const (
	readLimit  = 256
	systemIDs  = 16
	passwords  = 64 // 9 by the standard, but some carriers give out longer ones
	systemType = 13
	addresses  = 21
	services   = 6
)

// address is one end of a message (SMPP 3.4, sections 5.2.5 to 5.2.9).
type address struct {
	ton, npi byte
	digits   string
}

func (r *reader) address() address { return address{r.octet(), r.octet(), r.text()} }

func (a address) append(out []byte) []byte { return appendText(append(out, a.ton, a.npi), a.digits) }

// bind is the body of the three bind requests (section 4.1).
type bind struct {
	systemID, password, systemType string
	version                        byte
	ton, npi                       byte
	addressRange                   string
}

func (b bind) encode() []byte {
	out := appendText(appendText(appendText(nil, b.systemID), b.password), b.systemType)
	return appendText(append(out, b.version, b.ton, b.npi), b.addressRange)
}

// short is the body of submit_sm and of deliver_sm (sections 4.4.1 and 4.6.1).
type short struct {
	service     string
	from, to    address
	class       byte // esm_class
	protocol    byte
	priority    byte
	schedule    string
	validity    string
	registered  byte // registered_delivery
	replace     byte
	coding      byte // data_coding
	predefined  byte // sm_default_msg_id
	text        []byte
	parameters  []tlv
	withPayload bool // read only: the text stood in message_payload
}

// The bits of esm_class (section 5.2.12).
const (
	classType     = 0x3c // mask
	classReceipt  = 0x04
	classProgress = 0x20 // an intermediate notification
	classHeader   = 0x40 // the text begins with a user data header
)

func (m short) encode() []byte {
	out := appendText(nil, m.service)
	out = m.to.append(m.from.append(out))
	out = append(out, m.class, m.protocol, m.priority)
	out = appendText(appendText(out, m.schedule), m.validity)
	out = append(out, m.registered, m.replace, m.coding, m.predefined)
	if m.withPayload {
		return appendTLVs(appendTLVs(append(out, 0), []tlv{{tagPayload, m.text}}), m.parameters)
	}
	out = append(append(out, byte(len(m.text))), m.text...)
	return appendTLVs(out, m.parameters)
}

func decodeShort(body []byte) (short, error) {
	r := reader{left: body}
	m := short{
		service: r.text(), from: r.address(), to: r.address(),
		class: r.octet(), protocol: r.octet(), priority: r.octet(),
		schedule: r.text(), validity: r.text(),
		registered: r.octet(), replace: r.octet(), coding: r.octet(), predefined: r.octet(),
	}
	m.text = r.octets(int(r.octet()))
	m.parameters = r.tlvs()
	if r.broken {
		return short{}, errBody
	}
	return m.unwrapped(), nil
}

// unwrapped takes the text out of message_payload when it stands there.
func (m short) unwrapped() short {
	if payload := find(m.parameters, tagPayload); len(m.text) == 0 && payload != nil {
		m.text, m.withPayload = payload, true
		for i, t := range m.parameters {
			if t.tag == tagPayload {
				m.parameters = append(m.parameters[:i:i], m.parameters[i+1:]...)
				break
			}
		}
		if len(m.parameters) == 0 {
			m.parameters = nil
		}
	}
	return m
}

// decodeData reads the body of data_sm (section 4.7.1), which lacks some
// fields of a deliver_sm.
func decodeData(body []byte) (short, error) {
	r := reader{left: body}
	m := short{
		service: r.text(), from: r.address(), to: r.address(),
		class: r.octet(), registered: r.octet(), coding: r.octet(),
	}
	m.parameters = r.tlvs()
	if r.broken {
		return short{}, errBody
	}
	return m.unwrapped(), nil
}

// decodeID reads the message_id of an answer (section 4.4.2). A refusal may
// leave its body out.
func decodeID(body []byte) (string, error) {
	if len(body) == 0 {
		return "", nil
	}
	r := reader{left: body}
	id := r.text()
	r.tlvs()
	if r.broken {
		return "", errBody
	}
	return id, nil
}
