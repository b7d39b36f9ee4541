// Package tests proves the bench itself: nodes, releases gone bad, the oracle
// on a live cluster. Tests of Belay live beside them.
package tests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

func TestNodeIsAMachine(t *testing.T) {
	n := labtest.Node(t, lab.Options{})
	labtest.Until(t, 20*time.Second, "the node to be running", func() bool {
		res, err := n.Exec(t.Context(), "systemctl", "is-system-running")
		return err == nil && strings.TrimSpace(res.Stdout) == "running"
	})
	if got := labtest.Must(t, n, "cat", "/proc/1/comm"); got != "systemd" {
		t.Errorf("process 1 is %s", got)
	}
	if got := labtest.Must(t, n, "hostname"); got != "n1" {
		t.Errorf("hostname %s", got)
	}
	if got := labtest.Must(t, n, "findmnt", "-no", "PROPAGATION", "/"); got != "shared" {
		t.Errorf("/ is %s; a kubelet needs it shared", got)
	}
	labtest.Must(t, n, "sh", "-c", "mkdir /sys/fs/cgroup/memory/x && rmdir /sys/fs/cgroup/memory/x || test -e /sys/fs/cgroup/cgroup.controllers")
	// Renames that Belay depends on: state and program on one file system each.
	labtest.Must(t, n, "sh", "-c", "cd /var/lib && touch a && mkdir -p belay rancher && ln a belay/a && mv belay/a rancher/a && rm a rancher/a")
	res, err := n.Exec(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 7")
	if err != nil || res != (node.Result{Stdout: "out\n", Stderr: "err\n", Code: 7}) {
		t.Errorf("%+v, %v", res, err)
	}
	blob := bytes.Repeat([]byte{0, 1, 2, 255}, 1<<18)
	if err := n.Put(t.Context(), "/usr/local/lib/x/blob", 0o640, bytes.NewReader(blob)); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Get(t.Context(), "/usr/local/lib/x/blob"); err != nil || !bytes.Equal(got, blob) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if got := labtest.Must(t, n, "stat", "-c", "%a", "/usr/local/lib/x/blob"); got != "640" {
		t.Errorf("mode %s", got)
	}
	// sshd answers the lab's key.
	out, err := exec.Command(n.SSH()[0], n.SSH("id", "-un")[1:]...).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "root" {
		t.Errorf("ssh: %v: %s", err, out)
	}
	// A program in the node can be killed as itself.
	p, err := n.Start(t.Context(), "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Wait(); err != nil || code != 137 {
		t.Errorf("exit %d, %v", code, err)
	}
}

func TestPowerCutKeepsTheDisk(t *testing.T) {
	n := labtest.Node(t, lab.Options{})
	id := labtest.Must(t, n, "cat", "/etc/machine-id")
	bootID := labtest.Must(t, n, "stat", "-c", "%Y %i", "/proc/1")
	labtest.Must(t, n, "sh", "-c", "echo kept >/var/lib/rancher-x; echo kept >/root/x; ip link add dummy9 type dummy; nft add table inet t9")
	p, err := n.Start(t.Context(), "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pid(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	cut := time.Since(begin)
	if code, err := p.Wait(); err != nil || code != 137 {
		t.Errorf("a command in the node outlived it: exit %d, %v", code, err)
	}
	if n.Running() {
		t.Fatal("running without power")
	}
	if _, err := n.Exec(t.Context(), "true"); err == nil {
		t.Error("a command ran without power")
	}
	begin = time.Now()
	if err := n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("power cut in %s, boot in %s", cut, time.Since(begin))
	if got := labtest.Must(t, n, "cat", "/var/lib/rancher-x", "/root/x", "/etc/machine-id"); got != "kept\nkept\n"+id {
		t.Errorf("after the cut: %q", got)
	}
	if labtest.Must(t, n, "stat", "-c", "%Y %i", "/proc/1") == bootID {
		t.Error("it did not boot")
	}
	if out := labtest.Must(t, n, "sh", "-c", "ip -br link; nft list tables"); strings.Contains(out, "9") && strings.Contains(out, "dummy9") || strings.Contains(out, "t9") {
		t.Errorf("links and rules outlive a power cut: %s", out)
	}
}

func TestSaveAndReset(t *testing.T) {
	for name, opt := range map[string]lab.Options{"host disk": {}, "small disk": {DiskMB: 300}} {
		t.Run(name, func(t *testing.T) {
			n := labtest.Node(t, opt)
			labtest.Must(t, n, "sh", "-ec", `mkdir -p /var/lib/rancher/d; cd /var/lib/rancher/d
				echo one >a; ln a b; ln -s a l; touch -d @1000000000 a; chmod 600 a
				python3 -V >/dev/null 2>&1 || true; truncate -s 1G hole
				rm /etc/debian_version; echo new >/root/new; mkfifo pipe`)
			list := "find /var/lib/rancher /root/new -printf '%M %n %U %s %T@ %p %l\\n' | sort; test ! -e /etc/debian_version"
			before := labtest.Must(t, n, "sh", "-c", list)
			begin := time.Now()
			if err := n.Save(t.Context(), "base"); err != nil {
				t.Fatal(err)
			}
			save := time.Since(begin)
			for round := range 2 {
				if err := n.Boot(t.Context()); err != nil {
					t.Fatal(err)
				}
				if after := labtest.Must(t, n, "sh", "-c", list); after != before {
					t.Fatalf("round %d:\n%s\nwant\n%s", round, after, before)
				}
				labtest.Must(t, n, "sh", "-c", "rm -rf /var/lib/rancher /root/new; echo x >/etc/debian_version; echo x >/usr/local/bin/y")
				begin = time.Now()
				if err := n.Reset(t.Context(), "base"); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("save %s, reset %s", save, time.Since(begin))
			if err := n.Reset(t.Context(), "nosuch"); err == nil {
				t.Error("reset to a state that was never saved")
			}
		})
	}
}

func TestSmallDiskGetsFull(t *testing.T) {
	n := labtest.Node(t, lab.Options{DiskMB: 200})
	res, err := n.Exec(t.Context(), "dd", "if=/dev/zero", "of=/var/lib/fill", "bs=1M", "count=400")
	if err != nil || res.Code == 0 || !strings.Contains(res.Stderr, "No space left") {
		t.Fatalf("400 MB fit on a disk of 200: %+v, %v", res, err)
	}
	labtest.Must(t, n, "sh", "-c", "rm /var/lib/fill && echo x >/var/lib/x && echo x >/root/x")
}

// TestKilledUpLeavesNothing kills the command at many moments of `up`; what
// it leaves is found and taken away by the next `down`.
func TestKilledUpLeavesNothing(t *testing.T) {
	l := labtest.Lab(t) // makes the root, so that it is not part of the race
	n, err := l.Up(t.Context(), "n1", lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	command := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", command, "../cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	name := l.Name + "k"
	before := bridges(t)
	for _, ms := range []int{5, 20, 50, 80, 120, 160, 200, 250, 300, 400, 500, 700, 1000} {
		cmd := exec.Command(command, "up", "--bare", "--lab", name, "--disk", "120")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(ms) * time.Millisecond) // not a condition: the moment is the test
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := lab.Remove(context.WithoutCancel(t.Context()), name); err != nil {
			t.Fatalf("down after a kill at %d ms: %v", ms, err)
		}
		labtest.NothingLeft(t, name)
		if links := bridges(t); links != before {
			t.Fatalf("kill at %d ms: bridges %q, were %q", ms, links, before)
		}
		if _, err := os.Stat(filepath.Join(cache.Labs(), name)); err == nil {
			t.Fatalf("kill at %d ms: the lab's folder is left", ms)
		}
		if out, _ := exec.Command("sh", "-c", "mount; losetup -a; ip netns; ip link; ps -eo args").Output(); strings.Contains(string(out), name+"-") || strings.Contains(string(out), "/"+name+"/") {
			t.Fatalf("kill at %d ms left:\n%s", ms, grep(string(out), name))
		}
	}
}

func TestLabsRunSideBySide(t *testing.T) {
	a, b := labtest.Node(t, lab.Options{}), labtest.Node(t, lab.Options{})
	if a.Address == b.Address || a.Netns() == b.Netns() {
		t.Fatalf("%s and %s", a.Address, b.Address)
	}
	labtest.Must(t, a, "sh", "-c", "echo a >/var/lib/x")
	if res, _ := b.Exec(t.Context(), "test", "-e", "/var/lib/x"); res.Code == 0 {
		t.Error("nodes share a disk")
	}
}

func TestTheNodeSeesTheMirror(t *testing.T) {
	l := labtest.Lab(t)
	n, err := l.Up(t.Context(), "n1", lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := release.Dir(t.TempDir())
	if err := os.MkdirAll(dir.Folder("v1.2.3+k3s1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir.Folder("v1.2.3+k3s1"), "k3s"), []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := newMirror(t, dir)
	base, err := m.Listen(l.Gateway() + ":0")
	if err != nil {
		t.Fatal(err)
	}
	if got := labtest.Must(t, n, "curl", "-sf", base+"/v1.2.3%2Bk3s1/k3s"); got != "binary" {
		t.Errorf("over the bridge: %q", got)
	}
	inside, err := n.Listen("127.0.0.1:8099")
	if err != nil {
		t.Fatal(err)
	}
	m.Serve(inside)
	if got := labtest.Must(t, n, "curl", "-sf", "http://127.0.0.1:8099/k3s-io/k3s/releases/download/v1.2.3+k3s1/k3s"); got != "binary" {
		t.Errorf("on the node's loopback: %q", got)
	}
}

// bridges are the bench's links on the host, those without an owner too.
func bridges(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("ip", "-br", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "blab") {
			names = append(names, strings.Fields(line)[0])
		}
	}
	return strings.Join(names, " ")
}

func grep(text, word string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, word) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}
