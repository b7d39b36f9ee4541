// Package bad makes releases that go wrong: launchers around any good k3s, the
// bench's or a real one. Each behaves like the k3s it carries for --version,
// extraction and every command but `server`.
package bad

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"belay.dev/lab/bench/bad/payload"
	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/release"
)

// Kind names what goes wrong.
type Kind string

const (
	// NeverReady serves the API, but /readyz never turns ok and READY=1 never
	// reaches systemd. Clients that do not ask may even write.
	NeverReady Kind = "never-ready"
	// DiesAfter gets ready and is killed Spec.After later, at every start.
	DiesAfter Kind = "dies-after"
	// KubeletNever has a green unit and a green API; the container runtime
	// (of a real K3s) or the kubelet (of the bench's) is frozen from its
	// first moment, so the lease is never renewed again.
	KubeletNever Kind = "kubelet-never"
	// NoStart exits at once with 1.
	NoStart Kind = "no-start"
	// EmptyDatastore loses its datastore at the first start and comes up
	// green as another, empty cluster.
	EmptyDatastore Kind = "empty-datastore"
	// RefusesKey ends at once while config.yaml or a drop-in has Spec.Key, as a
	// release does that knows an option no longer.
	RefusesKey Kind = "refuses-key"
	// RefusesNewer ends at once over a datastore that a release with
	// Spec.Newer has served, as etcd does after its minor went up. It is an
	// old release: what a way back finds that leaves the data in place.
	RefusesNewer Kind = "refuses-newer"
	// Works is a good release, for Spec.Newer.
	Works Kind = "works"
	// WrongVersion is a good k3s of another tag with matching sums.
	WrongVersion Kind = "wrong-version"
)

// Kinds are all of them.
var Kinds = []Kind{NeverReady, DiesAfter, KubeletNever, NoStart, EmptyDatastore, RefusesKey, RefusesNewer, Works, WrongVersion}

// Spec says which bad release to make under which tag.
type Spec struct {
	Kind Kind
	Tag  string
	// After is DiesAfter's time from ready to death.
	After time.Duration
	// Key is RefusesKey's.
	Key string
	// Newer: from its first start on, RefusesNewer refuses the datastore. The
	// mark lies in server/db, so a kept copy of before does not have it.
	Newer bool
}

// Make writes a bad release for a tag into a directory of releases: `k3s` and
// sums that match it. goodK3s is the one it carries; for WrongVersion it is
// the whole release.
func Make(ctx context.Context, spec Spec, goodK3s string, out release.Dir) error {
	if !slices.Contains(Kinds, spec.Kind) {
		return fmt.Errorf("no bad release %q; there are %v", spec.Kind, Kinds)
	}
	if spec.Tag == "" {
		return errors.New("a bad release needs a tag")
	}
	if spec.Kind == RefusesKey && spec.Key == "" {
		return errors.New("a release that refuses a key needs the key")
	}
	good, err := os.Open(goodK3s)
	if err != nil {
		return err
	}
	defer good.Close()
	if err := os.MkdirAll(out.Folder(spec.Tag), 0o755); err != nil {
		return err
	}
	path := filepath.Join(out.Folder(spec.Tag), "k3s")
	tmp, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer tmp.Close()
	if spec.Kind == WrongVersion {
		_, err = io.Copy(tmp, good)
	} else {
		err = wrap(ctx, spec, goodK3s, good, tmp)
	}
	if err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return out.WriteSums(spec.Tag)
}

func wrap(ctx context.Context, spec Spec, goodK3s string, good io.Reader, out io.Writer) error {
	sum, err := release.SHA256(goodK3s)
	if err != nil {
		return err
	}
	path, err := launcher(ctx)
	if err != nil {
		return err
	}
	l, err := os.Open(path)
	if err != nil {
		return err
	}
	defer l.Close()
	return payload.Write(out, l, good, payload.Fault{
		Kind: string(spec.Kind), AfterMillis: spec.After.Milliseconds(), SHA256: sum, Key: spec.Key, Newer: spec.Newer,
	})
}

// building keeps tests that run beside each other from one file, and from two builds of one program at once, which the go
// command's cache does not bear ("main build pseudo-cache").
var building sync.Mutex

// launcher builds the static launcher; the go command's cache makes a second
// build a matter of moments.
func launcher(ctx context.Context) (string, error) {
	building.Lock()
	defer building.Unlock()
	_, here, _, _ := runtime.Caller(0)
	if err := os.MkdirAll(cache.Launchers(), 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(cache.Launchers(), fmt.Sprintf("launcher-%d", os.Getpid()))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./launcher")
	cmd.Dir = filepath.Dir(here)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the launcher in %s: %w\n%s", cmd.Dir, err, text)
	}
	final := filepath.Join(cache.Launchers(), "launcher")
	return final, os.Rename(path, final)
}
