package crash

import (
	"belay.dev/lab/bench/stub/k3s"
)

// Goal is a run that is to be killed: what is typed before it, what is typed, and how it ends undisturbed.
type Goal struct {
	Name string
	To   k3s.Release
	// Before is typed undisturbed and must succeed; the worlds of the goal are copies of one where it was.
	Before []string
	Argv   []string
	// End is the end state of the undisturbed run.
	End string
	// Data says whether a way back leaves the data.
	Data bool
}

var (
	good  = k3s.Release{Tag: "v1.36.3+k3s1", Kind: k3s.Good}
	other = k3s.Release{Tag: "v1.36.3+k3s2", Kind: k3s.Other}
	near  = k3s.Release{Tag: "v1.35.4+k3s2", Kind: k3s.Other}
)

// Releases of the mirror, beside Old.
var Releases = []k3s.Release{good, other, near}

func upgrade(to k3s.Release, more ...string) []string {
	return append([]string{"upgrade", "--to", to.Tag, "--mirror", "/mirror", "--soak", "0s", "--yes"}, more...)
}

// Goals are all runs that are killed.
var Goals = []Goal{
	{Name: "upgrade", To: good, Argv: upgrade(good), End: "committed"},
	{Name: "back", To: other, Argv: upgrade(other), End: "restored"},
	{Name: "binary", To: near, Argv: upgrade(near, "--way-back", "binary"), End: "restored", Data: true},
	{Name: "undo", To: good, Before: upgrade(good), Argv: []string{"rollback", "--soak", "0s", "--discard-writes-since", "COMMIT"}, End: "committed"},
}
