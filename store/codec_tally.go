package store

import "github.com/aldaba-otp/aldaba/otp"

// PackTally packs what a rule counts over time; that of a plain number is empty.
func PackTally(t *otp.Tally) []byte {
	if t.Name == "" {
		return nil
	}
	p := make(packer, 0, 48+len(t.Name)+9*len(t.Times)+12*len(t.Slots))
	p = append(p, packVersion)
	p.text(t.Tenant)
	p.text(t.Name)
	p.time(t.Until)
	p.time(t.Next)
	p.number(int64(len(t.Times)))
	for _, at := range t.Times {
		p.time(at)
	}
	p.number(int64(len(t.Slots)))
	for _, s := range t.Slots {
		p.time(s.At)
		p.number(int64(s.Sends))
		p.number(int64(s.Approved))
	}
	p.time(t.Block.Since)
	p.time(t.Block.Until)
	p.number(int64(t.Block.Level))
	return p
}

// UnpackTally is the inverse of [PackTally].
func UnpackTally(b []byte, t *otp.Tally) error {
	if len(b) == 0 {
		return nil
	}
	u := unpacker{rest: b}
	u.version()
	t.Tenant, t.Name, t.Until, t.Next = u.text(), u.text(), u.time(), u.time()
	for range u.count() {
		t.Times = append(t.Times, u.time())
	}
	for range u.count() {
		t.Slots = append(t.Slots, otp.Slot{At: u.time(), Sends: int(u.number()), Approved: int(u.number())})
	}
	t.Block = otp.Block{Since: u.time(), Until: u.time(), Level: int(u.number())}
	return u.err
}

func (p *packer) listing(l *otp.Listing) {
	*p = append(*p, byte(l.Verdict))
	p.time(l.Until)
	p.text(l.Reason)
	p.text(l.By)
}

func (u *unpacker) listing() otp.Listing {
	return otp.Listing{Verdict: otp.Verdict(u.octet()), Until: u.time(), Reason: u.text(), By: u.text()}
}
