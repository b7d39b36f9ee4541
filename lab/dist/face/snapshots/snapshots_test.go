package snapshots

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func filled(t *testing.T, names ...string) Dir {
	t.Helper()
	d := Dir{filepath.Join(t.TempDir(), "db", "snapshots"), "n1"}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(d.Path, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Describe(name, map[string]string{"of": name}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func names(t *testing.T, d Dir) []string {
	t.Helper()
	files, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return all
}

func TestTheNameIsThatOfTheCapture(t *testing.T) {
	d := Dir{"/x", "n2"}
	if got := d.Name("t1", time.Unix(1795452304, 0)); got != "t1-n2-1795452304" {
		t.Error(got)
	}
}

// TestPruneGoesByPrefixAndAge: the retention of "on-demand" does not see ours.
func TestPruneGoesByPrefixAndAge(t *testing.T) {
	d := filled(t, "on-demand-n1-30", "on-demand-n1-10", "belay-a-n1-5", "on-demand-n1-20.zip", "on-demand-n1-40.part")
	gone, err := d.Prune("on-demand", 2)
	if err != nil || !slices.Equal(gone, []string{"on-demand-n1-10"}) {
		t.Fatalf("pruned %v, %v", gone, err)
	}
	if got := names(t, d); !slices.Equal(got, []string{"belay-a-n1-5", "on-demand-n1-20.zip", "on-demand-n1-30"}) {
		t.Errorf("left: %v", got)
	}
	if _, err := os.Stat(d.metadata("on-demand-n1-10")); !os.IsNotExist(err) {
		t.Errorf("its metadata is still there: %v", err)
	}
	if gone, err := d.Prune("on-demand", 0); err != nil || gone != nil {
		t.Errorf("retention 0 pruned %v, %v", gone, err)
	}
}

func TestDeleteKnowsWhatIsThereAndStaysInside(t *testing.T) {
	d := filled(t, "a-n1-1", "b-n1-2")
	gone, err := d.Delete([]string{"a-n1-1", "c-n1-3", "../snapshots/b-n1-2"})
	if err != nil || !slices.Equal(gone, []string{"a-n1-1"}) {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if got := names(t, d); !slices.Equal(got, []string{"b-n1-2"}) {
		t.Errorf("left: %v", got)
	}
}
