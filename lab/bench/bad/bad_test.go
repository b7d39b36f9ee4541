package bad

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/release"
)

// stand is a k3s for these tests: it says how it was called.
const stand = "#!/bin/sh\necho \"called as $*; notify=$NOTIFY_SOCKET\"\n[ \"$1\" = server ] && sleep 0.3\nexit 0\n"

func build(t *testing.T, kind Kind) string {
	t.Helper()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, []byte(stand), 0o755); err != nil {
		t.Fatal(err)
	}
	out := release.Dir(filepath.Join(dir, "releases"))
	if err := Make(t.Context(), Spec{Kind: kind, Tag: "v1.2.3+k3s1", After: time.Hour, Key: "gone"}, good, out); err != nil {
		t.Fatal(err)
	}
	path, err := out.Binary("v1.2.3+k3s1")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(filepath.Dir(path), release.Sums))
	if err != nil {
		t.Fatal(err)
	}
	if sum, _ := release.SHA256(path); string(sums) != sum+"  k3s\n" {
		t.Errorf("sums %q, file %s", sums, sum)
	}
	sum, err := release.SHA256(good)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll("/run/lab-bad-" + sum[:12]) })
	return path
}

func call(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=/somewhere", "K3S_DATA_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestABadReleaseIsGoodUntilItServes(t *testing.T) {
	for _, kind := range Kinds {
		path := build(t, kind)
		for _, args := range [][]string{{"--version"}, {"kubectl", "version", "--client"}, {"token", "list"}} {
			if out, err := call(t, path, args...); err != nil || !strings.Contains(out, "called as "+strings.Join(args, " ")+"; notify=/somewhere") {
				t.Errorf("%s %v: %v: %s", kind, args, err, out)
			}
		}
	}
}

func TestWhatServeDoes(t *testing.T) {
	for kind, want := range map[Kind]string{
		NeverReady:     "called as server --x --kube-apiserver-arg=etcd-readycheck-timeout=1ns; notify=\n",
		DiesAfter:      "called as server --x; notify=/somewhere\n",
		KubeletNever:   "called as server --x; notify=/somewhere\n",
		EmptyDatastore: "called as server --x; notify=/somewhere\n",
		WrongVersion:   "called as server --x; notify=/somewhere\n",
	} {
		if out, err := call(t, build(t, kind), "server", "--x"); err != nil || out != want {
			t.Errorf("%s: %v: %q", kind, err, out)
		}
	}
	if out, err := call(t, build(t, NoStart), "server"); err == nil || !strings.Contains(out, "does not start") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDatastoreIsLostOnce(t *testing.T) {
	path := build(t, EmptyDatastore)
	data := t.TempDir()
	db := filepath.Join(data, "server", "db")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if err := os.WriteFile(filepath.Join(db, "state.db"), []byte{byte(round)}, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "server", "--data-dir", data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	old, err := os.ReadFile(filepath.Join(db+".lost", "state.db"))
	if err != nil || old[0] != 0 {
		t.Errorf("lost: %v, %v", old, err)
	}
	if now, err := os.ReadFile(filepath.Join(db, "state.db")); err != nil || now[0] != 1 {
		t.Errorf("present: %v, %v", now, err)
	}
}

func TestAKeyIsRefusedWhereverItIs(t *testing.T) {
	path := build(t, RefusesKey)
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.MkdirAll(config+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("K3S_CONFIG_FILE", config)
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, "kept: 1\n# gone: 1\ngone-too: 1\n")
	if out, err := call(t, path, "server"); err != nil {
		t.Errorf("without the key: %v: %s", err, out)
	}
	for _, key := range []string{"gone: 1\n", "gone+: [1]\n"} {
		write(config+".d/10.yaml", key)
		if out, err := call(t, path, "server"); err == nil || !strings.Contains(out, "flag provided but not defined: -gone") {
			t.Errorf("%q in a drop-in: %v: %s", key, err, out)
		}
	}
}

// TestTheOldRefusesWhatTheNewerServed, and takes the kept copy of before.
func TestTheOldRefusesWhatTheNewerServed(t *testing.T) {
	data := t.TempDir()
	serve := func(path string) (string, error) {
		out, err := exec.Command(path, "server", "--data-dir", data).CombinedOutput()
		return string(out), err
	}
	old := build(t, RefusesNewer)
	if out, err := serve(old); err != nil {
		t.Errorf("over its own datastore: %v: %s", err, out)
	}
	out := release.Dir(t.TempDir())
	good := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(good, []byte(stand), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Make(t.Context(), Spec{Kind: Works, Tag: "v1.2.4+k3s1", Newer: true}, good, out); err != nil {
		t.Fatal(err)
	}
	newer, err := out.Binary("v1.2.4+k3s1")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := serve(newer); err != nil {
		t.Errorf("the newer: %v: %s", err, out)
	}
	if out, err := serve(old); err == nil || !strings.Contains(out, "invalid downgrade") {
		t.Errorf("after the newer: %v: %s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(data, "server")); err != nil {
		t.Fatal(err)
	}
	if out, err := serve(old); err != nil {
		t.Errorf("over another datastore: %v: %s", err, out)
	}
}
