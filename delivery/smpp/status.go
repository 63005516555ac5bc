package smpp

import (
	"fmt"
	"maps"

	"github.com/aldaba-otp/aldaba/delivery"
)

// The statuses that are more than a class.
const (
	statusOK            = 0x00
	statusCommandLength = 0x02 // ESME_RINVCMDLEN
	statusCommand       = 0x03 // ESME_RINVCMDID
	statusBind          = 0x04 // ESME_RINVBNDSTS
	statusQueueFull     = 0x14 // ESME_RMSGQFUL
	statusThrottled     = 0x58 // ESME_RTHROTTLED
	statusTemporary     = 0x64 // ESME_RX_T_APPN
	statusRefused       = 0x66 // ESME_RX_R_APPN
)

// status is one command_status with what follows from it for a message.
type status struct {
	name  string
	class delivery.Class
}

// statuses are all errors of SMPP 3.4 (section 5.1.3) and 5.0 (section 4.7.6).
// A fault of this message or of its settings at this carrier is Rejected; a
// state of the session, the account or the carrier is Unavailable.
func statuses() map[uint32]status {
	const r, t, u = delivery.Rejected, delivery.Throttled, delivery.Unavailable
	all := map[uint32]status{
		0x01: {"ESME_RINVMSGLEN", r}, 0x02: {"ESME_RINVCMDLEN", r}, 0x03: {"ESME_RINVCMDID", u}, 0x04: {"ESME_RINVBNDSTS", u},
		0x05: {"ESME_RALYBND", u}, 0x06: {"ESME_RINVPRTFLG", r}, 0x07: {"ESME_RINVREGDLVFLG", r}, 0x08: {"ESME_RSYSERR", u},
		0x0a: {"ESME_RINVSRCADR", r}, 0x0b: {"ESME_RINVDSTADR", r}, 0x0c: {"ESME_RINVMSGID", r}, 0x0d: {"ESME_RBINDFAIL", u},
		0x0e: {"ESME_RINVPASWD", u}, 0x0f: {"ESME_RINVSYSID", u}, 0x11: {"ESME_RCANCELFAIL", r}, 0x13: {"ESME_RREPLACEFAIL", r},
		0x14: {"ESME_RMSGQFUL", t}, 0x15: {"ESME_RINVSERTYP", r}, 0x33: {"ESME_RINVNUMDESTS", r}, 0x34: {"ESME_RINVDLNAME", r},
		0x40: {"ESME_RINVDESTFLAG", r}, 0x42: {"ESME_RINVSUBREP", r}, 0x43: {"ESME_RINVESMCLASS", r}, 0x44: {"ESME_RCNTSUBDL", r},
		0x45: {"ESME_RSUBMITFAIL", u}, 0x48: {"ESME_RINVSRCTON", r}, 0x49: {"ESME_RINVSRCNPI", r}, 0x50: {"ESME_RINVDSTTON", r},
		0x51: {"ESME_RINVDSTNPI", r}, 0x53: {"ESME_RINVSYSTYP", u}, 0x54: {"ESME_RINVREPFLAG", r}, 0x55: {"ESME_RINVNUMMSGS", r},
		0x58: {"ESME_RTHROTTLED", t}, 0x61: {"ESME_RINVSCHED", r}, 0x62: {"ESME_RINVEXPIRY", r}, 0x63: {"ESME_RINVDFTMSGID", r},
		0x64: {"ESME_RX_T_APPN", u}, 0x65: {"ESME_RX_P_APPN", r}, 0x66: {"ESME_RX_R_APPN", r}, 0x67: {"ESME_RQUERYFAIL", r},
		0xc0: {"ESME_RINVOPTPARSTREAM", r}, 0xc1: {"ESME_ROPTPARNOTALLWD", r}, 0xc2: {"ESME_RINVPARLEN", r},
		0xc3: {"ESME_RMISSINGOPTPARAM", r}, 0xc4: {"ESME_RINVOPTPARAMVAL", r}, 0xfe: {"ESME_RDELIVERYFAILURE", r}, 0xff: {"ESME_RUNKNOWNERR", u},
	}
	maps.Copy(all, map[uint32]status{ // 5.0
		0x100: {"ESME_RSERTYPUNAUTH", r}, 0x101: {"ESME_RPROHIBITED", r}, 0x102: {"ESME_RSERTYPUNAVAIL", u}, 0x103: {"ESME_RSERTYPDENIED", r},
		0x104: {"ESME_RINVDCS", r}, 0x105: {"ESME_RINVSRCADDRSUBUNIT", r}, 0x106: {"ESME_RINVDSTADDRSUBUNIT", r},
		0x107: {"ESME_RINVBCASTFREQINT", r}, 0x108: {"ESME_RINVBCASTALIAS_NAME", r}, 0x109: {"ESME_RINVBCASTAREAFMT", r},
		0x10a: {"ESME_RINVNUMBCAST_AREAS", r}, 0x10b: {"ESME_RINVBCASTCNTTYPE", r}, 0x10c: {"ESME_RINVBCASTMSGCLASS", r},
		0x10d: {"ESME_RBCASTFAIL", r}, 0x10e: {"ESME_RBCASTQUERYFAIL", r}, 0x10f: {"ESME_RBCASTCANCELFAIL", r},
		0x110: {"ESME_RINVBCAST_REP", r}, 0x111: {"ESME_RINVBCASTSRVGRP", r}, 0x112: {"ESME_RINVBCASTCHANIND", r},
	})
	return all
}

// judged returns the name and the class of a status. Those from 0x400 to 0x4ff
// are the carrier's own: most speak of one message (a barred number, a text
// that is not registered), so they count as Rejected unless the settings say
// otherwise. The remaining ones are reserved.
func judged(table map[uint32]status, code uint32) status {
	if s, ok := table[code]; ok {
		return s
	}
	s := status{fmt.Sprintf("0x%x", code), delivery.Unavailable}
	if code >= 0x400 && code <= 0x4ff {
		s.class = delivery.Rejected
	}
	return s
}

// classOf reads a class from the settings.
func classOf(word string) (delivery.Class, bool) {
	for _, c := range []delivery.Class{delivery.Rejected, delivery.Throttled, delivery.Unavailable} {
		if c.String() == word {
			return c, true
		}
	}
	return 0, false
}
