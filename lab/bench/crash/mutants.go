package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Mutants are the bugs of belay_facts::Mutant that this suite must find: those of runner and helper.
var Mutants = []string{"effect-before-intent", "keep-generation", "turn-not-told", "drop-fence", "forget-interlock", "marker-gone-early",
	"exchange-blindly", "forget-revision", "leave-stale-wal", "trust-stale-keep", "drop-keep-early", "delete-last-backup",
	"prove-the-live-file", "forget-links", "copy-over-live-path", "swap-unverified", "start-half-restored", "backup-without-keep"}

// Hunt is what came of one mutant.
type Hunt struct {
	Mutant string
	// By names who killed it: a test of the helper, or a schedule.
	By        string
	Schedules int
	Why       string
}

// Hunt switches a bug on and looks for it: first with the kills of this suite, then with the tests of the helper's node in a
// directory, for what needs no kill at all.
func (s *Suite) Hunt(mutant, tests string, goals []Goal, rng *rand.Rand, budget int) Hunt {
	h := Hunt{Mutant: mutant}
	Environment = []string{"BELAY_MUTANT=" + mutant}
	defer func() { Environment = nil }()
	clean := s.undisturbed
	count := func(r Result) bool {
		h.Schedules++
		if len(r.Wrong) == 0 {
			return false
		}
		h.Why = r.Wrong[0]
		return true
	}
	var schedules []Schedule
	for _, r := range s.each(len(goals), func(i int) Schedule { return Schedule{Goal: goals[i]} }) {
		if r.End != r.Schedule.Goal.End {
			r.Wrong = append(r.Wrong, fmt.Sprintf("it ended %q: %s", r.End, r.Why))
		}
		if count(r) {
			h.By = "the undisturbed " + r.Schedule.Goal.Name
			return h
		}
		// Its own points: the bug may have added some.
		seen := map[string]int{}
		for _, line := range r.Trace {
			seen[line]++
			point := fmt.Sprintf("%d\t%s", seen[line], line)
			for _, v := range Victims {
				for _, t := range []string{"resume", "rollback", "hand"} {
					if v == "node" {
						t = "boot"
					}
					schedules = append(schedules, Schedule{Goal: r.Schedule.Goal, Faults: []Fault{{Victims: v, Point: point, Then: t}}})
				}
			}
		}
	}
	s.undisturbed = clean
	if by := ofTests(tests, mutant); by != "" {
		h.By, h.Why = "the helper's test "+by, "it needs no kill"
		return h
	}
	rng.Shuffle(len(schedules), func(i, j int) { schedules[i], schedules[j] = schedules[j], schedules[i] })
	for at := 0; at < min(len(schedules), budget); at += s.Parallel {
		part := schedules[at:min(at+s.Parallel, len(schedules))]
		for _, r := range s.each(len(part), func(i int) Schedule { return part[i] }) {
			if count(r) {
				f := r.Schedule.Faults[0]
				h.By = fmt.Sprintf("%s: %s at %q, %s", r.Schedule.Goal.Name, f.Victims, f.Point, f.Then)
				return h
			}
		}
	}
	return h
}

var failedTest = regexp.MustCompile(`(?m)^test (\S+) \.\.\. FAILED`)

// ofTests is the first test of the helper that fails with the bug; "" for none.
func ofTests(program, mutant string) string {
	if program == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// Those under mutants:: switch bugs of their own on.
	c := exec.CommandContext(ctx, program, "--skip", "mutants::")
	c.Env = append(os.Environ(), "BELAY_MUTANT="+mutant)
	out, _ := c.CombinedOutput()
	if found := failedTest.FindStringSubmatch(string(out)); found != nil {
		return strings.TrimPrefix(found[1], "tests::")
	}
	return ""
}
