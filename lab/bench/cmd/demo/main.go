// Command demo shows Belay once, from nothing to nothing: `./dev demo`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"belay.dev/lab/bench/lab"
)

const usage = `usage: ./dev demo [--real] [--keep]

A node with K3s and a workload; Belay upgrades it, then meets a release whose
kubelet never comes, and goes back by itself. The two reports are left in the
present directory.

  --real    two real releases, downloaded from K3s (needs the internet)
  --keep    leave the node for a look: ./dev lab sh demo/n1
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	real := f.Bool("real", false, "")
	keep := f.Bool("keep", false, "")
	if err := f.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return
	} else if err != nil || f.NArg() > 0 {
		if err == nil {
			f.Usage()
		}
		os.Exit(2)
	}
	if err := demo(ctx, *real, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

const labName = "demo"

func demo(ctx context.Context, real, keep bool) error {
	begin := time.Now()
	cast := bench()
	if real {
		var err error
		if cast, err = download(ctx); err != nil {
			return err
		}
	}
	// What an earlier demo left that was killed.
	if err := lab.Remove(ctx, labName); err != nil {
		return err
	}
	l, err := lab.Open(ctx, labName)
	if err != nil {
		return err
	}
	l.Progress = say
	shown := show(ctx, l, cast)
	if keep {
		say("the node stays: ./dev lab sh demo/n1; ./dev lab down --lab demo takes it away")
	} else if err := l.Down(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(shown, fmt.Errorf("take the node away: %w", err))
	}
	if shown == nil {
		say(fmt.Sprintf("done in %s; nothing is left but the reports", time.Since(begin).Round(time.Second)))
	}
	return shown
}

func say(line string) { fmt.Fprintln(os.Stderr, "·", line) }
