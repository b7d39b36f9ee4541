package gap

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"belay.dev/lab/bench/k3s"
)

// marks in a page between which the table of a setting lies, and the name of
// its files.
func marks(s Setting) (begin, end, name string) {
	name = "gap"
	if s.Real {
		name += "-real"
	}
	if s.Datastore == k3s.Etcd.String() {
		name += "-etcd"
	}
	return "<!-- " + name + ": written by ./dev bench gap --publish -->", "<!-- /" + name + " -->", name
}

func gapOf(r Run) float64   { return r.Gap }
func totalOf(r Run) float64 { return r.Returned }
func readyOf(r Run) float64 { return r.Ready }

// Enough is how many runs of each kind a series needs before its table says
// more than that the bench works.
const Enough = 15

// Table is the Markdown of a record.
func Table(r *Record) string {
	var b strings.Builder
	s := r.Setting
	releases := "the bench's releases (upstream Kubernetes in K3s' face)"
	if s.Real {
		releases = "real K3s releases"
	}
	fmt.Fprintf(&b, "%s to %s, %s; %d objects of 4 KiB in %s; %s. Medians, in brackets the fastest and the slowest run.\n",
		s.From, s.To, releases, s.Objects, s.Datastore, s.Machine)
	for _, cold := range []bool{false, true} {
		counts := []int{len(r.Of(cold, Restart, gapOf)), len(r.Of(cold, Naive, gapOf)), len(r.Of(cold, Belay, gapOf))}
		if slices.Min(counts) == 0 {
			continue
		}
		title := "Page cache warm"
		if cold {
			title = "Page cache dropped before every run"
		}
		fmt.Fprintf(&b, "\n**%s** (%d restarts, %d naive swaps, %d upgrades by Belay)\n\n", title, counts[0], counts[1], counts[2])
		b.WriteString("| | API gap | until the command returned | until the node was Ready |\n|---|---|---|---|\n")
		names := map[Kind]string{Restart: "bare restart", Naive: "naive swap", Belay: "Belay, without its soak"}
		for _, kind := range Kinds {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", names[kind],
				spread(r.Of(cold, kind, gapOf)), spread(r.Of(cold, kind, totalOf)), spread(r.Of(cold, kind, readyOf)))
		}
		b.WriteString("\nBelay's steps in the gap, median: " + steps(r, cold, "stop", "keep", "swap", "start") + ". Before it: " +
			steps(r, cold, "plan", "stage", "backup", "prove-backup", "baseline") + ". After it: " + steps(r, cold, "gate", "commit") + ".\n")
		b.WriteString("\n| ratio of medians | | 95 % bound | goal | |\n|---|---|---|---|---|\n")
		for _, goal := range goals {
			ratio := Compare(r.Of(cold, Belay, goal.number), r.Of(cold, goal.against, goal.other))
			verdict := "not met"
			if goal.met(ratio) {
				verdict = "met"
			}
			fmt.Fprintf(&b, "| %s | %.3f | %.3f | %s | %s |\n", goal.name, ratio.Median, ratio.High, goal.words, verdict)
		}
		if slices.Min(counts) < Enough {
			fmt.Fprintf(&b, "\nFewer than %d of each: this shows that the bench works, nothing more.\n", Enough)
		}
		if busy := len(r.Of(cold, Restart, gapOf)) + len(r.Of(cold, Naive, gapOf)) + len(r.Of(cold, Belay, gapOf)) - quietOnes(r, cold); busy > 0 {
			fmt.Fprintf(&b, "\n%d of these runs began on a busy machine.\n", busy)
		}
	}
	b.WriteString("\n" + workloads(r) + "\n")
	return b.String()
}

