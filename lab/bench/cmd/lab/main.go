// Command lab is the bench at a prompt: `./dev lab …`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: ./dev lab COMMAND

  up [--lab L] [--name n1] [--tag TAG] [--disk MB] [--datastore sqlite|etcd] [--bare]
                               make and boot a node; with K3s of TAG unless --bare
  down [--lab L] [NAME…]       take nodes away, or the whole lab
  down --all                   every lab, and whatever crashed ones left behind
  status                       labs, nodes, leftovers
  sh NAME [COMMAND…]           a shell, or a command, in a node
  boot|stop|power-cut NAME     power; power-cut is SIGKILL to all of it at once
  save|reset NAME STATE        keep the disk under a name; put it back (cuts the power)
  put NAME FILE PATH [MODE]    copy a file into a node
  get NAME PATH                print a file of a node
  belay NAME BELAY HELPER      place the two programs in a node
  mirror [--listen A] [--releases DIR]   serve releases over HTTP
  bad KIND GOOD-TAG TAG DIR [SECONDS]    make a bad release in DIR/TAG
                               kinds: never-ready dies-after kubelet-never no-start
                                      empty-datastore refuses-newer wrong-version
                                      refuses-key (of $BELAY_LAB_BAD_KEY)

NAME is a node of lab "dev", or LAB/NODE. Releases are in $BELAY_LAB_RELEASES,
else in ~/.cache/belay/releases.
`

var commands = map[string]func(context.Context, []string) error{
	"up": up, "down": down, "status": status, "sh": shell,
	"boot": power, "stop": power, "power-cut": power,
	"save": disk, "reset": disk, "put": put, "get": get,
	"belay": placeBelay, "mirror": serveMirror, "bad": makeBad,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage)
		return
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "lab: no command %q\n\n%s", args[0], usage)
		os.Exit(2)
	}
	err := command(ctx, args)
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "lab: %v\n\n%s", err, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// exitCode hands a command's own code through `lab sh`.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

var errUsage = errors.New("wrong arguments")
