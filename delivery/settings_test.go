package delivery_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

type settings struct {
	Text     string            `json:"text"`
	Truth    bool              `json:"truth"`
	Whole    int               `json:"whole"`
	Wait     time.Duration     `json:"wait"`
	List     []string          `json:"list"`
	Map      map[string]string `json:"map"`
	Any      any               `json:"any"`
	Inner    *inner            `json:"inner"`
	internal string
}

type inner struct {
	Name string `json:"name"`
}

func TestDecodeFillsAStruct(t *testing.T) {
	t.Parallel()
	got := settings{Whole: 7, internal: "kept"}
	faults := delivery.Decode(map[string]any{
		"text": 49.0, "truth": true, "wait": "1m", "list": []any{"a", 2}, "map": map[string]any{"k": "v"},
		"any": []any{1.5}, "inner": map[string]any{"name": "n"},
	}, &got)
	want := settings{
		Text: "49", Truth: true, Whole: 7, Wait: time.Minute, List: []string{"a", "2"}, Map: map[string]string{"k": "v"},
		Any: []any{1.5}, Inner: &inner{"n"}, internal: "kept",
	}
	if faults != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, faults %v", got, faults)
	}
}

func TestDecodeNamesEveryFault(t *testing.T) {
	t.Parallel()
	var got settings
	faults := delivery.Decode(map[string]any{
		"text": true, "truth": "yes", "whole": 1.5, "wait": "soon", "list": "a", "map": []any{}, "colour": 1,
		"inner": map[string]any{"nome": "n"},
	}, &got)
	want := delivery.Faults{
		{"colour", "is no setting here; known are: text, truth, whole, wait, list, map, any, inner"},
		{"inner.nome", "is no setting here; known are: name"},
		{"list", "must be a list"},
		{"map", "must be a mapping of keys to values"},
		{"text", "must be a text"},
		{"truth", "must be true or false"},
		{"wait", "must be a duration such as 10s, or a number of seconds"},
		{"whole", "must be a whole number"},
	}
	if !reflect.DeepEqual(faults, want) {
		t.Errorf("%q", faults)
	}
}

func TestWordKeepsNothingThatCouldBeAnAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"DELIVRD": "DELIVRD", "30003": "30003", "0x58": "0x58", "5.1.1": "5.1.1", "": "",
		"18091234567": "", "ana@example.com": "", "a b": "", "\n": "", "abcdefghijklmnopqrstuvwxyzabcdefg": "",
	} {
		if got := delivery.Word(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}
