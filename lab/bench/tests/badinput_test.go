package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// says demands a clear error: the exit code, the reason, and what to type next.
func (x *box) says(code int, reason, next string, args ...string) {
	x.t.Helper()
	r := x.run(code, args...)
	if !strings.Contains(r.Refusal, reason) {
		x.t.Errorf("belay %s says %q, wanted %q", strings.Join(args, " "), r.Refusal, reason)
	}
	if !r.Says(next) {
		x.t.Errorf("belay %s does not say what to type next (%q):\n%s", strings.Join(args, " "), next, clip(r.String(), 2000))
	}
}

// TestWithoutK3s: a machine on which there is nothing to upgrade.
func TestWithoutK3s(t *testing.T) {
	t.Parallel()
	n := labtest.Node(t, lab.Options{})
	b, err := belay.Install(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	x := &box{t: t, n: n, b: b}
	const none, elsewhere = "no K3s was found on this node", "run belay on the K3s server"
	x.says(1, none, elsewhere, "check")
	x.says(1, none, elsewhere, "upgrade", "--to", labtest.To, "--yes")
	x.says(1, none, elsewhere, "plan", "--to", labtest.To)
	const first = "belay upgrade --to TAG"
	x.says(1, "no run was ever made here", first, "resume")
	x.says(1, "no run was ever made here", first, "rollback")
	x.says(1, "no run was ever made here", first, "report")
	x.says(1, "there is no run 2026-01-01-0000", first, "report", "2026-01-01-0000")
	if left := labtest.Must(t, n, "sh", "-c", "ls -A "+belay.State+" 2>/dev/null; true"); strings.Contains(left, "runs") {
		t.Errorf("refusals left something: %s", left)
	}
}

// TestBadInput: what a person gets wrong, and what a machine lacks. Each is an
// error that says why and what to type next; the same K3s process goes on.
func TestBadInput(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{DiskMB: 1500}) // a disk of its own: one test fills it
	before := take(t, x.c)
	life := x.life()
	upgrade := []string{"upgrade", "--to", labtest.To, "--soak", "1s", "--yes"}

	t.Run("plans that cannot be read", func(t *testing.T) {
		y := x.on(t)
		const write = "belay plan --to TAG -o plan.yaml"
		labtest.Must(t, x.n, "sh", "-ec", `cd /root; echo '{ a: [' >broken.yaml; echo 'belay: plan/v9' >later.yaml
			printf '\xff\xfe' >binary.yaml; : >empty.yaml`)
		for file, says := range map[string]string{
			"/root/none.yaml": "No such file", "/root": "directory", "/root/broken.yaml": "/root/broken.yaml",
			"/root/later.yaml": "plan/v9", "/root/binary.yaml": "/root/binary.yaml", "/root/empty.yaml": "/root/empty.yaml",
		} {
			y.says(1, says, write, "apply", file)
		}
		y.says(1, "/root/broken.yaml", "--save-facts", "check", "--facts", "/root/broken.yaml")
	})
	t.Run("a tag that nobody knows", func(t *testing.T) {
		y := x.on(t)
		for _, to := range []string{"v1.36.3+k3s", "v1.x+k3s1"} {
			if r := y.run(2, "plan", "--to", to); r.Stderr == "" {
				t.Errorf("--to %q is refused in silence", to)
			}
		}
		y.says(1, "v1.36.99+k3s1", "belay versions", "plan", "--to", "v1.36.99+k3s1")
	})
	t.Run("no root", func(t *testing.T) {
		nobody := func(args ...string) string {
			res, err := x.n.Exec(t.Context(), append([]string{"setpriv", "--reuid=65534", "--clear-groups", "belay"}, args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if res.Code != 1 {
				t.Errorf("belay %v exits %d", args, res.Code)
			}
			return res.Stdout + res.Stderr
		}
		for _, args := range [][]string{upgrade, {"apply", "/root/plan.yaml"}, {"resume"}, {"rollback"}} {
			if said := nobody(args...); !strings.Contains(said, "root") || !strings.Contains(said, "sudo") {
				t.Errorf("belay %v: %s", args, said)
			}
		}
		// What only root may read is unknown, and the rest is judged.
		if said := nobody("check", "--to", labtest.To); !strings.Contains(said, "needs root") || !strings.Contains(said, "--kubeconfig") {
			t.Errorf("belay check: %s", said)
		}
	})
	t.Run("an init that is not systemd", func(t *testing.T) {
		res, err := x.n.Exec(t.Context(), "unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
			"belay check --to "+labtest.To+"; exit $?")
		if err != nil {
			t.Fatal(err)
		}
		said := res.Stdout + res.Stderr
		if res.Code != 1 || !strings.Contains(said, "process 1 of this node is sh") || !strings.Contains(said, "next:") {
			t.Errorf("exit %d: %s", res.Code, clip(said, 2000))
		}
	})
	t.Run("a plan for another cluster", func(t *testing.T) {
		y := x.on(t)
		y.run(0, "plan", "--to", labtest.To, "-o", "/root/there.yaml")
		// The same machine, with a cluster of its own: the old one set aside, and back again.
		const server = k3s.DataDir + "/server"
		set := func(script string) {
			labtest.Must(t, x.n, "systemctl", "stop", "k3s")
			labtest.Must(t, x.n, "sh", "-ec", script)
			if err := k3s.Start(t.Context(), x.n); err != nil {
				t.Fatal(err)
			}
			if err := k3s.Wait(t.Context(), x.n); err != nil {
				t.Fatal(err)
			}
		}
		set("mv " + server + " " + server + ".old; mv /etc/rancher/node /etc/rancher/node.old")
		y.says(1, "cluster", "belay plan --to TAG", "apply", "/root/there.yaml")
		set("rm -rf " + server + " /etc/rancher/node; mv " + server + ".old " + server + "; mv /etc/rancher/node.old /etc/rancher/node")
		x.settle()
		life = x.life()
	})
	for _, full := range []struct{ name, dir string }{
		{"the release does not fit", belay.State},
		{"the slot and the copy do not fit", k3s.DataDir},
	} {
		t.Run("disk full: "+full.name, func(t *testing.T) {
			y := x.on(t)
			labtest.Must(t, x.n, "mkdir", "-p", full.dir)
			res, err := x.n.Exec(t.Context(), "sh", "-c", fmt.Sprintf(
				"fallocate -l $(($(stat -f -c '%%a*%%S' %[1]s) - 1048576)) %[1]s/fill || exit 99; belay upgrade --to %[2]s --soak 1s --yes; code=$?; rm -f %[1]s/fill; exit $code",
				full.dir, labtest.To))
			if err != nil {
				t.Fatal(err)
			}
			said := res.Stdout + res.Stderr
			if res.Code != 1 && res.Code != 3 || !strings.Contains(said, "space") {
				t.Errorf("exit %d: %s", res.Code, clip(said, 3000))
			}
			y.tidy()
		})
	}
	if now := x.life(); now != life {
		t.Errorf("K3s is %s, was %s", now, life)
	}
	x.serves(labtest.From)
	x.tidy()
	if diffs := oracle.Diff(before, take(t, x.c)); len(diffs) > 0 {
		t.Errorf("bad input changed the cluster: %v", diffs)
	}
}

// TestCtrlCTwice: the second one leaves the run where it is, exit 130, and says
// how to go on. Whatever else is begun meanwhile is refused.
func TestCtrlCTwice(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	x.witness()
	p := x.soaking()
	x.followed()
	run := x.journal().Last().Run
	for _, args := range [][]string{{"upgrade", "--to", labtest.To, "--yes"}, {"resume"}, {"rollback"}} {
		if r := x.run(1, args...); !strings.Contains(r.Refusal, run) && !r.Says("run-unfinished") {
			t.Errorf("belay %v beside a run that goes on: %s", args, clip(r.String(), 2000))
		}
	}
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Heard: two signals at once are one to a process.
	x.waitFor("", "turn", "", 30*time.Second)
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := x.end(60 * time.Second)
	x.check(r, 130, "upgrade", "(Ctrl-C twice)")
	if !r.Says("belay resume") || !r.Says("belay rollback") {
		t.Errorf("it does not say how to go on: %s", clip(r.String(), 2000))
	}
	if x.journal().Last().Is("end", "") {
		t.Fatalf("it had ended:\n%s", x.journal())
	}
	if r := x.run(0, "rollback"); r.Report.State() != "restored" {
		t.Errorf("the report says %q", r.Report.State())
	}
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), x.run(0, "report").Report, false)
}
