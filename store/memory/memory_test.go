package memory_test

import (
	"testing"

	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Engine { return memory.New() }, storetest.Options{
		// A second server of the model is the same engine once more.
		Second:  func(_ *testing.T, e store.Engine) store.Engine { return e },
		Writers: 2,
	})
}
