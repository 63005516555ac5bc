package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The commands (SMPP 3.4, section 5.1.2.1). An answer has bit 31 set.
const (
	bindReceiver      = 0x00000001
	bindTransmitter   = 0x00000002
	submitSM          = 0x00000004
	deliverSM         = 0x00000005
	unbind            = 0x00000006
	bindTransceiver   = 0x00000009
	outbind           = 0x0000000b
	enquireLink       = 0x00000015
	alertNotification = 0x00000102
	dataSM            = 0x00000103
	answerBit         = 0x80000000
	genericNack       = 0x80000000
)

const (
	headerSize = 16
	maxPDU     = 64 << 10 // of an incoming one; what is longer ends the session
	maxPayload = 60 << 10 // octets of a message_payload that are written
)

// pdu is one packet: its header and the octets of its body.
type pdu struct {
	command, status, sequence uint32
	body                      []byte
}

// errLength says that a packet's length cannot be true. What follows on the
// connection cannot be told apart any more.
var errLength = errors.New("a packet of impossible length")

// errBody says that a packet's body does not follow the standard.
var errBody = errors.New("a packet with a malformed body")

// readPDU reads one packet. With [errLength] it returns the header as well.
func readPDU(r io.Reader) (pdu, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return pdu{}, err
	}
	p := pdu{
		command: binary.BigEndian.Uint32(h[4:]), status: binary.BigEndian.Uint32(h[8:]), sequence: binary.BigEndian.Uint32(h[12:]),
	}
	length := binary.BigEndian.Uint32(h[:])
	if length < headerSize || length > maxPDU {
		return p, errLength
	}
	p.body = make([]byte, length-headerSize)
	if _, err := io.ReadFull(r, p.body); err != nil {
		return pdu{}, fmt.Errorf("in the middle of a packet: %w", err)
	}
	return p, nil
}

// encode writes a packet.
func (p pdu) encode() []byte {
	out := make([]byte, 0, headerSize+len(p.body))
	out = binary.BigEndian.AppendUint32(out, uint32(headerSize+len(p.body)))
	out = binary.BigEndian.AppendUint32(out, p.command)
	out = binary.BigEndian.AppendUint32(out, p.status)
	out = binary.BigEndian.AppendUint32(out, p.sequence)
	return append(out, p.body...)
}

// reader takes the fields of a body one after the other. It remembers that one
// was missing; what it returns from then on is empty.
type reader struct {
	left   []byte
	broken bool
}

// text takes a C-octet string.
func (r *reader) text() string {
	end := bytes.IndexByte(r.left, 0)
	if end < 0 || end >= readLimit {
		r.broken, r.left = true, nil
		return ""
	}
	s := string(r.left[:end])
	r.left = r.left[end+1:]
	return s
}

func (r *reader) octet() byte {
	if len(r.left) == 0 {
		r.broken = true
		return 0
	}
	c := r.left[0]
	r.left = r.left[1:]
	return c
}

func (r *reader) octets(n int) []byte {
	if n > len(r.left) {
		r.broken, r.left = true, nil
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) short() uint16 {
	b := r.octets(2)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// tlvs takes all optional parameters up to the body's end.
func (r *reader) tlvs() []tlv {
	var all []tlv
	for len(r.left) > 0 && !r.broken {
		tag, n := r.short(), r.short()
		all = append(all, tlv{tag, r.octets(int(n))})
	}
	return all
}

// The optional parameters that are used (SMPP 3.4, section 5.3.2).
const (
	tagReceiptedMessageID = 0x001e
	tagInterfaceVersion   = 0x0210
	tagReference          = 0x020c
	tagSegments           = 0x020e
	tagSegment            = 0x020f
	tagNetworkError       = 0x0423
	tagPayload            = 0x0424
	tagState              = 0x0427
)

// tlv is one optional parameter.
type tlv struct {
	tag   uint16
	value []byte
}

// find returns the value of the first parameter with a tag, or nil.
func find(all []tlv, tag uint16) []byte {
	for _, t := range all {
		if t.tag == tag {
			return t.value
		}
	}
	return nil
}

func appendText(out []byte, s string) []byte { return append(append(out, s...), 0) }

func appendTLVs(out []byte, all []tlv) []byte {
	for _, t := range all {
		out = binary.BigEndian.AppendUint16(out, t.tag)
		out = binary.BigEndian.AppendUint16(out, uint16(len(t.value)))
		out = append(out, t.value...)
	}
	return out
}
