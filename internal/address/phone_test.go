package address

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestPhonesAsWrittenHaveOneFormToSend(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, home, want string }{
		{"+18091234567", "", "+18091234567"},
		{"+1234567", "", "+1234567"},
		{"+123456789012345", "", "+123456789012345"},
		{"+1 (809) 123-4567", "", "+18091234567"},
		{" +1\u00a0809\u2011123\u20134567 ", "", "+18091234567"},
		{"+1.809.123.4567", "", "+18091234567"},
		{"(+1) 809/123/4567", "", "+18091234567"},
		{"+49 (0) 171 2345678", "", "+491712345678"},
		{"+49(0)1712345678", "", "+491712345678"},
		{"(+49)(0)171 2345678", "", "+491712345678"},
		{"0049 (0) 171 2345678", "", "+491712345678"},
		{"0049 (0) 171 2345678", "DE", "+491712345678"},
		{"001 (0) 809 123 4567", "DE", "+18091234567"},
		{"0049 171 2345678", "AU", "+491712345678"},
		{"0011 49 171 2345678", "AU", "+491712345678"},
		{"0011 49 (0) 171 2345678", "AU", "+491712345678"},
		{"011 49 171 2345678", "US", "+491712345678"},
		{"+39 (0) 6 12345678", "", "+390612345678"},
		{"0039 06 12345678", "FR", "+390612345678"},
		{"tel:+1-809-123-4567", "", "+18091234567"},
		{"TEL:+18091234567", "", "+18091234567"},
		{"\uff0b\uff11\uff18\uff10\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17", "", "+18091234567"},
		{"\uff0b1\u3000\uff08809\uff09123\uff0d4567", "", "+18091234567"},
		{"0171 2345678", "DE", "+491712345678"},
		{"(0171) 2345678", "de", "+491712345678"},
		{"809-123-4567", "DO", "+18091234567"},
		{"1 809 123 4567", "DO", "+18091234567"},
		{"06 12345678", "IT", "+390612345678"},
		{"011 15 2345-6789", "AR", "+5491123456789"},
		{"+15550001111", "", "+15550001111"},
		{"+999 123 4567", "", "+9991234567"},
		{"00 999 123 4567", "DE", "+9991234567"},
	}
	for _, tt := range tests {
		t.Run(tt.text+" "+tt.home, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePhone(tt.text, tt.home)
			if err != nil || got.Send != tt.want || got.Kind != Phone {
				t.Errorf("ParsePhone(%q, %q) = %+v, %v; want Send %q", tt.text, tt.home, got, err, tt.want)
			}
		})
	}
}

func TestPhonesOfNoOneFormAreRefusedWithoutEcho(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, home string }{
		"empty":              {"", ""},
		"only plus":          {"+", ""},
		"six digits":         {"+123456", ""},
		"sixteen digits":     {"+1234567890123456", ""},
		"leading zero":       {"+0491712345678", ""},
		"triple zero":        {"000491712345678", ""},
		"letters":            {"+1305FLOWERS", ""},
		"letters nationally": {"1305xxxxxxxx", "US"},
		"full-width letters": {"+1305\uff21\uff22\uff23\uff244567", ""},
		"x extension":        {"+18091234567x12", ""},
		"ext":                {"+18091234567 ext 12", ""},
		"comma extension":    {"+18091234567,12", ""},
		"hash extension":     {"+18091234567#12", ""},
		"URI extension":      {"tel:+18091234567;ext=12", ""},
		"URI context":        {"tel:1234567;phone-context=+1809", "DO"},
		"URI local":          {"tel:8091234567", "DO"},
		"two numbers":        {"+18091234567,+18091234568", ""},
		"two numbers spaced": {"+1234567 +1234568", ""},
		"two numbers lined":  {"+18091234567\n+18091234568", ""},
		"double plus":        {"++18091234567", ""},
		"late plus":          {"18091234567+", ""},
		"line end":           {"+18091234567\r\n", ""},
		"tab":                {"+1\t8091234567", ""},
		"NUL":                {"+18091234567\x00", ""},
		"RTL mark":           {"\u202d+18091234567\u202c", ""},
		"zero width":         {"+1809\u200b1234567", ""},
		"Arabic-Indic":       {"+1809\u0661234567", ""},
		"superscript":        {"+180912345\u00b2", ""},
		"broken UTF-8":       {"+1809123456\xff7", ""},
		"open parenthesis":   {"+1 (809 1234567", ""},
		"close parenthesis":  {"+1 809) 1234567", ""},
		"nested":             {"+1 ((809)) 1234567", ""},
		"two trunk zeros":    {"+49 (0)(0) 171 2345678", ""},
		"late trunk zero":    {"+49 171 (0) 2345678", ""},
		"trunk, no code":     {"49 (0) 171 2345678", "DE"},
		"no home":            {"8091234567", ""},
		"unknown home":       {"8091234567", "XX"},
		"long home":          {"8091234567", "DOM"},
		"short code":         {"110", "DE"},
		"too long":           {"+1 809 1234567" + strings.Repeat(" ", 60), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePhone(tt.text, tt.home)
			if !errors.Is(err, ErrInvalid) || got != (Address{}) {
				t.Fatalf("ParsePhone(%q, %q) = %+v, %v; want ErrInvalid", tt.text, tt.home, got, err)
			}
			if len(tt.text) > 3 && strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q echoes the address", err)
			}
		})
	}
}

