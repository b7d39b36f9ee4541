// Command crash kills Belay at every point, on a stub of K3s: `./dev crash`.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"belay.dev/lab/bench/crash"
)

func main() {
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

func run() (bool, error) {
	programs := flag.String("programs", "", "the directory with belay, belay-helper and the stub")
	dir := flag.String("dir", "/dev/shm/belay-crash", "where worlds are made")
	runs := flag.Int("runs", 5000, "how many schedules, at least every single kill")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "of what is sampled")
	single := flag.Bool("single", false, "every point once, with one victim each, and nothing sampled")
	standing := flag.Bool("standing", false, "every point once, with the process that stands at it, and nothing sampled")
	parallel := flag.Int("parallel", 6*runtime.NumCPU(), "worlds beside each other; half of their time they wait")
	names := flag.String("goals", "", "only these, separated by commas")
	again := flag.String("again", "", "repeat one schedule, as a failure prints it")
	keep := flag.Bool("keep", false, "leave the world of a failure")
	mutants := flag.String("mutants", "", "hunt bugs: all, or some by name, separated by commas")
	tests := flag.String("helper-tests", "", "the helper's tests, built with the bugs in them")
	limit := flag.Int("limit", 0, "at most so many singles, drawn by the seed")
	flag.Parse()
	goals := crash.Goals
	if *names != "" {
		goals = nil
		for _, g := range crash.Goals {
			if strings.Contains(","+*names+",", ","+g.Name+",") {
				goals = append(goals, g)
			}
		}
	}
	base := filepath.Join(*dir, fmt.Sprint(os.Getpid()))
	s := &crash.Suite{Programs: crash.Programs{Dir: *programs}, Dir: base, Parallel: *parallel, Out: os.Stdout, Keep: *keep}
	if !*keep {
		defer s.Discard()
	}
	if *again != "" {
		one, err := crash.Parse(*again)
		if err != nil {
			return false, err
		}
		goals = []crash.Goal{one.Goal}
		if err := s.Prepare(goals); err != nil {
			return false, err
		}
		ok := s.Play([]crash.Schedule{one})
		s.Summary(0, time.Second)
		return ok, nil
	}
	begun := time.Now()
	if err := s.Prepare(goals); err != nil {
		return false, err
	}
	rng := rand.New(rand.NewPCG(*seed, 0))
	if *mutants != "" {
		return hunt(s, *mutants, *tests, goals, rng, *runs)
	}
	kills := crash.Every
	switch {
	case *standing:
		kills, *single = crash.Standing, true
	case *single:
		kills = crash.Once
	}
	all := s.Singles(goals, rng, kills)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if *limit > 0 && len(all) > *limit {
		fmt.Printf("a share: %d of %d single kills, drawn by seed %d\n", *limit, len(all), *seed)
		all = all[:*limit]
	}
	if !*single {
		for len(all) < *runs {
			all = append(all, s.Sampled(goals, rng))
		}
	}
	ok := s.Play(all)
	s.Summary(*seed, time.Since(begun))
	left := s.Uncovered()
	if *single {
		left = s.UncoveredPoints()
	}
	if *limit == 0 && len(left) > 0 {
		fmt.Printf("not covered: %d, such as %q\n", len(left), left[0])
		ok = false
	}
	return ok, nil
}

func hunt(s *crash.Suite, which, tests string, goals []crash.Goal, rng *rand.Rand, budget int) (bool, error) {
	names := crash.Mutants
	if which != "all" {
		names = strings.Split(which, ",")
	}
	killed := 0
	for _, name := range names {
		h := s.Hunt(name, tests, goals, rng, budget)
		if h.By == "" {
			fmt.Printf("%-22s SURVIVED %d schedules\n", h.Mutant, h.Schedules)
			continue
		}
		killed++
		fmt.Printf("%-22s killed after %3d schedules by %s: %s\n", h.Mutant, h.Schedules, h.By, h.Why)
	}
	fmt.Printf("%d of %d bugs found\n", killed, len(names))
	return killed == len(names), nil
}
