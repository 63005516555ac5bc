package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestMalformedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`
	}
	tests := map[string]string{
		"empty":                 ``,
		"white space":           " \n",
		"array":                 `[]`,
		"string":                `"a"`,
		"null":                  `null`,
		"number":                `1`,
		"no end":                `{"a":1`,
		"no end after comma":    `{"a":1,`,
		"comma before end":      `{"a":1,}`,
		"leading comma":         `{,"a":1}`,
		"no colon":              `{"a" 1}`,
		"no value":              `{"a":}`,
		"no name":               `{1:1}`,
		"bare name":             `{a:1}`,
		"single quotes":         `{'a':1}`,
		"two members, no comma": `{"a":1 "b":2}`,
		"twice":                 `{"code":"wrong","code":"right"}`,
		"twice by escape":       `{"code":"wrong","c\u006fde":"right"}`,
		"twice with null":       `{"a":null,"a":1}`,
		"second document":       `{}{}`,
		"trailing word":         `{} x`,
		"trailing NUL":          "{}\x00",
		"byte order mark":       "\ufeff{}",
		"UTF-16":                "{\x00}\x00",
		"comment":               `{/**/}`,
		"form feed":             "{\f}",
		"no-break space":        "{\u00a0}",
		"control character":     "{\"a\":\"\x01\"}",
		"raw newline":           "{\"a\":\"\n\"}",
		"raw NUL":               "{\"a\":\"\x00\"}",
		"broken UTF-8":          "{\"a\":\"\xff\"}",
		"broken UTF-8 name":     "{\"\xc3\":1}",
		"overlong UTF-8":        "{\"a\":\"\xc0\xaf\"}",
		"UTF-8 surrogate":       "{\"a\":\"\xed\xa0\x80\"}",
		"lone high surrogate":   `{"a":"\ud800"}`,
		"lone low surrogate":    `{"a":"\udc00"}`,
		"high, then letter":     `{"a":"\ud800x"}`,
		"high, then high":       `{"a":"\ud800\ud800"}`,
		"high, then other":      `{"a":"\ud800\u0041"}`,
		"lone in nested":        `{"a":[{"b":"\ud800"}]}`,
		"unknown escape":        `{"a":"\x41"}`,
		"short escape":          `{"a":"\u12"}`,
		"no hex":                `{"a":"\u12g4"}`,
		"backslash at the end":  `{"a":"\`,
		"leading zero":          `{"a":012}`,
		"plus":                  `{"a":+1}`,
		"no digits":             `{"a":-}`,
		"no fraction":           `{"a":1.}`,
		"no whole":              `{"a":.5}`,
		"no exponent":           `{"a":1e}`,
		"hex":                   `{"a":0x10}`,
		"underscore":            `{"a":1_000}`,
		"NaN":                   `{"a":NaN}`,
		"half a word":           `{"a":tru}`,
		"long word":             `{"a":truex}`,
		"upper case word":       `{"a":True}`,
		"too deep":              deep(16),
		"deep without end":      `{"a":` + strings.Repeat(`[`, 100_000),
		"deep objects":          strings.Repeat(`{"a":`, 100_000),
		"mixed brackets":        `{"a":[1}`,
		"twice among many":      many(1000, `,"k7":0`),
		"twice, the last two":   many(1000, `,"z":0,"z":0`),
		"twice at the border":   many(16, `,"k0":0`),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(body))
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("Parse: %v, want ErrMalformed", err)
			}
		})
	}
}

// many returns an object of n members k0 ... and an end of one's own.
func many(n int, end string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"k` + strconv.Itoa(i) + `":` + strconv.Itoa(i))
	}
	return "{" + b.String()[1:] + end + "}"
}

func TestErrorsNeverRepeatTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"secret":"secret","secret":1}`, `{"a":secret}`, `{"secret":"\ud800secret"}`, `{} secret`} {
		_, err := Parse([]byte(body))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q): %v", body, err)
		}
	}
}

