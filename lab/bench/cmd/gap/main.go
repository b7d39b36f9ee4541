// Command gap measures what a change of version costs: `./dev bench gap`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/gap"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/release"
)

const usage = `usage: ./dev bench gap [--runs N] [--series warm|cold|both] [--datastore sqlite|etcd] [--objects N] [--freeze CGROUP] [--fresh] [--publish]

On one node, alternating: a bare restart of the target, the naive swap (stop,
copy, start), an upgrade by Belay. A prober outside asks 20 times a second.
Every run is written down at once; called again, it makes what is missing.

  --runs N      of each kind in each series (15)
  --series S    warm: as it comes; cold: page cache dropped before every run;
                both (default)
  --datastore D sqlite (default) or etcd, each with a record and a table of its own
  --objects N   ConfigMaps of 4 KiB in the datastore (2000)
  --freeze DIR  a freezer cgroup whose processes stand still while a run is
                measured: builds that go on beside it
  --fresh       forget the runs made so far
  --publish     write docs/performance.md, docs/gap.svg and bench/gap.{json,csv}
                (gap-etcd for etcd); with --runs 0 only that
`

// aRound is a first guess at how long the three runs of a round take with what is between them.
const aRound = 110 * time.Second

type options struct {
	runs, objects  int
	series         string
	datastore      string
	freeze         string
	fresh, publish bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	f := flag.NewFlagSet("gap", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	f.IntVar(&o.runs, "runs", gap.Enough, "")
	f.IntVar(&o.objects, "objects", 2000, "")
	f.StringVar(&o.series, "series", "both", "")
	f.StringVar(&o.datastore, "datastore", "sqlite", "")
	f.StringVar(&o.freeze, "freeze", "", "")
	f.BoolVar(&o.fresh, "fresh", false, "")
	f.BoolVar(&o.publish, "publish", false, "")
	err := f.Parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	colds, known := map[string][]bool{"warm": {false}, "cold": {true}, "both": {false, true}}[o.series]
	if err != nil || f.NArg() > 0 || !known {
		if err == nil {
			f.Usage()
		}
		os.Exit(2)
	}
	if err := measure(ctx, o, colds); err != nil {
		fmt.Fprintln(os.Stderr, "gap:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options, colds []bool) error {
	setting, err := setting(o)
	if err != nil {
		return err
	}
	path := filepath.Join(cache.Dir(), "gap", "runs-"+setting.Datastore+".jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if o.fresh {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	record, err := gap.OpenRecord(path, setting)
	if err != nil {
		return err
	}
	if missing := missing(record, o.runs, colds); len(missing) > 0 {
		if err := run(ctx, o, setting, record, missing); err != nil {
			return fmt.Errorf("%w\n%d runs are kept in %s; the same command goes on", err, len(record.Runs), path)
		}
	}
	fmt.Println(gap.Table(record))
	if !o.publish {
		return nil
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	written, err := gap.Publish(record, root)
	for _, file := range written {
		say("written: " + file)
	}
	return err
}

// round is one of a series that lacks a run.
type round struct {
	cold   bool
	number int
}

// missing interleaves the series, so that neither gets the better hours.
func missing(record *gap.Record, runs int, colds []bool) []round {
	var all []round
	for i := range runs {
		for _, cold := range colds {
			for _, kind := range gap.Kinds {
				if !record.Has(cold, kind, i) {
					all = append(all, round{cold, i})
					break
				}
			}
		}
	}
	return all
}

const labName = "gap"

func run(ctx context.Context, o options, s gap.Setting, record *gap.Record, missing []round) (err error) {
	say(fmt.Sprintf("%d rounds of three runs to make: about %s", len(missing), left(len(missing), aRound)+2*time.Minute))
	if err := lab.Remove(ctx, labName); err != nil { // of a run that was killed
		return err
	}
	l, err := lab.Open(ctx, labName)
	if err != nil {
		return err
	}
	l.Progress = say
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()
	b, err := gap.Prepare(ctx, l, s)
	if err != nil {
		return err
	}
	b.Beside = gap.Freezer(o.freeze)
	begin := time.Now()
	for i, r := range missing {
		if err := try(ctx, b, record, r); err != nil {
			return err
		}
		each := time.Since(begin) / time.Duration(i+1)
		say(fmt.Sprintf("%d of %d rounds; about %s left", i+1, len(missing), left(len(missing)-i-1, each)))
	}
	return nil
}

// try gives a round three tries: each begins from the saved disk, so a node
// that got stuck once costs time and no more. What was measured is kept.
func try(ctx context.Context, b *gap.Bench, record *gap.Record, r round) error {
	const tries = 3
	for n := 1; ; n++ {
		err := b.Round(ctx, record, r.cold, r.number)
		if err == nil || ctx.Err() != nil || n == tries {
			return err
		}
		say(fmt.Sprintf("try %d of round %d (%s) failed: %v", n, r.number+1, gap.Series(r.cold), err))
	}
}

func left(rounds int, each time.Duration) time.Duration {
	return (time.Duration(rounds) * each).Round(time.Minute)
}

// setting names what is measured, so that runs of different programs never mix.
func setting(o options) (gap.Setting, error) {
	datastore, err := k3s.ParseDatastore(o.datastore)
	if err != nil {
		return gap.Setting{}, err
	}
	s := gap.Setting{
		Datastore: datastore.String(),
		From:      labtest.From, To: labtest.To, Real: release.Real(), Objects: o.objects, Machine: gap.Machine(),
		Digests: map[string]string{},
	}
	program, helper, err := belay.Built()
	if err != nil {
		return s, err
	}
	files := map[string]string{"belay": program, "belay-helper": helper}
	for _, tag := range []string{s.From, s.To} {
		if files[tag], err = release.Default().Binary(tag); err != nil {
			return s, err
		}
	}
	for name, file := range files {
		if s.Digests[name], err = release.SHA256(file); err != nil {
			return s, err
		}
	}
	return s, nil
}

func say(line string) { fmt.Fprintln(os.Stderr, "·", line) }
