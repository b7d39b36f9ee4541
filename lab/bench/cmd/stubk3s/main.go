// Command stubk3s is the library with the stub of K3s: stub/launcher loads it,
// so that the program that Belay hashes is small.
package main

import "C"

import (
	"fmt"
	"os"

	"belay.dev/lab/bench/stub/k3s"
)

// K3s is `k3s server`; it returns the exit code.
//
//export K3s
func K3s() C.int {
	if err := k3s.Main(); err != nil {
		fmt.Fprintln(os.Stderr, "stub:", err)
		return 1
	}
	return 0
}

func main() {}