func TestMembersKeepOrderAndNames(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(" {\"b\":1,\t\"B\":2,\r\n\"\":3,\"n\":null,\"\\u00f1\":4} "))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, v := range o.All() {
		got = append(got, name+"="+string(v.Raw()))
	}
	want := "b=1 B=2 =3 n=null ñ=4"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("All: %s, want %s", s, want)
	}
	for range o.All() {
		break
	}
	for name, kind := range map[string]Kind{"b": Number, "n": Absent, "N": Absent, "ñ": Number} {
		if k := o.Get(name).Kind(); k != kind {
			t.Errorf("Get(%q).Kind() = %d, want %d", name, k, kind)
		}
	}
	if o.Get("missing").Raw() != nil {
		t.Error("a missing member has a text")
	}
}

func TestANullIsGivenAndAnAbsentMemberIsNot(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(`{"a":null,"b":"","c":0}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false, "A": false} {
		if got := o.Get(name).Given(); got != want {
			t.Errorf("%s: given %v", name, got)
		}
	}
}

func TestUnknownNamesTheFirstForeignMember(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(`{"otp":1,"Otp":null,"x":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if name, found := o.Unknown("otp", "x"); name != "Otp" || !found {
		t.Errorf("Unknown = %q, %v", name, found)
	}
	if name, found := o.Unknown("x", "Otp", "otp"); found {
		t.Errorf("Unknown = %q", name)
	}
}

func TestStringsAreDecoded(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`""`:                        "",
		`"abc"`:                     "abc",
		`"ñ😀"`:                      "ñ😀",
		`"\"\\\/\b\f\n\r\t"`:        "\"\\/\b\f\n\r\t",
		`"\u00F1\ud83d\uDE00x"`:     "ñ😀x",
		`"\u0000"`:                  "\x00",
		`"\ufffd"`:                  "\ufffd",
		`"\uDBFF\uDFFF \uFfFf"`:     "\U0010ffff \uffff",
		"\"\u2028\x7f\"":            "\u2028\x7f",
		`"a\\u0041 \\\ud83d\ude00"`: "a\\u0041 \\😀",
	}
	for raw, want := range tests {
		o, err := Parse([]byte(`{"a":` + raw + `}`))
		got, ok := o.Get("a").Text()
		if err != nil || !ok || got != want {
			t.Errorf("%s: %q, %v, %v", raw, got, ok, err)
		}
	}
}

func TestValuesAreOfOneKindOnly(t *testing.T) {
	t.Parallel()
	type facts struct {
		kind          Kind
		integer       int64
		isInt, isBool bool
		truth, isText bool
		isObj, isArr  bool
	}
	tests := map[string]facts{
		`null`:                 {},
		`"1"`:                  {kind: String, isText: true},
		`1`:                    {kind: Number, integer: 1, isInt: true},
		`0`:                    {kind: Number, isInt: true},
		`-0`:                   {kind: Number, isInt: true},
		`-12`:                  {kind: Number, integer: -12, isInt: true},
		`9223372036854775807`:  {kind: Number, integer: math.MaxInt64, isInt: true},
		`-9223372036854775808`: {kind: Number, integer: math.MinInt64, isInt: true},
		`9223372036854775808`:  {kind: Number},
		`1.0`:                  {kind: Number},
		`1e5`:                  {kind: Number},
		`1E+5`:                 {kind: Number},
		`0.5e-3`:               {kind: Number},
		`true`:                 {kind: Bool, isBool: true, truth: true},
		`false`:                {kind: Bool, isBool: true},
		`{}`:                   {kind: ObjectKind, isObj: true},
		`[]`:                   {kind: ArrayKind, isArr: true},
		`[ 1 , [ ] ]`:          {kind: ArrayKind, isArr: true},
	}
	for raw, want := range tests {
		o, err := Parse([]byte(`{"a": ` + raw + ` }`))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		v := o.Get("a")
		got := facts{kind: v.Kind()}
		got.integer, got.isInt = v.Integer()
		got.truth, got.isBool = v.Truth()
		_, got.isText = v.Text()
		_, err = v.Object()
		got.isObj = err == nil
		_, err = v.Array()
		got.isArr = err == nil
		if got != want {
			t.Errorf("%s: %+v, want %+v", raw, got, want)
		}
	}
}

func TestNestedValuesOpenStrictly(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(`{"in":{"a":[1,"x",{"b":true}]},"twice":{"a":1,"a":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	in, err := o.Get("in").Object()
	if err != nil {
		t.Fatal(err)
	}
	list, err := in.Get("a").Array()
	if err != nil || len(list) != 3 {
		t.Fatalf("Array: %d values, %v", len(list), err)
	}
	inner, err := list[2].Object()
	if truth, ok := inner.Get("b").Truth(); err != nil || !truth || !ok {
		t.Errorf("inner b: %v, %v, %v", truth, ok, err)
	}
	if _, err := o.Get("twice").Object(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a nested member given twice: %v", err)
	}
	for _, v := range []Value{{}, list[0]} {
		_, errObject := v.Object()
		_, errArray := v.Array()
		if !errors.Is(errObject, ErrMalformed) || !errors.Is(errArray, ErrMalformed) {
			t.Errorf("opened: %v, %v", errObject, errArray)
		}
	}
}

func TestSixteenLevelsAreEnough(t *testing.T) {
	t.Parallel()
	body := strings.Repeat(`{"a":`, 15) + `{}` + strings.Repeat(`}`, 15)
	if _, err := Parse([]byte(body)); err != nil {
		t.Error(err)
	}
}

func TestHugeBodiesStayLinear(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(many(100_000, "")))
	if err != nil || len(o.members) != 100_000 {
		t.Errorf("%d members, %v", len(o.members), err)
	}
}

func TestTheBodyMayChangeAfterwards(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":"before"}`)
	o, err := Parse(body)
	copy(body, bytes.Repeat([]byte("x"), len(body)))
	if got, _ := o.Get("a").Text(); err != nil || got != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzParseAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,null,"x"],"c":{"d":-1.5e3}}`, `{"a":"\ud83d\ude00\n"}`, "{\"\xff\":1}",
		`{"a":{"b":1,"b":2}}`, `{"a":1}x`, `{"\u0000":0}`, `{"a":[[[[]]]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := Parse(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses: %v", err)
		}
		sameObject(t, o, want)
	})
}

