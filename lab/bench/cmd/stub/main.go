// Command stub is process 1 of a world of the crash tests.
package main

import (
	"fmt"
	"os"

	"belay.dev/lab/bench/stub/systemd"
)

func main() {
	err := fmt.Errorf("usage: stub init ROOT PROGRAMS")
	if len(os.Args) == 4 && os.Args[1] == "init" {
		err = systemd.Init(os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stub:", err)
		os.Exit(1)
	}
}