func TestWaysToWriteOneLineCountAsOne(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"+491712345678":  {"+491712345678", "+4901712345678", "+49 (0) 171 2345678", "00491712345678", "tel:+491712345678"},
		"+447700900123":  {"+447700900123", "+4407700900123", "+44 (0)7700 900123"},
		"+353851234567":  {"+353851234567", "+3530851234567"},
		"+525512345678":  {"+525512345678", "+5215512345678", "+52015512345678", "+520445512345678", "+520455512345678"},
		"+541123456789":  {"+541123456789", "+5491123456789", "+541115 2345 6789", "+54 0 9 11 2345 6789"},
		"+551187654321":  {"+551187654321", "+5511987654321", "+55 (0) 11 98765-4321", "+55011987654321"},
		"+5511923456789": {"+5511923456789"},
		"+551123456789":  {"+551123456789"},
		"+390612345678":  {"+390612345678", "+39 (0)6 12345678"},
		"+39612345678":   {"+39612345678"},
		"+2250701020304": {"+2250701020304"},
		"+18091234567":   {"+18091234567", "1-809-123-4567", "809 123 4567"},
	}
	for want, texts := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			for _, text := range texts {
				got, err := ParsePhone(text, "DO")
				if err != nil || got.Count != want {
					t.Errorf("ParsePhone(%q) = %+v, %v; want Count %q", text, got, err, want)
				}
			}
		})
	}
}

// TestTrunkZeroListAgreesWithTheMetadata keeps a plan in which numbers begin with 0 out of the list, where two lines
// would become one.
func TestTrunkZeroListAgreesWithTheMetadata(t *testing.T) {
	t.Parallel()
	begins := func(code int) (zero, trunk bool) {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			trunk = trunk || phonenumbers.GetNddPrefixForRegion(region, true) == "0"
			for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
				if n := phonenumbers.GetExampleNumberForType(region, kind); n != nil {
					zero = zero || strings.HasPrefix(phonenumbers.GetNationalSignificantNumber(n), "0")
				}
			}
		}
		return zero, trunk
	}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		text := strconv.Itoa(code)
		zero, trunk := begins(code)
		if isTrunkZero(text) && (zero || !trunk) {
			t.Errorf("+%s is in the list, but numbers begin with 0: %v, trunk prefix 0: %v", text, zero, trunk)
		}
	}
}

func TestCountryOfANumber(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"+18091234567": "DO", "+12025550100": "US", "+14165550100": "CA", "+491712345678": "DE", "+447700900123": "GB",
		"+5215512345678": "MX", "+77011234567": "KZ", "+79161234567": "RU", "+390612345678": "IT",
		"+88213123456": "", "+80012345678": "", "+9991234567": "",
		"+15550001111": "US", "+18765550000": "JM", "+7000000000": "RU", "+4712345678": "NO",
		"": "", "8091234567": "", "+1": "", "ana@example.com": "",
	}
	for number, want := range tests {
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			if got := Country(number); got != want {
				t.Errorf("Country(%q) = %q, want %q", number, got, want)
			}
		})
	}
}

func BenchmarkParsePlainNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Parse("+18091234567", "DO")
	}
}

func BenchmarkParseFoldedNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Parse("+5511987654321", "")
	}
}

func BenchmarkParseWrittenNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Parse("+49 (0) 171 2345678", "DO")
	}
}

func BenchmarkCountry(b *testing.B) {
	for _, number := range []string{"+18091234567", "+491712345678"} {
		b.Run(number, func(b *testing.B) {
			for b.Loop() {
				_ = Country(number)
			}
		})
	}
}
