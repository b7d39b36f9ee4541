package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

func flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("lab "+name, flag.ContinueOnError)
	f.SetOutput(os.Stderr)
	return f
}

func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("%w: %v", errUsage, err)
	}
	return nil
}

func say(line string) { fmt.Fprintln(os.Stderr, "·", line) }

func up(ctx context.Context, args []string) error {
	f := flags("up")
	labName := f.String("lab", lab.Default, "")
	name := f.String("name", "n1", "")
	tag := f.String("tag", "v1.35.4+k3s1", "")
	diskMB := f.Int("disk", 0, "")
	store := f.String("datastore", "sqlite", "")
	bare := f.Bool("bare", false, "")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	datastore, err := k3s.ParseDatastore(*store)
	if err != nil {
		return fmt.Errorf("%w: %v", errUsage, err)
	}
	if !*bare {
		if _, err := release.Default().Binary(*tag); err != nil {
			return err // before anything is made
		}
	}
	l, err := lab.Open(ctx, *labName)
	if err != nil {
		return err
	}
	l.Progress = say
	begin := time.Now()
	n, err := l.Up(ctx, *name, lab.Options{DiskMB: *diskMB})
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%s/%s booted at %s in %s", l.Name, n.Name, n.Address, time.Since(begin).Round(10*time.Millisecond)))
	if *bare {
		return nil
	}
	if res, err := n.Exec(ctx, "test", "-e", k3s.Unit); err != nil {
		return err
	} else if res.Code == 0 {
		say("K3s is installed already; waiting for it")
		return k3s.Start(ctx, n)
	}
	begin = time.Now()
	if err := k3s.Up(ctx, n, release.Default(), *tag, k3s.Options{Datastore: datastore}); err != nil {
		return err
	}
	say(fmt.Sprintf("K3s %s is READY and the node is Ready after %s", *tag, time.Since(begin).Round(100*time.Millisecond)))
	fmt.Printf("./dev lab sh %s k3s kubectl get nodes\n", label(l.Name, n.Name))
	return nil
}

func down(ctx context.Context, args []string) error {
	f := flags("down")
	labName := f.String("lab", lab.Default, "")
	all := f.Bool("all", false, "")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if *all {
		return lab.DownAll(ctx)
	}
	if f.NArg() == 0 {
		return lab.Remove(ctx, *labName)
	}
	for _, arg := range f.Args() {
		n, err := find(arg)
		if err != nil {
			return err
		}
		if err := n.Remove(ctx); err != nil {
			return err
		}
	}
	return nil
}

func status(_ context.Context, _ []string) error {
	all, err := lab.All()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Println("no labs")
	}
	for _, l := range all {
		fmt.Printf("lab %s\n", l.Name)
		for _, n := range l.Nodes {
			power := "off"
			if n.Running() {
				power = "on"
			}
			size := "host"
			if n.DiskMB > 0 {
				size = strconv.Itoa(n.DiskMB) + " MB"
			}
			fmt.Printf("  %-12s %-12s power %-4s disk %-8s saves %s\n", n.Name, n.Address, power, size, strings.Join(n.Saves(), " "))
		}
	}
	left, err := lab.Leftovers()
	if err != nil {
		return err
	}
	for _, x := range left {
		fmt.Println("left over:", x)
	}
	if len(left) > 0 {
		return fmt.Errorf("%d things are left over: run ./dev lab down --all", len(left))
	}
	fmt.Println("nothing left over")
	return nil
}

// find opens NAME or LAB/NODE.
func find(arg string) (*node.Node, error) {
	labName, name, two := strings.Cut(arg, "/")
	if !two {
		labName, name = lab.Default, arg
	}
	n, err := node.Open(filepath.Join(cache.Labs(), labName, name))
	if err != nil {
		return nil, fmt.Errorf("no node %s in lab %s", name, labName)
	}
	return n, nil
}

func label(labName, name string) string {
	if labName == lab.Default {
		return name
	}
	return labName + "/" + name
}

func shell(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	command := args[2:]
	if len(command) == 0 {
		command = []string{"bash", "--login"}
	}
	cmd, err := n.Command(ctx, command...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() > 0 {
		return exitCode(exit.ExitCode())
	}
	return err
}

func power(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	begin := time.Now()
	switch args[0] {
	case "boot":
		err = n.Boot(ctx)
	case "stop":
		err = n.Stop(ctx)
	case "power-cut":
		err = n.PowerCut(ctx)
	}
	if err == nil {
		say(fmt.Sprintf("%s in %s", args[0], time.Since(begin).Round(10*time.Millisecond)))
	}
	return err
}

func disk(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	begin := time.Now()
	if args[0] == "save" {
		err = n.Save(ctx, args[2])
	} else {
		err = n.Reset(ctx, args[2])
	}
	if err == nil {
		say(fmt.Sprintf("%s in %s; the node is off", args[0], time.Since(begin).Round(10*time.Millisecond)))
	}
	return err
}

func put(ctx context.Context, args []string) error {
	if len(args) != 4 && len(args) != 5 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	mode := uint64(0o644)
	if len(args) == 5 {
		if mode, err = strconv.ParseUint(args[4], 8, 32); err != nil {
			return fmt.Errorf("%w: mode %q", errUsage, args[4])
		}
	}
	return n.PutFile(ctx, args[2], args[3], fs.FileMode(mode))
}

func get(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	b, err := n.Get(ctx, args[2])
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

func placeBelay(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	n, err := find(args[1])
	if err != nil {
		return err
	}
	return n.InstallBelay(ctx, args[2], args[3])
}
