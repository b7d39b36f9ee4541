package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/stub/systemd"
)

// Fault is one kill and what is done after it.
type Fault struct {
	// Victims are who dies: belay, belay-helper, or node for all that there is.
	Victims string
	// Point is `<nth>\t<process>\t<name>`, or a number: the so-and-so-manieth point from the beginning of its phase.
	Point string
	// Then is resume, rollback, boot or hand.
	Then string
}

// Schedule is a run with its faults.
type Schedule struct {
	Goal   Goal
	Faults []Fault
}

func (s Schedule) String() string {
	parts := []string{s.Goal.Name}
	for _, f := range s.Faults {
		parts = append(parts, strings.Join([]string{f.Victims, f.Point, f.Then}, "\t"))
	}
	return strings.Join(parts, "\n")
}

// Result is how a schedule ended.
type Result struct {
	Schedule Schedule
	// Fired is how many of its faults came.
	Fired int
	// Trace is every point that was passed.
	Trace []string
	End   string
	Why   string
	// Reached is how far it had gone forward when it turned back; "" when it did not.
	Reached string
	Code    int
	Took    time.Duration
	Wrong   []string
	// Log is what was typed and answered.
	Log []string
	// Listing is what is on the node at the end.
	Listing []string
}

// patience is more than any step of Belay may take here.
const patience = 300_000

// Run plays one schedule in a world of its own, a copy of the template of its goal.
func Run(dir, template string, p Programs, s Schedule) (r Result) {
	r.Schedule = s
	begun := time.Now()
	defer func() { r.Took = time.Since(begun) }()
	w, err := NewWorld(dir, template, p)
	if err != nil {
		r.Wrong = append(r.Wrong, "the world: "+err.Error())
		return r
	}
	defer w.Close()
	if err := w.start(); err != nil {
		r.Wrong = append(r.Wrong, "the world: "+err.Error())
		return r
	}
	g := &game{w: w, s: s, r: &r}
	g.play()
	return r
}

type game struct {
	w *World
	s Schedule
	r *Result
	// run is the one under test.
	run, first string
	phase      int
}

func (g *game) play() {
	argv := g.s.Goal.Argv
	if g.s.Goal.Before != nil {
		g.first = g.newest()
		argv = g.withCommit(argv)
	}
	var last systemd.Done
	next := argv
	for i := 0; ; i++ {
		if i < len(g.s.Faults) {
			g.arm(g.s.Faults[i])
		} else {
			g.disarm()
		}
		before := g.passed()
		last = g.w.belay(next, points)
		g.r.Log = append(g.r.Log, fmt.Sprintf("%s: exit %d, K3s %s\n%s%s", strings.Join(next, " "), last.Code, last.State, tail(last.Out, 600), tail(last.Err, 600)))
		if last.Hung {
			g.wrong("`%s` did not end", strings.Join(next, " "))
			return
		}
		fired := i < len(g.s.Faults) && g.fired(g.s.Faults[i], before)
		if fired {
			g.r.Fired++
		}
		if _, err := os.Stat(g.w.Path("crash/power-cut")); err == nil && !fired {
			fired = true
		}
		if fired && !g.after(g.s.Faults[i]) {
			return
		}
		if over := g.over(); over {
			break
		}
		if i > len(g.s.Faults)+4 {
			g.wrong("it is still open after %d times", i+1)
			return
		}
		switch {
		case g.current() == "":
			next = argv
		case fired && g.s.Faults[i].Then == "rollback":
			next = []string{"rollback"}
		default:
			next = []string{"resume"}
		}
	}
	g.r.Code = last.Code
	g.r.Trace = g.trace()
	g.disarm()
	g.judge(last)
}

// after does what is done after a kill, before anybody types anything.
func (g *game) after(f Fault) bool {
	var d systemd.Done
	switch {
	case f.Victims == "node" || f.Then == "boot":
		g.disarmBoot()
		d = g.w.Do(systemd.Order{Do: "boot", Within: patience})
	case f.Then == "hand":
		d = g.w.Do(systemd.Order{Do: "start-k3s", Within: patience})
	default:
		// Not settled: who resumes at once meets the helper that was left alone.
		return true
	}
	g.r.Log = append(g.r.Log, f.Then+": K3s "+d.State)
	if d.Hung || d.Err != "" {
		g.wrong("after `%s` nothing came to rest: %s (%s)", f.Then, d.State, d.Err)
		return false
	}
	if f.Victims == "node" || f.Then == "boot" {
		// A boot brings K3s up, or a marker says why not.
		if g.turned() && d.State == "active" && g.s.Goal.Before == nil && g.version() != Old.Tag {
			g.wrong("the run goes back, and a boot left %s: %s", g.version(), tail(g.w.Text("log/guard"), 600))
		}
		if d.State != "active" && !g.marked() {
			g.wrong("after a boot K3s is %s, and no marker says why: %s", d.State, tail(g.w.Text("log/guard"), 600))
		}
	}
	return true
}

// turned says whether the run goes back: the node was told so, or the coordinator's journal says it, which comes after that.
func (g *game) turned() bool {
	told := strings.Contains(g.w.Text("crash/trace"), "after turned")
	for _, r := range g.journal() {
		told = told || r.Event == "turn" && r.Reached != "prepared"
	}
	return told
}

