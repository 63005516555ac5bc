package address

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// countPhone folds the known double forms of one line to one. It takes and returns E.164.
//
//   - A trunk zero after the country code ("+44 0 7..."), in the plans where a number never begins with 0: carriers and
//     libphonenumber's parser drop it. isTrunkZero holds the list.
//   - Mexico: "+52 1" before ten digits, and the trunk prefixes 01, 044 and 045, all abolished by the numbering plan of
//     the Instituto Federal de Telecomunicaciones in August 2019 and still carried.
//   - Argentina: the mobile mark "+54 9" before ten digits, and the same mark in its national form, 15 after the area
//     code (ENACOM's plan; the place of the 15 is libphonenumber's to find).
//   - Brazil: the ninth digit, a 9 put before every mobile number from 2012 to 2016 (ANATEL, Resolução 553/2010). Not
//     where 2 to 5 follows it: those eight digits are a landline of its own.
//
// Italy's leading zero is part of the number and stays. Sources besides those named: the national plans published by the
// ITU under E.129 and libphonenumber's metadata, against which the tests check the list of trunk zeros.
func countPhone(e164 string) string {
	s := dropTrunkZero(e164)
	if s[1] != '5' {
		return s
	}
	national := s[3:]
	switch s[:3] {
	case "+52":
		return countMexico(s, national)
	case "+54":
		return countArgentina(s, national)
	case "+55":
		if len(national) == 11 && national[2] == '9' && (national[3] < '2' || national[3] > '5') {
			return s[:5] + national[3:]
		}
	}
	return s
}

func countMexico(s, national string) string {
	const line = 10 // digits of every Mexican number
	if len(national) <= line {
		return s
	}
	switch mark := national[:len(national)-line]; mark {
	case "1", "01", "044", "045":
		return "+52" + national[len(mark):]
	}
	return s
}

func countArgentina(s, national string) string {
	if len(national) == 12 {
		if number, err := phonenumbers.Parse(s, ""); err == nil {
			s = phonenumbers.Format(number, phonenumbers.E164)
			national = strings.TrimPrefix(s, "+54")
		}
	}
	if len(national) == 11 && national[0] == '9' {
		return "+54" + national[1:]
	}
	return s
}

// dropTrunkZero removes a 0 that follows the country code where no number begins with one.
func dropTrunkZero(s string) string {
	for i := 3; i <= 4; i++ {
		if s[i] == '0' && isTrunkZero(s[1:i]) {
			return s[:i] + s[i+1:]
		}
	}
	return s
}

// isTrunkZero reports whether code is a country calling code where 0 is the trunk prefix, or once was, and no number
// begins with 0.
func isTrunkZero(code string) bool {
	switch code {
	case "20", "27", "31", "32", "33", "40", "41", "43", "44", "46", "49",
		"51", "53", "54", "55", "58", "60", "61", "62", "63", "64", "66",
		"81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
		"211", "212", "213", "218", "231", "232", "233", "234", "243", "249",
		"250", "251", "252", "254", "255", "256", "260", "261", "262", "263", "264", "265", "291",
		"353", "355", "358", "359", "370", "373", "374", "377", "380", "381", "382", "383", "385", "386", "387", "389",
		"421", "423", "508", "590", "591", "593", "594", "595", "596", "598", "686", "850", "855", "856", "880", "886",
		"961", "962", "963", "964", "966", "967", "970", "971", "972", "976", "977", "994", "995", "996":
		return true
	}
	return false
}
