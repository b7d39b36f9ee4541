package crash

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Suite runs schedules beside each other and counts what they covered.
type Suite struct {
	Programs Programs
	// Dir is where worlds are made.
	Dir      string
	Parallel int
	Out      io.Writer
	// Keep leaves the directory of a schedule that failed.
	Keep bool

	mu sync.Mutex
	// templates are what the worlds of a goal are copies of.
	templates map[string]string
	number    int
	worlds    int
	// undisturbed is what the undisturbed run of a goal left.
	undisturbed map[string]Result
	// total and covered are kill points × victims.
	total, covered map[string]bool
	ends           map[string]int
	failed         []Result
	notReached     int
	// stood is how often all of us stood still, repeated how many schedules were run again for that.
	stood, repeated atomic.Int64
	watch           sync.Once
}

// watchStills sees when this process was not run for long: a machine that is asleep, or a group that is frozen.
func (s *Suite) watchStills() {
	go func() {
		for last := time.Now(); ; last = time.Now() {
			time.Sleep(100 * time.Millisecond)
			if time.Since(last) > 3*time.Second {
				s.stood.Add(1)
			}
		}
	}()
}

// Prepare makes the templates and runs every goal once undisturbed.
func (s *Suite) Prepare(goals []Goal) error {
	s.watch.Do(s.watchStills)
	template := filepath.Join(s.Dir, "template")
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if err := Template(template, s.Programs, Releases); err != nil {
		return err
	}
	s.templates = map[string]string{}
	for _, g := range goals {
		s.templates[g.Name] = template
		if g.Before == nil {
			continue
		}
		s.templates[g.Name] = template + "-" + g.Name
		if err := After(s.templates[g.Name], template, s.Programs, g.Before); err != nil {
			return fmt.Errorf("before %s: %w", g.Name, err)
		}
	}
	s.undisturbed, s.total, s.covered, s.ends = map[string]Result{}, map[string]bool{}, map[string]bool{}, map[string]int{}
	results := s.each(len(goals), func(i int) Schedule { return Schedule{Goal: goals[i]} })
	for _, r := range results {
		if len(r.Wrong) > 0 || r.End != r.Schedule.Goal.End {
			fmt.Fprintln(s.Out, strings.Join(r.Log, "\n"))
			return fmt.Errorf("the undisturbed %s ended %q (%s): %s", r.Schedule.Goal.Name, r.End, r.Why, strings.Join(r.Wrong, "; "))
		}
		s.undisturbed[r.Schedule.Goal.Name] = r
		points := s.Points(r.Schedule.Goal)
		fmt.Fprintf(s.Out, "undisturbed %-8s %s after %s, %d crash points\n", r.Schedule.Goal.Name, r.End, r.Took.Round(10*time.Millisecond), len(points))
		for _, p := range points {
			for _, v := range Victims {
				s.total[r.Schedule.Goal.Name+"\t"+p+"\t"+v] = true
			}
		}
	}
	s.number = 0
	return nil
}

// Discard removes all that the suite has made.
func (s *Suite) Discard() {
	for _, template := range s.templates {
		_ = discard(template)
	}
	_ = os.RemoveAll(s.Dir)
}

// Victims are who is killed: one of the two programs, or the whole node.
var Victims = []string{"belay", "belay-helper", "node"}

// Points are the crash points of a goal, from the record of its undisturbed run.
func (s *Suite) Points(goal Goal) []string {
	seen := map[string]int{}
	var points []string
	for _, line := range s.undisturbed[goal.Name].Trace {
		seen[line]++
		points = append(points, fmt.Sprintf("%d\t%s", seen[line], line))
	}
	return points
}

// Kills says how often each point is a single kill.
type Kills int

const (
	// Every kills each victim at each point.
	Every Kills = iota
	// Once kills one victim at each point, each in turn.
	Once
	// Standing kills the process that stands at the point.
	Standing
)

// Singles are one schedule for each point and victim, as many of them as kills says.
func (s *Suite) Singles(goals []Goal, rng *rand.Rand, kills Kills) []Schedule {
	var all []Schedule
	for _, goal := range goals {
		for i, p := range s.Points(goal) {
			_, line, _ := strings.Cut(p, "\t")
			stands, _, _ := strings.Cut(line, "\t")
			for j, v := range Victims {
				if kills == Once && (i+j)%len(Victims) != 0 || kills == Standing && v != stands {
					continue
				}
				all = append(all, Schedule{Goal: goal, Faults: []Fault{{Victims: v, Point: p, Then: then(v, rng, true)}}})
			}
		}
	}
	return all
}

func then(victim string, rng *rand.Rand, mostly bool) string {
	if victim == "node" {
		return "boot"
	}
	if mostly && rng.IntN(4) > 0 {
		return "resume"
	}
	return []string{"resume", "rollback", "boot", "hand"}[rng.IntN(4)]
}

// Sampled is a schedule with two or three faults.
func (s *Suite) Sampled(goals []Goal, rng *rand.Rand) Schedule {
	goal := goals[rng.IntN(len(goals))]
	points := s.Points(goal)
	sch := Schedule{Goal: goal}
	for i := range 2 + rng.IntN(2) {
		v := Victims[rng.IntN(len(Victims))]
		p := points[rng.IntN(len(points))]
		if i > 0 {
			// Soon after: what comes after a resume is short.
			p = fmt.Sprint(1 + rng.IntN(60))
		}
		sch.Faults = append(sch.Faults, Fault{Victims: v, Point: p, Then: then(v, rng, false)})
	}
	return sch
}