// workloads says what became of the questions to a pod, whatever the series.
func workloads(r *Record) string {
	type count struct{ runs, asked, lost, worst int }
	counts := map[Kind]*count{Restart: {}, Naive: {}, Belay: {}}
	measured := false
	for _, x := range r.Runs {
		if c := counts[x.Kind]; c != nil && x.Workload != nil {
			c.runs, c.asked, c.lost, c.worst = c.runs+1, c.asked+x.Workload.Asked, c.lost+x.Workload.Lost, max(c.worst, x.Workload.Lost)
			measured = true
		}
	}
	if !measured {
		return "Lost requests to workloads were not measured: the bench's pods have no containers."
	}
	var parts []string
	for _, kind := range Kinds {
		c := counts[kind]
		parts = append(parts, fmt.Sprintf("%s %d of %d (%d runs, at worst %d in one)", kind, c.lost, c.asked, c.runs, c.worst))
	}
	return "Lost requests to a workload, a pod on the pod network that is asked 20 times a second from before the change until the API is well again: " +
		strings.Join(parts, ", ") + "."
}

var goals = []struct {
	name          string
	number, other func(Run) float64
	against       Kind
	words         string
	met           func(Ratio) bool
}{
	{"gap, Belay / restart", gapOf, gapOf, Restart, "≤ 1.10", func(r Ratio) bool { return r.High <= 1.10 }},
	{"gap, Belay / naive", gapOf, gapOf, Naive, "< 1", func(r Ratio) bool { return r.High < 1 }},
	{"total, Belay / naive until Ready", totalOf, readyOf, Naive, "≤ 1.2", func(r Ratio) bool { return r.Median <= 1.2 }},
}

func quietOnes(r *Record, cold bool) int {
	n := 0
	for _, x := range r.Runs {
		if x.Cold == cold && x.Quiet {
			n++
		}
	}
	return n
}

func steps(r *Record, cold bool, kinds ...string) string {
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, fmt.Sprintf("%s %.2f s", kind, Median(r.Of(cold, Belay, func(x Run) float64 { return x.Steps[kind] }))))
	}
	return strings.Join(parts, ", ")
}

func spread(of []float64) string {
	return fmt.Sprintf("%.2f s (%.2f–%.2f)", Median(of), slices.Min(of), slices.Max(of))
}

// Publish writes the record as JSON and CSV into bench/ of the clone, the plot
// beside the page, and the table into the page.
func Publish(r *Record, root string) ([]string, error) {
	raw := filepath.Join(root, "bench")
	if err := os.MkdirAll(raw, 0o755); err != nil {
		return nil, err
	}
	page := filepath.Join(root, "docs", "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	begin, end, name := marks(r.Setting)
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%s has no place for the table: %s … %s", page, begin, end)
	}
	whole, err := json.MarshalIndent(map[string]any{"setting": r.Setting, "runs": r.Runs}, "", " ")
	if err != nil {
		return nil, err
	}
	table := before + begin + "\n" + Table(r) + "\n![Every run of the series](" + name + ".svg)\n" + end + after
	files := []struct{ path, text string }{
		{filepath.Join(raw, name+".json"), string(whole) + "\n"},
		{filepath.Join(raw, name+".csv"), comma(r)},
		{filepath.Join(root, "docs", name+".svg"), Plot(r)},
		{page, table},
	}
	var written []string
	for _, f := range files {
		if err := os.WriteFile(f.path, []byte(f.text), 0o644); err != nil {
			return written, err
		}
		written = append(written, f.path)
	}
	return written, nil
}

func comma(r *Record) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
	// A strings.Builder does not fail.
	_ = w.Write([]string{"series", "kind", "round", "gap_s", "outages", "returned_s", "ready_s", "asked", "lost", "quiet", "at"})
	for _, x := range r.Runs {
		asked, lost := "", ""
		if x.Workload != nil {
			asked, lost = strconv.Itoa(x.Workload.Asked), strconv.Itoa(x.Workload.Lost)
		}
		_ = w.Write([]string{Series(x.Cold), string(x.Kind), strconv.Itoa(x.Round + 1), number(x.Gap), strconv.Itoa(x.Outages),
			number(x.Returned), number(x.Ready), asked, lost, strconv.FormatBool(x.Quiet), x.At})
	}
	w.Flush()
	return b.String()
}
