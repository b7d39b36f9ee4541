package gap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// Bench is one node that changes its version again and again.
type Bench struct {
	Node     *node.Node
	Belay    *belay.Belay
	Releases release.Dir
	From, To string
	// Real: a workload is asked as well.
	Real bool
	// Beside stands still while a run is measured.
	Beside Freezer
	// Progress gets a line for everything that takes a while.
	Progress func(string)
}

const (
	// before is the saved disk that every upgrade begins from.
	before = "before"
	// soak is as short as a plan may have it; it is no part of the times.
	soak = "1s"
	// calm is how many answered shots in a row count as a server that is well.
	calm = 20
	// strange is how many seconds a node may take until it is Ready, after the
	// command returned, before its log is kept.
	strange = 30
)

// Prepare makes a node with the old version of a setting and some objects in
// its datastore, and saves its disk.
func Prepare(ctx context.Context, l *lab.Lab, s Setting) (*Bench, error) {
	datastore, err := k3s.ParseDatastore(s.Datastore)
	if err != nil {
		return nil, err
	}
	n, err := l.Up(ctx, "n1", lab.Options{})
	if err != nil {
		return nil, err
	}
	b := &Bench{Node: n, Releases: release.Default(), From: s.From, To: s.To, Real: s.Real, Progress: l.Progress}
	if err := k3s.Up(ctx, n, b.Releases, s.From, k3s.Options{Datastore: datastore}); err != nil {
		return nil, err
	}
	if b.Belay, err = belay.Install(ctx, n); err != nil {
		return nil, err
	}
	b.Progress(fmt.Sprintf("K3s %s is up; now %d objects of 4 KiB in %s", s.From, s.Objects, datastore))
	if err := Fill(ctx, n, s.Objects, 3072); err != nil {
		return nil, err
	}
	if s.Real {
		if err := deployWorkload(ctx, n); err != nil {
			return nil, fmt.Errorf("the workload: %w", err)
		}
	}
	if _, err := n.Must(ctx, "systemctl", "stop", "k3s"); err != nil {
		return nil, err
	}
	return b, n.Save(ctx, before)
}

// Fill gives the datastore the weight of a cluster that is in use: Belay copies
// it while the API is away. ConfigMaps of so many bytes before base64.
func Fill(ctx context.Context, n *node.Node, objects, bytes int) error {
	const script = `i=0; fill=$(head -c "$2" /dev/urandom | base64 -w0); k() { /usr/local/bin/k3s kubectl "$@"; }
		k create namespace ballast
		while [ $i -lt "$1" ]; do
			to=$((i + 200)); [ $to -le "$1" ] || to=$1
			while [ $i -lt $to ]; do
				printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b%s, namespace: ballast}\ndata: {fill: "%s"}\n' $i "$fill"
				i=$((i + 1))
			done | k create -f - >/dev/null
			i=$to
		done`
	_, err := n.Must(ctx, "sh", "-ec", script, "fill", strconv.Itoa(objects), strconv.Itoa(bytes))
	return err
}

// Round makes the runs of one round that the record lacks: an upgrade by hand
// and one by Belay, each from the same disk, and a restart after one of them;
// which comes first changes from round to round.
func (b *Bench) Round(ctx context.Context, record *Record, cold bool, round int) error {
	order := []Kind{Naive, Belay}
	if round%2 == 1 {
		order = []Kind{Belay, Naive}
	}
	for i, kind := range order {
		restart := i == 1 && !record.Has(cold, Restart, round)
		if record.Has(cold, kind, round) && !restart {
			continue
		}
		if err := b.reset(ctx); err != nil {
			return err
		}
		kinds := []Kind{kind}
		if restart {
			kinds = append(kinds, Restart)
		}
		for _, kind := range kinds {
			run, err := b.measure(ctx, kind, cold)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			run.Round = round
			if record.Has(cold, kind, round) {
				continue // made again only to get at the restart
			}
			if err := record.Add(run); err != nil {
				return err
			}
			b.Progress(fmt.Sprintf("%-7s round %2d %s  gap %5.2f s in %d, returned after %5.1f s, Ready after %5.1f s%s",
				kind, round+1, Series(cold), run.Gap, run.Outages, run.Returned, run.Ready, map[bool]string{false: " (machine was busy)"}[run.Quiet]))
		}
	}
	return nil
}

// Series names a series.
func Series(cold bool) string { return map[bool]string{false: "warm", true: "cold"}[cold] }

// reset gives the node its first disk and waits until its K3s is well.
func (b *Bench) reset(ctx context.Context) error {
	if err := b.Node.Reset(ctx, before); err != nil {
		return err
	}
	if err := b.Node.Boot(ctx); err != nil {
		return err
	}
	if err := k3s.Wait(ctx, b.Node); err != nil {
		return fmt.Errorf("K3s after the boot: %w\n%s", err, k3s.Log(ctx, b.Node, 20))
	}
	return b.Belay.Offer(ctx, b.Releases)
}

