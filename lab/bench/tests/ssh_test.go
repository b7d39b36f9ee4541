package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

// leavesNothingOfTheCoordinators is what only two machines can show: nothing of
// the coordinator's on the node, the backup here before the stop, no connection
// left behind.
func (x *box) leavesNothingOfTheCoordinators() {
	x.t.Helper()
	t := x.t
	if left := labtest.Must(t, x.n, "sh", "-c", "ls -d /var/lib/belay/runs /var/lib/belay/releases /usr/local/lib/belay/.belay-helper.* 2>/dev/null; true"); left != "" {
		t.Errorf("the coordinator's own on the node:\n%s", left)
	}
	if mode := labtest.Must(t, x.n, "stat", "-c", "%u %a", belay.Helper); mode != "0 755" {
		t.Errorf("the helper is of %s", mode)
	}
	x.copied(x.journal()[0].Run)
	x.disconnected()
}

// copied demands that the backup of a run is on the coordinator, the same byte
// for byte as on the node and for its owner only, and that it was there before
// the stop.
func (x *box) copied(run string) {
	x.t.Helper()
	places, _ := filepath.Glob(filepath.Join(x.b.Coordinator.State(), "backups", "*", run))
	if len(places) != 1 {
		x.t.Fatalf("copies of the backup: %v", places)
	}
	const sums = `cd "$1"; find . -type f ! -perm 600 -o -type d ! -perm 700; find . -type f -exec sha256sum {} + | sort -k 2`
	here, err := exec.Command("sh", "-c", sums, "sums", places[0]).Output()
	if err != nil {
		x.t.Fatal(err)
	}
	const only = `cd "$1"; find . -type f -exec sha256sum {} + | sort -k 2`
	there := labtest.Must(x.t, x.n, "sh", "-c", only, "sums", belay.NodeState+"/backups/"+run)
	if strings.TrimSpace(string(here)) != there {
		x.t.Errorf("the copy:\n%s\nthe backup:\n%s", here, there)
	}
	proven, ok := x.journal().Find("outcome", "n1.prove-backup")
	if stop, stopped := x.journal().Find("intent", "n1.stop"); !ok || !stopped || !proven.At.Before(stop.At) {
		x.t.Error("it was not copied before the stop")
	}
}

// disconnected demands that no connection outlives the program by more than its
// idle time.
func (x *box) disconnected() {
	x.t.Helper()
	labtest.Until(x.t, 30*time.Second, "the SSH connections to end", func() bool { return x.b.Coordinator.Masters() == "" })
}

// TestRollbackOfAKilledRunOverSSH: the master of the killed coordinator goes by
// itself.
func TestRollbackOfAKilledRunOverSSH(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBoxOver(t, lab.Options{}, overSSH)
	x.goesBackWhenKilled()
	x.disconnected()
}