// each runs schedules, as many beside each other as there may be.
func (s *Suite) each(n int, schedule func(int) Schedule) []Result {
	results := make([]Result, n)
	next := make(chan int)
	var wait sync.WaitGroup
	for range s.Parallel {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := range next {
				results[i] = s.one(schedule(i))
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
	return results
}

// one runs a schedule and judges it against the undisturbed run.
func (s *Suite) one(sch Schedule) Result {
	s.mu.Lock()
	s.worlds++
	dir := filepath.Join(s.Dir, fmt.Sprintf("world-%d", s.worlds))
	s.mu.Unlock()
	stood := s.stood.Load()
	r := Run(dir, s.templates[sch.Goal.Name], s.Programs, sch)
	for again := 0; len(r.Wrong) > 0 && s.stood.Load() != stood && again < 5; again++ {
		// The machine stood still, and Belay's deadlines did not: that is no schedule.
		s.repeated.Add(1)
		stood = s.stood.Load()
		_ = discard(dir)
		r = Run(dir, s.templates[sch.Goal.Name], s.Programs, sch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.undisturbed[sch.Goal.Name]; ok && len(r.Wrong) == 0 && r.End == was.End {
		if d := unlike(r, was); len(d) > 0 {
			r.Wrong = append(r.Wrong, "it is not as the undisturbed run left it: "+strings.Join(clip(d), ", "))
		}
	}
	if len(sch.Faults) > 0 {
		s.number++
		s.ends[r.End]++
		if r.Fired > 0 {
			f := sch.Faults[0]
			s.covered[sch.Goal.Name+"\t"+f.Point+"\t"+f.Victims] = true
		} else {
			s.notReached++
			fmt.Fprintf(s.Out, "not reached: %q\n", sch.String())
		}
		if len(r.Wrong) > 0 {
			s.failed = append(s.failed, r)
			fmt.Fprintf(s.Out, "FAILED %s\n", strings.Join(r.Wrong, "\n       "))
			fmt.Fprintf(s.Out, "       again: ./dev crash --again %q\n", sch.String())
		}
	}
	if len(r.Wrong) == 0 || !s.Keep {
		_ = discard(dir)
	} else {
		fmt.Fprintf(s.Out, "       its world: %s\n", dir)
	}
	return r
}

// unlike is what differs from the undisturbed run. A run that turned elsewhere may lack what that one had made for itself until
// it turned, such as the stopped copy; nothing else.
func unlike(r, was Result) []string {
	d := Differs(r.Listing, was.Listing)
	if r.Reached == was.Reached {
		return d
	}
	return slices.DeleteFunc(d, func(line string) bool { return line[0] == '-' && strings.Contains(line, "RUN") })
}

// Play runs schedules and returns whether all of them ended well.
func (s *Suite) Play(all []Schedule) bool {
	s.each(len(all), func(i int) Schedule { return all[i] })
	return len(s.failed) == 0
}

// Number is how many schedules were run.
func (s *Suite) Number() int { return s.number }

// Failed are those that did not end well.
func (s *Suite) Failed() []Result { return s.failed }

// Uncovered are the points at which nobody was killed yet.
func (s *Suite) Uncovered() []string {
	var left []string
	for k := range s.total {
		if !s.covered[k] {
			left = append(left, k)
		}
	}
	sort.Strings(left)
	return left
}

// point is a pair of point and victim without the victim.
func point(k string) string { return k[:strings.LastIndex(k, "\t")] }

// UncoveredPoints are those at which nobody was killed yet, whoever it might have been.
func (s *Suite) UncoveredPoints() []string {
	hit := map[string]bool{}
	for k := range s.covered {
		hit[point(k)] = true
	}
	left := map[string]bool{}
	for k := range s.total {
		if !hit[point(k)] {
			left[point(k)] = true
		}
	}
	return slices.Sorted(maps.Keys(left))
}

// Summary says what was done.
func (s *Suite) Summary(seed uint64, took time.Duration) {
	covered := len(s.total) - len(s.Uncovered())
	var ends []string
	for e, n := range s.ends {
		ends = append(ends, fmt.Sprintf("%d %s", n, e))
	}
	sort.Strings(ends)
	fmt.Fprintf(s.Out, "\n%d schedules, seed %d, %s, %.1f a second: %s\n", s.number, seed, took.Round(time.Second),
		float64(s.number)/took.Seconds(), strings.Join(ends, ", "))
	points := map[string]bool{}
	for k := range s.total {
		points[point(k)] = true
	}
	fmt.Fprintf(s.Out, "crash points: %d of %d hit\n", len(points)-len(s.UncoveredPoints()), len(points))
	fmt.Fprintf(s.Out, "crash points × victims: %d of %d covered; %d schedules ended before their first kill\n", covered, len(s.total), s.notReached)
	if n := s.repeated.Load(); n > 0 {
		fmt.Fprintf(s.Out, "%d were run again: the machine had stood still\n", n)
	}
	if n := len(s.failed); n > 0 {
		fmt.Fprintf(s.Out, "%d FAILED\n", n)
	} else if s.number >= 3 {
		fmt.Fprintf(s.Out, "none failed: at 95 %% fewer than 1 in %d does (3/N = %.2g)\n", s.number/3, 3/float64(s.number))
	}
}