func (g *game) marked() bool {
	_, err := os.Lstat(g.w.Path("/var/lib/rancher/k3s/.belay-put-back"))
	return err == nil
}

// Environment is given to everything of Belay: a mutant.
var Environment []string

const points = "BELAY_CRASH_POINTS=/crash"

func (g *game) arm(f Fault) {
	order := f.Victims + "\t" + f.Point
	if !strings.Contains(f.Point, "\t") {
		var n int
		_, _ = fmt.Sscan(f.Point, &n)
		order = fmt.Sprintf("%s\t%d", f.Victims, g.passed()+n)
	}
	g.write("crash/kill", order+"\n")
	g.write("crash/env", strings.Join(append([]string{points}, Environment...), "\n"))
}

func (g *game) disarm() {
	g.write("crash/kill", "")
	g.write("crash/env", strings.Join(append([]string{points}, Environment...), "\n"))
}

// disarmBoot leaves the next kill to whoever types next.
func (g *game) disarmBoot() { g.write("crash/kill", "") }

func (g *game) write(path, text string) {
	if err := os.WriteFile(g.w.Path(path), []byte(text), 0o644); err != nil {
		g.wrong("the harness: %v", err)
	}
}

func (g *game) trace() []string {
	return strings.Split(strings.TrimSuffix(g.w.Text("crash/trace"), "\n"), "\n")
}

func (g *game) passed() int { return strings.Count(g.w.Text("crash/trace"), "\n") }

// fired says whether the point of a fault was passed since so many were.
func (g *game) fired(f Fault, before int) bool {
	all := g.trace()
	if !strings.Contains(f.Point, "\t") {
		var n int
		_, _ = fmt.Sscan(f.Point, &n)
		return len(all) >= before+n
	}
	seen := map[string]int{}
	for _, line := range all {
		seen[line]++
		if fmt.Sprintf("%d\t%s", seen[line], line) == f.Point {
			return true
		}
	}
	return false
}

const runs = "/var/lib/belay/runs"

func (g *game) runIDs() []string {
	entries, _ := os.ReadDir(g.w.Path(runs))
	var ids []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != g.first {
			if _, err := os.Stat(g.w.Path(filepath.Join(runs, e.Name(), "plan.yaml"))); err == nil {
				ids = append(ids, e.Name())
			}
		}
	}
	return ids
}

// newest is the run that was begun last.
func (g *game) newest() string {
	ids := g.runIDs()
	sort.Slice(ids, func(i, j int) bool { return g.made(ids[i]).Before(g.made(ids[j])) })
	if len(ids) == 0 {
		return ""
	}
	return ids[len(ids)-1]
}

func (g *game) made(id string) time.Time {
	info, err := os.Stat(g.w.Path(filepath.Join(runs, id, "plan.yaml")))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (g *game) current() string {
	if g.run == "" {
		g.run = g.newest()
	}
	return g.run
}

func (g *game) journal() belay.Journal {
	if g.current() == "" {
		return nil
	}
	j, err := belay.ReadJournal([]byte(g.w.Text(filepath.Join(runs, g.run, "journal"))))
	if err != nil {
		g.wrong("the coordinator's %v", err)
	}
	return j
}

func (g *game) over() bool {
	end := g.journal().Last()
	if end.Event != "end" {
		return false
	}
	g.r.End, g.r.Why = end.State, end.Why
	for _, r := range g.journal() {
		if r.Event == "turn" {
			g.r.Reached = r.Reached
		}
	}
	return true
}

// withCommit puts the time of the commit of the run before into a command.
func (g *game) withCommit(argv []string) []string {
	j, _ := belay.ReadJournal([]byte(g.w.Text(filepath.Join(runs, g.first, "journal"))))
	at := j.Last().At
	out := append([]string{}, argv...)
	for i := range out {
		if out[i] == "COMMIT" {
			out[i] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return out
}

func (g *game) wrong(format string, args ...any) {
	g.r.Wrong = append(g.r.Wrong, fmt.Sprintf(format, args...))
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// nodeRecords reads the node's own journal.
func nodeRecords(text string) ([]map[string]any, error) {
	bodies, err := belay.Bodies([]byte(text))
	if err != nil {
		return nil, err
	}
	var all []map[string]any
	for _, b := range bodies {
		var r map[string]any
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Parse reads a schedule as a failure prints it.
func Parse(text string) (Schedule, error) {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, `\n`, "\n"), `\t`, "\t"), "\n")
	var s Schedule
	for _, g := range Goals {
		if g.Name == lines[0] {
			s.Goal = g
		}
	}
	if s.Goal.Name == "" {
		return s, fmt.Errorf("there is no goal %q", lines[0])
	}
	for _, line := range lines[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 3 {
			return s, fmt.Errorf("%q is no fault", line)
		}
		s.Faults = append(s.Faults, Fault{Victims: f[0], Point: strings.Join(f[1:len(f)-1], "\t"), Then: f[len(f)-1]})
	}
	return s, nil
}
