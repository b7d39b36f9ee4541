// Command stub is K3s and process 1 of the crash tests, told apart by its name.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"belay.dev/lab/bench/stub/k3s"
	"belay.dev/lab/bench/stub/systemd"
)

func main() {
	var err error
	switch name := filepath.Base(os.Args[0]); {
	case name == "k3s":
		err = k3s.Main()
	case len(os.Args) == 4 && os.Args[1] == "init":
		err = systemd.Init(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: stub init ROOT PROGRAMS; otherwise by the name k3s")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stub:", err)
		os.Exit(1)
	}
}