func (b *Bench) measure(ctx context.Context, kind Kind, cold bool) (Run, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	run := Run{Cold: cold, Kind: kind}
	var workload *Prober
	if b.Real {
		var err error
		if workload, err = askWorkload(ctx, b.Node); err != nil {
			return run, err
		}
		defer workload.Stop()
	}
	settled(ctx)
	thaw, err := b.Beside.Freeze(ctx)
	defer thaw()
	if err != nil {
		return run, err
	}
	run.Quiet, run.At = quiet(ctx), time.Now().UTC().Format(time.RFC3339)
	config, err := k3s.AdminConfig(ctx, b.Node)
	if err != nil {
		return run, err
	}
	if cold {
		if err := DropCaches(); err != nil {
			return run, err
		}
	}
	p, err := StartProber(ctx, config)
	if err != nil {
		return run, err
	}
	defer p.Stop()
	if err := wait(ctx, "the API before the run", func() bool { return p.Calm(calm) }); err != nil {
		return run, err
	}
	begin := time.Now()
	aside, err := b.change(ctx, &run)
	if err != nil {
		return run, err
	}
	run.Returned = (time.Since(begin) - aside).Seconds()
	if err := k3s.Wait(ctx, b.Node); err != nil {
		return run, err
	}
	run.Ready = (time.Since(begin) - aside).Seconds()
	if err := wait(ctx, "the API after the run", func() bool { return p.Calm(calm) }); err != nil {
		return run, err
	}
	if workload != nil {
		run.Workload = lost(workload.Stop())
	}
	outages, err := Outages(p.Stop())
	if err != nil {
		return run, err
	}
	if run.Outages = len(outages); run.Outages == 0 {
		return run, errors.New("the API never went away: nothing was measured")
	}
	for _, outage := range outages {
		run.Gap += outage.Seconds()
	}
	if run.Outages > 1 || run.Ready-run.Returned > strange {
		if err := b.keepLog(ctx, run); err != nil {
			return run, err
		}
	}
	version, err := k3s.Kubectl(ctx, b.Node, "get", "--raw", "/version")
	if err == nil && !strings.Contains(version, strconv.Quote(b.To)) {
		err = fmt.Errorf("not %s serves now: %s", b.To, version)
	}
	return run, err
}

// keepLog puts what K3s said aside, since the disk is about to be put back.
func (b *Bench) keepLog(ctx context.Context, run Run) error {
	dir := filepath.Join(cache.Dir(), "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "gap-"+string(run.Kind)+"-"+strings.ReplaceAll(run.At, ":", "")+".log")
	b.Progress("the API was away more than once, or the node was not Ready for long: " + path)
	return os.WriteFile(path, []byte(k3s.Log(ctx, b.Node, 5000)), 0o600)
}

// change does what is measured, and tells how much of its time does not count.
func (b *Bench) change(ctx context.Context, run *Run) (aside time.Duration, err error) {
	switch run.Kind {
	case Restart:
		_, err = b.Node.Must(ctx, "systemctl", "restart", "k3s")
	case Naive:
		// The release lies on the machine, as it does for Belay.
		_, err = b.Node.Must(ctx, "sh", "-ec", `systemctl stop k3s; cp -f "$1" /usr/local/bin/k3s; systemctl start k3s`,
			"swap", b.Belay.Mirror+"/"+b.To+"/k3s")
	case Belay:
		run.Steps, aside, err = b.upgrade(ctx)
		return aside, err
	}
	return 0, err
}

// upgrade tells how long each step took, and the soak.
func (b *Bench) upgrade(ctx context.Context) (map[string]float64, time.Duration, error) {
	begin := time.Now()
	r, err := b.Belay.Run(ctx, "upgrade", "--to", b.To, "--soak", soak, "--yes")
	if err != nil {
		return nil, 0, err
	}
	if r.Code != 0 || r.Report.State() != "committed" {
		return nil, 0, fmt.Errorf("belay upgrade: %s", r)
	}
	journal, err := b.Belay.Journal(ctx, r.Report.Run)
	if err != nil {
		return nil, 0, err
	}
	steps := map[string]float64{}
	for _, r := range journal {
		if begun, ok := journal.Find("intent", r.Step); ok && r.Event == "outcome" {
			steps[strings.TrimPrefix(r.Step, "n1.")] = r.At.Sub(begun.At).Seconds()
		}
	}
	for _, kind := range []string{"stop", "keep", "swap", "start", "gate", "soak"} {
		if _, ok := steps[kind]; !ok {
			return nil, 0, fmt.Errorf("the journal has no %s:\n%s", kind, journal)
		}
	}
	// Facts, findings and the plan.
	steps["plan"] = journal[0].At.Sub(begin).Seconds()
	return steps, time.Duration(steps["soak"] * float64(time.Second)), nil
}

// DropCaches empties the page cache of this machine.
func DropCaches() error {
	syncDisks()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200); err != nil {
		return fmt.Errorf("the page cache cannot be dropped here: %w", err)
	}
	return nil
}

func wait(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		case <-time.After(Every):
		}
	}
	return nil
}
