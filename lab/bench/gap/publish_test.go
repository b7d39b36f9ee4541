package gap

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func series(n int) *Record {
	r := &Record{Setting: Setting{From: "v1.35.4+k3s1", To: "v1.36.3+k3s1", Datastore: "sqlite"}}
	for round := range n {
		shift := float64(round%3) / 50
		for _, cold := range []bool{false, true} {
			r.Runs = append(r.Runs,
				Run{Cold: cold, Round: round, Kind: Restart, Gap: 5 + shift, Outages: 1, Returned: 6, Ready: 9, Quiet: true},
				Run{Cold: cold, Round: round, Kind: Naive, Gap: 8 + shift, Outages: 1, Returned: 9, Ready: 12, Quiet: true},
				Run{Cold: cold, Round: round, Kind: Belay, Gap: 5.2 + shift, Outages: 1, Returned: 16, Ready: 16, Quiet: true})
		}
	}
	return r
}

func TestTheTableSaysWhatWasMetAndWhatNot(t *testing.T) {
	text := Table(series(Enough))
	for _, words := range []string{
		"| gap, Belay / restart | 1.0", "≤ 1.10 | met |", "< 1 | met |", "≤ 1.2 | not met |",
		"| bare restart | 5.02 s (5.00–5.04)", "15 restarts", "were not measured",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the table lacks %q:\n%s", words, text)
		}
	}
	if strings.Contains(text, "nothing more") || !strings.Contains(Table(series(2)), "nothing more") {
		t.Error("few runs, and only few, are said to be few")
	}
}

func TestPublishKeepsTheRestOfThePage(t *testing.T) {
	root := t.TempDir()
	page := filepath.Join(root, "docs", "performance.md")
	if err := os.MkdirAll(filepath.Dir(page), 0o755); err != nil {
		t.Fatal(err)
	}
	begin, end, _ := marks(Setting{Datastore: "sqlite"})
	other, otherEnd, _ := marks(Setting{Datastore: "etcd"})
	if err := os.WriteFile(page, []byte("# A\n"+begin+"\nold\n"+end+"\n# B\n"+other+"\nnone\n"+otherEnd+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := series(3)
	for range 2 { // a second time changes nothing
		if files, err := Publish(r, root); err != nil || len(files) != 4 {
			t.Fatal(files, err)
		}
	}
	text, _ := os.ReadFile(page)
	if s := string(text); !strings.HasPrefix(s, "# A\n") || !strings.HasSuffix(s, end+"\n# B\n"+other+"\nnone\n"+otherEnd+"\n") ||
		strings.Contains(s, "old") || strings.Count(s, begin) != 1 || !strings.Contains(s, "bare restart") {
		t.Error(s)
	}
	if list, _ := os.ReadFile(filepath.Join(root, "bench", "gap.csv")); strings.Count(string(list), "\n") != 1+len(r.Runs) {
		t.Errorf("%s", list)
	}
}

func TestThePlotIsXMLWithEveryRun(t *testing.T) {
	r := series(4)
	svg := Plot(r)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(svg, "<circle"); n != len(r.Runs) {
		t.Errorf("%d dots for %d runs", n, len(r.Runs))
	}
}

func TestLostRequestsAreCountedWhereAWorkloadWasAsked(t *testing.T) {
	r := series(2)
	r.Setting.Real = true
	for i := range r.Runs {
		r.Runs[i].Workload = lost([]Shot{{}, {OK: true}, {}, {OK: true}}) // the first is of a pod that has just begun
		if r.Runs[i].Kind == Belay {
			r.Runs[i].Workload = lost([]Shot{{OK: true}, {OK: true}})
		}
	}
	if text := Table(r); !strings.Contains(text, "naive 4 of 12 (4 runs, at worst 1 in one), belay 0 of 8 (4 runs, at worst 0 in one).") {
		t.Errorf("the table says:\n%s", text)
	}
	if begin, _, name := marks(r.Setting); name != "gap-real" || !strings.Contains(begin, "gap-real:") {
		t.Errorf("real releases have a place of their own, and this is %s", name)
	}
}
