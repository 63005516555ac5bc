package smpp

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
)

// TestEveryStatusHasItsClass is the table of docs/operations/smpp.md: by class,
// every error of SMPP 3.4 and 5.0. A status that stands nowhere, or twice, fails.
func TestEveryStatusHasItsClass(t *testing.T) {
	t.Parallel()
	want := map[delivery.Class]string{
		delivery.Unavailable: "RINVCMDID RINVBNDSTS RALYBND RSYSERR RBINDFAIL RINVPASWD RINVSYSID RSUBMITFAIL RINVSYSTYP RX_T_APPN " +
			"RUNKNOWNERR RSERTYPUNAVAIL",
		delivery.Throttled: "RMSGQFUL RTHROTTLED",
		delivery.Rejected: "RINVMSGLEN RINVCMDLEN RINVPRTFLG RINVREGDLVFLG RINVSRCADR RINVDSTADR RINVMSGID RCANCELFAIL RREPLACEFAIL " +
			"RINVSERTYP RINVNUMDESTS RINVDLNAME RINVDESTFLAG RINVSUBREP RINVESMCLASS RCNTSUBDL RINVSRCTON RINVSRCNPI RINVDSTTON " +
			"RINVDSTNPI RINVREPFLAG RINVNUMMSGS RINVSCHED RINVEXPIRY RINVDFTMSGID RX_P_APPN RX_R_APPN RQUERYFAIL RINVOPTPARSTREAM " +
			"ROPTPARNOTALLWD RINVPARLEN RMISSINGOPTPARAM RINVOPTPARAMVAL RDELIVERYFAILURE RSERTYPUNAUTH RPROHIBITED RSERTYPDENIED " +
			"RINVDCS RINVSRCADDRSUBUNIT RINVDSTADDRSUBUNIT RINVBCASTFREQINT RINVBCASTALIAS_NAME RINVBCASTAREAFMT RINVNUMBCAST_AREAS " +
			"RINVBCASTCNTTYPE RINVBCASTMSGCLASS RBCASTFAIL RBCASTQUERYFAIL RBCASTCANCELFAIL RINVBCAST_REP RINVBCASTSRVGRP RINVBCASTCHANIND",
	}
	left := map[string]delivery.Class{}
	for _, s := range statuses() {
		if _, twice := left[s.name]; twice {
			t.Errorf("%s stands twice", s.name)
		}
		left[s.name] = s.class
	}
	for class, names := range want {
		for name := range strings.FieldsSeq(names) {
			got, ok := left["ESME_"+name]
			if !ok || got != class {
				t.Errorf("%s is %s (%v), want %s", name, got, ok, class)
			}
			delete(left, "ESME_"+name)
		}
	}
	for name := range left {
		t.Errorf("nothing says what %s is", name)
	}
}

func TestStatusesOfTheCarrierItself(t *testing.T) {
	t.Parallel()
	s, err := read(map[string]any{"address": "127.0.0.1:1", "system_id": "a", "statuses": map[string]any{
		"0x0412": "throttled", "1043": "unavailable", "0x08": "rejected",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[uint32]status{
		0x0b: {"ESME_RINVDSTADR", delivery.Rejected}, 0x400: {"0x400", delivery.Rejected}, 0x4ff: {"0x4ff", delivery.Rejected},
		0x3ff: {"0x3ff", delivery.Unavailable}, 0x500: {"0x500", delivery.Unavailable}, 0xffffffff: {"0xffffffff", delivery.Unavailable},
		0x412: {"0x412", delivery.Throttled}, 1043: {"0x413", delivery.Unavailable}, 0x08: {"ESME_RSYSERR", delivery.Rejected},
	} {
		if got := judged(s.statuses, code); got != want {
			t.Errorf("0x%x is %+v, want %+v", code, got, want)
		}
	}
}
