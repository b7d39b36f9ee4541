// Command oracle judges a run of Belay from outside: `./dev lab oracle …`.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"belay.dev/lab/bench/oracle"
)

const usage = `usage: oracle COMMAND

  write     --kubeconfig F --log F [--seed N]    write at 10 Hz until Ctrl-C
  follow    --kubeconfig F                       list and watch until Ctrl-C, then
                                                 compare with the server
  watch     --kubeconfig F --from REVISION [--for 10s]   410, events or silence?
  inventory --kubeconfig F --out F               every object, normalised
  diff      [--upgraded] BEFORE AFTER            two inventories
  judge     --log F --after F [--before F] [--losses F] [--upgraded]
            [--stop T] [--stopped T] [--kept REVISION] [--back T]   T as RFC 3339

Exit codes: 0 as promised, 1 not, 2 usage.
`

func main() {
	if len(os.Args) < 2 || os.Args[1] == "--help" || os.Args[1] == "help" {
		fmt.Print(usage)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

type arguments struct {
	kubeconfig, log, out, before, after, losses string
	stop, stopped, back                         string
	seed                                        uint64
	from, kept                                  int64
	limit                                       time.Duration
	upgraded                                    bool
	rest                                        []string
}

func parse(command string, args []string) arguments {
	var a arguments
	f := flag.NewFlagSet("oracle "+command, flag.ExitOnError)
	f.StringVar(&a.kubeconfig, "kubeconfig", "", "")
	f.StringVar(&a.log, "log", "", "")
	f.StringVar(&a.out, "out", "", "")
	f.StringVar(&a.before, "before", "", "")
	f.StringVar(&a.after, "after", "", "")
	f.StringVar(&a.losses, "losses", "", "")
	f.StringVar(&a.stop, "stop", "", "")
	f.StringVar(&a.stopped, "stopped", "", "")
	f.StringVar(&a.back, "back", "", "")
	f.Uint64Var(&a.seed, "seed", 1, "")
	f.Int64Var(&a.from, "from", 0, "")
	f.Int64Var(&a.kept, "kept", 0, "")
	f.DurationVar(&a.limit, "for", 10*time.Second, "")
	f.BoolVar(&a.upgraded, "upgraded", false, "")
	_ = f.Parse(args) // ExitOnError
	a.rest = f.Args()
	return a
}

func run(ctx context.Context, command string, args []string) error {
	a := parse(command, args)
	switch command {
	case "write":
		return write(ctx, a)
	case "follow":
		return follow(ctx, a)
	case "watch":
		return watch(ctx, a)
	case "inventory":
		return inventory(ctx, a)
	case "diff":
		return diff(a)
	case "judge":
		return judge(a)
	}
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
	return nil
}

func connect(a arguments) (*oracle.Cluster, error) {
	b, err := os.ReadFile(a.kubeconfig)
	if err != nil {
		return nil, err
	}
	return oracle.Connect(b)
}

func write(ctx context.Context, a arguments) error {
	c, err := connect(a)
	if err != nil {
		return err
	}
	// The writer ends by Stop, so that the attempt in flight gets its answer.
	w, err := oracle.StartWriter(context.WithoutCancel(ctx), c, a.log, a.seed)
	if err != nil {
		return err
	}
	<-ctx.Done()
	if err := w.Stop(); err != nil {
		return err
	}
	list, err := oracle.ReadLogFile(a.log)
	if err == nil {
		fmt.Printf("%d attempts: %v\n", len(list), oracle.Tally(list))
	}
	return err
}

func follow(ctx context.Context, a arguments) error {
	c, err := connect(a)
	if err != nil {
		return err
	}
	bg := context.WithoutCancel(ctx)
	f, err := oracle.Follow(bg, c)
	if err != nil {
		return err
	}
	defer f.Stop()
	<-ctx.Done()
	if err := f.Settle(bg, 90*time.Second); err != nil {
		return err
	}
	fmt.Println("the follower ends with the server's state at revision", f.Revision())
	return nil
}

func watch(ctx context.Context, a arguments) error {
	c, err := connect(a)
	if err != nil {
		return err
	}
	res, err := oracle.WatchFrom(ctx, c, a.from, a.limit)
	if err != nil {
		return err
	}
	switch {
	case res.Gone:
		fmt.Println("410:", res.Message)
	case res.Events > 0:
		fmt.Println(res.Events, "events")
	default:
		return fmt.Errorf("silence for %s: no events and no 410", a.limit)
	}
	return nil
}

func inventory(ctx context.Context, a arguments) error {
	c, err := connect(a)
	if err != nil {
		return err
	}
	inv, err := oracle.Take(ctx, c)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(inv, "", " ")
	if err != nil {
		return err
	}
	fmt.Println(len(inv), "objects")
	return os.WriteFile(a.out, b, 0o600) // it holds Secrets
}

func load(path string) (oracle.Inventory, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var inv oracle.Inventory
	return inv, json.Unmarshal(b, &inv)
}
