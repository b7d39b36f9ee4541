// Package crash kills Belay at every point at which it can be killed, on a
// stub of K3s, and compares where that ends with a run that nobody disturbed.
package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"belay.dev/lab/bench/stub/k3s"
	"belay.dev/lab/bench/stub/systemd"
)

// Old is what a world runs at first.
var Old = k3s.Release{Tag: "v1.35.4+k3s1", Kind: k3s.Good}

// Programs are what is under test: belay and belay-helper with crash points, and the stub.
type Programs struct {
	Dir string
}

// World is one machine: a root directory of its own, and namespaces around it.
type World struct {
	Root  string
	init  *exec.Cmd
	to    io.WriteCloser
	from  *json.Decoder
	noise bytes.Buffer
}

const config = `kubelet-arg: ["fail-cgroupv1=false"]
disable: [coredns, servicelb, traefik, local-storage, metrics-server]
flannel-backend: none
`

const k3sService = `[Unit]
Description=Lightweight Kubernetes

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/systemd/system/k3s.service.env
KillMode=process
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s \
    server \

`

// Template makes the directory that worlds are copies of: a machine with K3s installed and its cluster made, at rest.
func Template(dir string, p Programs, releases []k3s.Release) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, d := range []string{"usr", "dev", "proc", "belay", "tmp", "root", "log", "crash", "local/bin", "local/lib", "sys/fs/cgroup",
		"run/systemd/system", "etc/systemd/system/multi-user.target.wants", "etc/systemd/system/timers.target.wants", "etc/rancher/k3s", "etc/rancher/node", "mirror",
		"var/lib/rancher/k3s/data/cni", "var/lib/rancher/k3s/agent", "var/lib/kubelet", "etc/ld.so.conf.d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
		"etc/systemd/system/multi-user.target.wants/k3s.service": "/etc/systemd/system/k3s.service"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			return err
		}
	}
	cache, _ := os.ReadFile("/etc/ld.so.cache")
	files := []struct {
		path, text string
		mode       os.FileMode
	}{
		{"etc/os-release", "PRETTY_NAME=\"A stub of Debian\"\n", 0o644},
		{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644},
		{"etc/ld.so.cache", string(cache), 0o644},
		{"etc/rancher/k3s/config.yaml", config, 0o644},
		{"etc/rancher/node/password", "node-password\n", 0o600},
		{"etc/systemd/system/k3s.service", k3sService, 0o644},
		{"etc/systemd/system/k3s.service.env", "", 0o600},
		{"sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n", 0o644},
		{"local/bin/k3s", Old.Wrapper(), 0o755},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.path), []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	launcher, err := os.ReadFile(filepath.Join(p.Dir, "k3s"))
	if err != nil {
		return err
	}
	library, err := os.ReadFile(filepath.Join(p.Dir, "k3s.so"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "stub"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "stub/k3s.so"), library, 0o755); err != nil {
		return err
	}
	for _, r := range append([]k3s.Release{Old}, releases...) {
		if err := r.Payload(dir, launcher); err != nil {
			return err
		}
		if err := publish(dir, r); err != nil {
			return err
		}
	}
	w := &World{Root: dir}
	if err := w.boot(p); err != nil {
		return err
	}
	defer w.Close()
	if err := w.start(); err != nil {
		return err
	}
	if err := w.stop(); err != nil {
		return err
	}
	// The cluster was made; from here on an empty one is a loss.
	return os.Remove(filepath.Join(dir, "log/lives"))
}

func (w *World) start() error {
	if d := w.Do(systemd.Order{Do: "start-k3s", Within: 20_000}); d.State != "active" {
		return fmt.Errorf("the stub did not start: %s %s\n%s", d.State, d.Err, w.Text("log/k3s"))
	}
	return nil
}

func (w *World) stop() error {
	if d := w.Do(systemd.Order{Do: "stop-k3s", Within: 20_000}); d.State != "inactive" {
		return fmt.Errorf("the stub did not stop: %s", d.State)
	}
	return nil
}

// belay runs Belay in the world, with what is given to all of Belay and more.
func (w *World) belay(args []string, more ...string) systemd.Done {
	env := append(append([]string{"BELAY_MIRROR=/mirror", "BELAY_FEW_PROBES=1"}, more...), Environment...)
	return w.Do(systemd.Order{Do: "run", Argv: append([]string{"/belay/belay"}, args...), Env: env, Within: patience})
}

// NewWorld copies the template and starts process 1 in it; K3s is not started.
func NewWorld(dir, template string, p Programs) (*World, error) {
	if err := keepInodes(template, dir); err != nil {
		return nil, err
	}
	if err := clone(template, dir); err != nil {
		return nil, err
	}
	w := &World{Root: dir}
	if err := w.boot(p); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *World) boot(p Programs) error {
	c := exec.Command(filepath.Join(p.Dir, "stub"), "init", w.Root, p.Dir)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	c.Stderr = &w.noise
	to, err := c.StdinPipe()
	if err != nil {
		return err
	}
	from, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start a world: %w", err)
	}
	w.init, w.to, w.from = c, to, json.NewDecoder(from)
	if d := w.Do(systemd.Order{Do: "settle", Within: 1000}); d.Err != "" {
		return fmt.Errorf("start a world: %s", d.Err)
	}
	return nil
}

// Do asks process 1 for something and waits until it is done.
func (w *World) Do(o systemd.Order) systemd.Done {
	var d systemd.Done
	if err := json.NewEncoder(w.to).Encode(o); err != nil {
		return systemd.Done{Code: -1, Err: err.Error() + w.noise.String(), Hung: true}
	}
	if err := w.from.Decode(&d); err != nil {
		return systemd.Done{Code: -1, Err: err.Error() + w.noise.String(), Hung: true}
	}
	return d
}

// Close ends every process of the world; its directory stays.
func (w *World) Close() {
	w.to.Close()
	_ = w.init.Process.Kill()
	_ = w.init.Wait()
}

// Path is a path of the world as this process sees it.
func (w *World) Path(path string) string {
	if rest, ok := strings.CutPrefix(path, "/usr/local/"); ok {
		path = "local/" + rest
	}
	return filepath.Join(w.Root, path)
}

// Text is a file of the world, or nothing.
func (w *World) Text(path string) string {
	text, _ := os.ReadFile(w.Path(path))
	return string(text)
}

func publish(root string, r k3s.Release) error {
	dir := filepath.Join(root, "mirror", r.Tag)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "k3s"), []byte(r.Wrapper()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sha256sum-amd64.txt"), []byte(sum([]byte(r.Wrapper()))+"  k3s\n"), 0o644)
}

// clone copies a directory; what a release carries is linked.
func clone(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case d.Type()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0:
			return nil
		case strings.HasPrefix(rel, "stub/"), strings.HasPrefix(rel, "var/lib/rancher/k3s/data/"):
			// A world with a disk of its own has it from nowhere to link to.
			if err := os.Link(path, target); !errors.Is(err, syscall.EXDEV) {
				return err
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, text, info.Mode().Perm()); err != nil {
			return err
		}
		return os.Chtimes(target, time.Time{}, info.ModTime())
	})
}
