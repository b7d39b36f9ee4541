// Package labtest gives tests labs that go away by themselves and prove it.
package labtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// The releases that the tests upgrade from and to. With BELAY_LAB_RELEASES the
// folder's own tags can be named in the environment.
var (
	From = tag("BELAY_LAB_FROM", "v1.35.4+k3s1")
	To   = tag("BELAY_LAB_TO", "v1.36.3+k3s1")
)

func tag(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

var labs atomic.Int64

// Lab makes a lab of its own for a test. At the end it goes, and the test
// fails if anything of it is left on the host.
func Lab(t testing.TB) *lab.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a lab needs root")
	}
	name := fmt.Sprintf("t%dn%d", os.Getpid(), labs.Add(1))
	l, err := lab.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	l.Progress = func(line string) { t.Log(line) }
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() && os.Getenv("BELAY_LAB_KEEP") != "" {
			t.Logf("kept for a look: ./dev lab status; ./dev lab sh %s/NODE; ./dev lab down --lab %s", name, name)
			return
		}
		if err := l.Down(ctx); err != nil {
			t.Errorf("down: %v", err)
		}
		NothingLeft(t, name)
	})
	return l
}

// NothingLeft fails the test if the host still shows anything of the lab.
func NothingLeft(t testing.TB, labName string) {
	t.Helper()
	left, err := lab.Leftovers()
	if err != nil {
		t.Error(err)
	}
	for _, x := range left {
		if strings.Contains(x.Name+x.Detail, labName) {
			t.Errorf("left over: %s", x)
		}
	}
}

// Node makes and boots a node in a lab of its own.
func Node(t testing.TB, opt lab.Options) *node.Node {
	t.Helper()
	n, err := Lab(t).Up(t.Context(), "n1", opt)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// K3s makes a node with a release of K3s over the datastore of opt, READY and
// Ready.
func K3s(t testing.TB, tag string, opt lab.Options) *node.Node {
	t.Helper()
	if _, err := release.Default().Binary(tag); err != nil {
		t.Fatal(err)
	}
	n := Node(t, opt)
	begin := time.Now()
	if err := k3s.Up(t.Context(), n, release.Default(), tag, k3s.Options{Datastore: opt.Datastore}); err != nil {
		t.Fatal(err)
	}
	t.Logf("K3s %s with %s up on %s after %s", tag, opt.Datastore, n.Name, time.Since(begin).Round(100*time.Millisecond))
	return n
}

// Must runs a command in a node that has to succeed and returns its output
// without blanks at the ends.
func Must(t testing.TB, n *node.Node, args ...string) string {
	t.Helper()
	out, err := n.Must(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// Number is Must for a command that prints one.
func Number(t testing.TB, n *node.Node, args ...string) int {
	t.Helper()
	v, err := strconv.Atoi(Must(t, n, args...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Until polls a condition of a test.
func Until(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(end) || t.Context().Err() != nil {
			t.Fatalf("waited %s for %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