func sameObject(t *testing.T, o Object, want map[string]any) {
	t.Helper()
	n := 0
	for name, v := range o.All() {
		n++
		w, found := want[name]
		if !found {
			t.Fatalf("member %q is not in encoding/json's", name)
		}
		sameValue(t, v, w)
		if got := o.Get(name); got != v {
			t.Fatalf("Get(%q) = %v", name, got)
		}
	}
	if n != len(want) {
		t.Fatalf("%d members, want %d", n, len(want))
	}
}

func sameValue(t *testing.T, v Value, want any) {
	t.Helper()
	switch w := want.(type) {
	case nil:
		same(t, v.Kind() == Absent, v)
	case string:
		got, ok := v.Text()
		same(t, ok && got == w, v)
	case bool:
		got, ok := v.Truth()
		same(t, ok && got == w, v)
	case json.Number:
		got, ok := v.Integer()
		n, err := w.Int64()
		same(t, v.Kind() == Number && string(v.Raw()) == w.String() && ok == (err == nil) && (!ok || got == n), v)
	case []any:
		list, err := v.Array()
		same(t, err == nil && len(list) == len(w), v)
		for i := range list {
			sameValue(t, list[i], w[i])
		}
	case map[string]any:
		// A nested object may hold a member twice; it is refused when opened.
		if o, err := v.Object(); err == nil {
			sameObject(t, o, w)
		}
	}
}

func same(t *testing.T, ok bool, v Value) {
	t.Helper()
	if !ok {
		t.Fatalf("%q differs from encoding/json", v.Raw())
	}
}

func BenchmarkParse150(b *testing.B) {
	body := []byte(`{"idConversation":4711,"values":"+4915112345678","length":6,"type":"NUMERIC","secondsExpiration":300,"maximumTries":5,"note":"Gru\u00df aus \"Kiel\" now"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		o, err := Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = o.Get("values").Text()
		_, _ = o.Get("length").Integer()
	}
}
