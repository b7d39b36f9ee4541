package gap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASeriesGoesOnWhereItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	setting := Setting{From: "a", To: "b", Digests: map[string]string{"belay": "x", "k3s": "y"}}
	r, err := OpenRecord(path, setting)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if err := r.Add(Run{Kind: Naive, Round: round, Gap: float64(round)}); err != nil {
			t.Fatal(err)
		}
	}
	// A kill in the middle of a line.
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(whole, `{"kind":"bel`...), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err = OpenRecord(path, setting)
	if err != nil || len(r.Runs) != 2 || !r.Has(false, Naive, 1) || r.Has(true, Naive, 1) || r.Has(false, Belay, 0) {
		t.Fatalf("read back: %+v, %v", r, err)
	}
	if err := r.Add(Run{Kind: Belay, Round: 0}); err != nil {
		t.Fatal(err)
	}
	if r, err = OpenRecord(path, setting); err != nil || !r.Has(false, Belay, 0) {
		t.Errorf("a run after a cut line was lost: %+v, %v", r, err)
	}
	setting.Digests["belay"] = "z"
	if _, err := OpenRecord(path, setting); err == nil || !strings.Contains(err.Error(), "--fresh") {
		t.Errorf("runs of two programs in one file: %v", err)
	}
}
