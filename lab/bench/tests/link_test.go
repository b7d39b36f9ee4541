package tests

import (
	"os"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/node"
)

// newBox leaves it to BELAY_LAB_LINK where Belay runs: with "ssh", every test
// runs with the host as coordinator.
func newBox(t *testing.T, opt lab.Options) *box {
	t.Helper()
	return newBoxOver(t, opt, os.Getenv("BELAY_LAB_LINK"))
}

func installed(t *testing.T, n *node.Node, link string) (*belay.Belay, error) {
	if link == overSSH {
		return belay.OverSSH(t.Context(), n, t.TempDir())
	}
	return belay.Install(t.Context(), n)
}
