package gsm7_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

// judge is asked on standard input for a list of texts, and answers encoding,
// units and parts of each.
const judge = `
const {SegmentedMessage} = require('sms-segments-calculator');
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => {
  const m = new SegmentedMessage(text);
  const bits = m.segments.reduce((sum, s) => sum + s.messageSizeInBits(), 0);
  return {encoding: m.encodingName, units: bits / (m.encodingName === 'GSM-7' ? 7 : 16), parts: m.segments.length};
})));`

// TestOutsideJudge compares the counts with those of Twilio's npm package
// sms-segments-calculator. ALDABA_NPM names a folder with its node_modules;
// without it the package is installed into the user's cache.
func TestOutsideJudge(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, a := range answers() {
		texts = append(texts, a.text)
	}
	alphabet := []rune("aAzZ09 @$_^{}[]~|\\€ñéÜ¿áçó’✓Ж漢😀🚀\n")
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		runes := make([]rune, random.IntN(400)+1)
		kinds := alphabet[:random.IntN(len(alphabet))+1]
		for i := range runes {
			runes[i] = kinds[random.IntN(len(kinds))]
		}
		texts = append(texts, string(runes))
	}
	asked, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "-e", judge)
	cmd.Dir = deliverytest.NPM(t, "sms-segments-calculator", "1.3.0")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(asked), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the judge: %v", err)
	}
	var verdicts []struct {
		Encoding     string
		Units, Parts int
	}
	if err := json.Unmarshal(out, &verdicts); err != nil || len(verdicts) != len(texts) {
		t.Fatalf("%d verdicts on %d texts: %v", len(verdicts), len(texts), err)
	}
	names := map[gsm7.Encoding]string{gsm7.GSM7: "GSM-7", gsm7.UCS2: "UCS-2"}
	for i, v := range verdicts {
		if got := gsm7.Count(texts[i]); names[got.Encoding] != v.Encoding || got.Units != v.Units || got.Parts != v.Parts {
			t.Errorf("%q: %s %d %d, the judge says %+v", texts[i], got.Encoding, got.Units, got.Parts, v)
		}
	}
}