// TestSSHRefuses: who answers is known, and who we are there as well, before
// anything is sent or changed.
func TestSSHRefuses(t *testing.T) {
	t.Parallel()
	x := newBoxOver(t, lab.Options{}, overSSH)
	c := x.b.Coordinator
	known, err := os.ReadFile(c.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	const login = `set -e; id anna >/dev/null 2>&1 || useradd -m -s /bin/sh anna
		mkdir -p ~anna/.ssh; cp /root/.ssh/authorized_keys ~anna/.ssh/; chown -R anna ~anna/.ssh; chmod 700 ~anna/.ssh`
	labtest.Must(t, x.n, "sh", "-c", login)
	other := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4mQkFvRWJvLFk5fuLr3mIrJ7pGmO3F2m7gVnAQkzWf other\n"
	root := c.To
	for _, refused := range []struct{ name, known, to, says, hint string }{
		{"host key unknown", "", root, "is not known", "ssh-keygen -lf"},
		{"host key changed", x.n.Address + " " + other, root, "has changed", "ssh-keygen -R"},
		{"sudo wants a password", string(known), "anna@" + x.n.Address, "without a password", "sudo -n true"},
		{"no such user", string(known), "nobody1@" + x.n.Address, "did not let us in", "true"},
		{"nobody listens", string(known), root + ":2", "could not be reached", "true"},
	} {
		t.Run(refused.name, func(t *testing.T) {
			y := x.on(t)
			life := y.life()
			if err := c.Know(refused.known); err != nil {
				t.Fatal(err)
			}
			c.To = refused.to
			r := y.run(1, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
			if !strings.Contains(r.Refusal, refused.says) || !r.Says(refused.hint) {
				t.Errorf("refused with %q\n%s", r.Refusal, r)
			}
			if left := labtest.Must(t, y.n, "sh", "-c", "ls -d /usr/local/lib/belay /var/lib/belay 2>/dev/null; true"); left != "" {
				t.Errorf("it was refused, and left %s", left)
			}
			if now := y.life(); now != life {
				t.Errorf("K3s is %s, was %s", now, life)
			}
		})
	}
	if err := c.Know(string(known)); err != nil {
		t.Fatal(err)
	}
	t.Run("who is not root becomes it with sudo, and another helper is replaced", func(t *testing.T) {
		y := x.on(t)
		c.To = "anna@" + x.n.Address
		labtest.Must(t, y.n, "sh", "-c", "echo 'anna ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/anna; mkdir -p /usr/local/lib/belay; "+
			"printf '#!/bin/sh\\ntouch /root/it-ran\\n' >"+belay.Helper+"; chmod 755 "+belay.Helper)
		y.run(0, "check", "--to", labtest.To)
		if ran := labtest.Must(t, y.n, "sh", "-c", "ls /root/it-ran 2>/dev/null; true"); ran != "" {
			t.Error("a helper that is not ours was run")
		}
		helper, err := release.SHA256(y.b.Helper())
		if err != nil {
			t.Fatal(err)
		}
		if there := labtest.Must(t, y.n, "sha256sum", belay.Helper); !strings.HasPrefix(there, helper) {
			t.Errorf("the helper there is %s, ours %s", there, helper)
		}
		to := t.TempDir()
		r := y.run(0, "backup", "--backup-to", to)
		copied, err := release.SHA256(filepath.Join(to, y.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"), r.Report.Run, "datastore", "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		proven := labtest.Must(t, y.n, "sha256sum", belay.NodeState+"/backups/"+r.Report.Run+"/datastore/state.db")
		if !strings.HasPrefix(proven, copied) {
			t.Errorf("the copy elsewhere is %s, the backup on the node %s", copied, proven)
		}
	})
}

// TestResumeAfterACutConnection: what was cut off for good goes on where it was
// left, and ends as if nothing had been.
func TestResumeAfterACutConnection(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBoxOver(t, lab.Options{}, overSSH)
	x.witness()
	p, err := x.b.Start(t.Context(), "upgrade", "--to", labtest.To, "--soak", "30s", "--yes")
	if err != nil {
		t.Fatal(err)
	}
	x.waitFor("", "intent", "n1.soak", 150*time.Second)
	labtest.Must(t, x.n, "sh", "-c", "systemctl stop ssh; pkill -KILL -x sshd || true")
	r, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	x.check(r, 4, "upgrade", "(cut off)")
	if !r.Says("belay resume") {
		t.Errorf("cut off: %s", r)
	}
	labtest.Must(t, x.n, "systemctl", "start", "ssh")
	r = x.run(0, "resume")
	if r.Report.State() != "committed" {
		t.Errorf("the report says %q", r.Report.State())
	}
	x.once(x.journal())
	x.serves(labtest.To)
	x.tidy()
	x.judge(oracle.Cut{}, r.Report, true)
	x.disconnected()
}

// TestConnectionCutInARun: the connection goes in the middle of a step. Belay
// comes back by itself when it can; when it cannot for long, `resume` does. In
// neither case is it taken for an outage of the API.
func TestConnectionCutInARun(t *testing.T) {
	t.Parallel()
	x := newBoxOver(t, lab.Options{}, overSSH)
	x.witness()
	x.soaking()
	cut := func() { labtest.Must(t, x.n, "sh", "-c", "pkill -KILL -f '^sshd: root' || true") }
	cut()
	x.followed()
	// For longer than it tries. All of sshd: it may be coming back just now, and a connection that nobody has logged in
	// over yet has another name.
	labtest.Must(t, x.n, "sh", "-c", "systemctl stop ssh; pkill -KILL -x sshd || true")
	r := x.end(180 * time.Second)
	x.check(r, 4, "upgrade", "(cut off)")
	if !strings.Contains(r.Refusal, "went away") || !r.Says("belay resume") {
		t.Errorf("cut off: %s", r)
	}
	life := x.life()
	labtest.Must(t, x.n, "systemctl", "start", overSSH)
	// The plan knows the node: nothing is repeated.
	to := x.b.Coordinator.To
	x.b.Coordinator.To = ""
	r = x.run(0, "rollback")
	x.b.Coordinator.To = to
	if r.Report.State() != "restored" {
		t.Errorf("the report says %q", r.Report.State())
	}
	if now := x.life(); now == life {
		t.Error("nothing was done")
	}
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
	for _, o := range r.Report.API.Outages {
		if o.Causes["connection to the node lost"] > 0 {
			return
		}
	}
	t.Errorf("no outage names the lost connection: %s", fmt.Sprint(r.Report.API.Outages))
}
