package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestWhoJoinedAfterTheKillKeptTheGroup: `lab up` was killed between the start
// of a process and the moment at which that joined, so the kill saw nobody.
func TestWhoJoinedAfterTheKillKeptTheGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a control group needs root")
	}
	g := Named("t"+strconv.Itoa(os.Getpid()), "late")
	if err := g.Create(); err != nil {
		t.Fatal(err)
	}
	late := exec.Command("sleep", "infinity")
	if err := late.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = late.Process.Kill() })
	if err := g.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	dirs, err := g.Dirs()
	if err != nil {
		t.Fatal(err)
	}
	pid := []byte(strconv.Itoa(late.Process.Pid))
	if err := os.WriteFile(filepath.Join(dirs[0], "cgroup.procs"), pid, 0o644); err != nil {
		t.Fatal(err)
	}
	go func() { _ = late.Wait() }()
	if err := g.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	for _, d := range dirs {
		if _, err := os.Stat(d); err == nil {
			t.Errorf("%s is left", d)
		}
	}
}
