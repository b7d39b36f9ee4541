package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// cast is which releases play.
type cast struct {
	releases release.Dir
	from, to string
	// broken is the tag under which a release comes that carries this very
	// release and never lets its kubelet come.
	broken string
}

// bench is the bench's own three releases; with BELAY_LAB_RELEASES those of
// that directory, which may lack the third.
func bench() cast {
	c := cast{releases: release.Default(), from: "v1.35.4+k3s1", to: "v1.36.3+k3s1", broken: "v1.36.3+k3s2"}
	for variable, tag := range map[string]*string{"BELAY_LAB_FROM": &c.from, "BELAY_LAB_TO": &c.to, "BELAY_LAB_BROKEN": &c.broken} {
		if v := os.Getenv(variable); v != "" {
			*tag = v
		}
	}
	if _, err := c.releases.Binary(c.broken); err != nil {
		c.broken = c.to
	}
	return c
}

const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      containers: [{name: till, image: "docker.io/rancher/mirrored-pause:3.6", imagePullPolicy: Never}]
`

// act is one upgrade that is shown.
type act struct {
	tag    string
	broken bool
	report string
}

func show(ctx context.Context, l *lab.Lab, c cast) error {
	n, b, err := stage(ctx, l, c)
	if err != nil {
		return err
	}
	good := act{tag: c.to, report: "belay-demo-upgrade.html"}
	broken := act{tag: c.broken, broken: true, report: "belay-demo-way-back.html"}
	acts := []act{good, broken}
	if c.broken == c.to {
		// Two releases only: what fails has to come before what succeeds.
		acts = []act{broken, good}
	}
	var gaps []string
	for _, a := range acts {
		line, err := play(ctx, n, b, c, a)
		if err != nil {
			return err
		}
		gaps = append(gaps, line)
	}
	fmt.Println()
	for _, line := range gaps {
		fmt.Println(line)
	}
	return nil
}

func stage(ctx context.Context, l *lab.Lab, c cast) (*node.Node, *belay.Belay, error) {
	begin := time.Now()
	n, err := l.Up(ctx, "n1", lab.Options{})
	if err != nil {
		return nil, nil, err
	}
	say(fmt.Sprintf("a node booted at %s; now K3s %s and a workload", n.Address, c.from))
	if err := k3s.Up(ctx, n, c.releases, c.from, k3s.Options{}); err != nil {
		return nil, nil, err
	}
	if err := n.PutString(ctx, "/root/workload.yaml", 0o600, workload); err != nil {
		return nil, nil, err
	}
	for _, args := range [][]string{{"apply", "-f", "/root/workload.yaml"}, {"rollout", "status", "deployment/till", "--timeout=120s"}} {
		if _, err := k3s.Kubectl(ctx, n, args...); err != nil {
			return nil, nil, err
		}
	}
	b, err := belay.Install(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	say(fmt.Sprintf("ready after %s", time.Since(begin).Round(time.Second)))
	return n, b, nil
}

// play runs one upgrade on the screen and says in a line what came of it.
func play(ctx context.Context, n *node.Node, b *belay.Belay, c cast, a act) (string, error) {
	releases, wanted := c.releases, 0
	if a.broken {
		dir, err := os.MkdirTemp("", "belay-demo-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		good, err := c.releases.Binary(a.tag)
		if err != nil {
			return "", err
		}
		releases, wanted = release.Dir(dir), 3
		if err := bad.Make(ctx, bad.Spec{Kind: bad.KubeletNever, Tag: a.tag}, good, releases); err != nil {
			return "", err
		}
		say(fmt.Sprintf("and now a release that looks like %s and whose kubelet never comes", a.tag))
	}
	if err := b.Offer(ctx, releases); err != nil {
		return "", err
	}
	args := []string{"upgrade", "--to", a.tag, "--soak", "10s", "--yes"}
	fmt.Printf("\nroot@n1:~# belay %s\n", strings.Join(args, " "))
	cmd, err := n.Command(ctx, append([]string{"env", "BELAY_MIRROR=" + b.Mirror, belay.Program}, args...)...)
	if err != nil {
		return "", err
	}
	// Our own terminal, if we have one: then the display is the live one.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	code := 0
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", errors.New("interrupted")
	}
	if code != wanted {
		return "", fmt.Errorf("belay upgrade --to %s ended with %d, not %d", a.tag, code, wanted)
	}
	return curtain(ctx, n, b, a, code)
}

// curtain brings the report out of the node before the node goes.
func curtain(ctx context.Context, n *node.Node, b *belay.Belay, a act, code int) (string, error) {
	run, err := b.LastRun(ctx)
	if err != nil {
		return "", err
	}
	report, err := b.StoredReport(ctx, run)
	if err != nil {
		return "", err
	}
	html, err := n.Get(ctx, belay.RunDir(run)+"/report.html")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(a.report, html, 0o644); err != nil {
		return "", err
	}
	version, err := k3s.Kubectl(ctx, n, "get", "node", n.Name, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}")
	if err != nil {
		return "", err
	}
	what := "upgraded"
	if a.broken {
		what = "went back by itself"
	}
	return fmt.Sprintf("%-19s exit %d, serves %s, API gap %s, report ./%s", what, code, version, report.API.Sentence(), a.report), nil
}
