package clock

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestTheTimeOfDayIsSetAndNothingElse(t *testing.T) {
	c, err := New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{0, -400 * 24 * time.Hour} {
		if err := c.Set(off); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("date", "+%Y-%m-%dT%H")
		cmd.Env = append(os.Environ(), append(c.Env(), "TZ=UTC")...)
		before := time.Now().Add(off).UTC().Format("2006-01-02T15")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		after := time.Now().Add(off).UTC().Format("2006-01-02T15")
		if got := strings.TrimSpace(string(out)); got != before && got != after {
			t.Errorf("set to %s it is %s there, not %s", off, got, after)
		}
	}
}
