// Package systemd is as much of systemd as Belay asks of it, as process 1 of a
// namespace: one notify service that is restarted, assertions that are read
// with the unit, oneshot units at boot, and jobs that wait for what is ordered
// before them. Timers are active or not, and never elapse: what the guard does
// when its lease is over is shown elsewhere.
package systemd

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	units   = "/etc/systemd/system"
	wanted  = units + "/multi-user.target.wants"
	timers  = units + "/timers.target.wants"
	k3sUnit = "k3s.service"
	// cut is written by a crash point that takes the whole node with it: nothing is started until the boot.
	cut     = "/crash/power-cut"
	restart = 100 * time.Millisecond
)

// unit is one service and what it does now.
type unit struct {
	mu       sync.Mutex
	name     string
	exec     []string
	asserts  []string // paths that must not be there, as of the last reload
	dropIns  []string
	active   string
	sub      string
	result   string
	life     string
	restarts int
	pid      int
	job      int
	assert   string
	left     int64 // microseconds on the boot clock
	entered  int64
	stopping bool
	again    *time.Timer
	lives    int
	// held: a boot has queued its start, and what is ordered before it is still at work.
	held bool
	// off: the machine that it is of was switched off.
	off bool
}

func load(name string) *unit {
	u := &unit{name: name, active: "inactive", sub: "dead", result: "success", assert: "yes"}
	u.reload()
	return u
}

// reload reads the files again, as daemon-reload does: what changes between two reloads is not seen.
func (u *unit) reload() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asserts, u.dropIns = nil, nil
	files := []string{filepath.Join(units, u.name)}
	ins, _ := filepath.Glob(filepath.Join(units, u.name+".d", "*.conf"))
	sort.Strings(ins)
	u.dropIns = ins
	for _, f := range append(files, ins...) {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
			switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
			case "ExecStart":
				u.exec = strings.Fields(value)
			case "AssertPathExists":
				if path, not := strings.CutPrefix(value, "!"); not {
					u.asserts = append(u.asserts, path)
				}
			}
		}
	}
}

func (u *unit) show() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	exec := ""
	if len(u.exec) > 0 {
		exec = fmt.Sprintf("{ path=%s ; argv[]=%s ; ignore_errors=no ; }", u.exec[0], strings.Join(u.exec, " "))
	}
	state := "loaded"
	if _, err := os.Stat(filepath.Join(units, u.name)); err != nil {
		state = "not-found"
	}
	return fmt.Sprintf(`Id=%s
LoadState=%s
ActiveState=%s
SubState=%s
Result=%s
InvocationID=%s
NRestarts=%d
MainPID=%d
ControlGroup=
Job=%d
FragmentPath=%s
DropInPaths=%s
Type=notify
KillMode=process
TimeoutStopUSec=1min 30s
UnitFileState=enabled
ExecStart=%s
EnvironmentFiles=%s/k3s.service.env (ignore_errors=yes)
ActiveEnterTimestampMonotonic=%d
InactiveExitTimestampMonotonic=%d
AssertResult=%s
`, u.name, state, u.active, u.sub, u.result, u.life, u.restarts, u.pid, u.job, filepath.Join(units, u.name),
		strings.Join(u.dropIns, " "), exec, units, u.entered, u.left, u.assert)
}

// start is a start job: it forgets earlier restarts.
func (u *unit) start() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held {
		u.job = 1
		return
	}
	u.restarts = 0
	if u.timer() {
		u.active, u.sub = "active", "waiting"
		return
	}
	u.begin()
}

func (u *unit) timer() bool { return strings.HasSuffix(u.name, ".timer") }

// begin begins a life; the lock is held.
func (u *unit) begin() {
	// A job that was asked for while the machine went off would be K3s outside of any unit after the boot.
	if u.off {
		return
	}
	if u.active == "active" || u.active == "activating" && u.sub == "start" {
		return
	}
	if u.again != nil {
		u.again.Stop()
		u.again = nil
	}
	u.assert = "yes"
	for _, path := range u.asserts {
		if _, err := os.Lstat(path); err == nil {
			u.assert, u.active, u.sub = "no", "inactive", "dead"
			return
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	u.life, u.stopping = hex.EncodeToString(id), false
	u.active, u.sub, u.result, u.left, u.entered = "activating", "start", "success", micros(), 0
	u.lives++
	socket := fmt.Sprintf("/run/notify-%d", u.lives)
	_ = os.Remove(socket)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		u.active, u.sub, u.result = "failed", "failed", "resources"
		return
	}
	c := exec.Command(u.exec[0], u.exec[1:]...)
	c.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "NOTIFY_SOCKET=" + socket, "INVOCATION_ID=" + u.life}
	if log, err := os.OpenFile("/log/k3s", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
		c.Stdout, c.Stderr = log, log
		defer log.Close()
	}
	if err := c.Start(); err != nil {
		conn.Close()
		u.active, u.sub, u.result = "failed", "failed", "exec"
		return
	}
	u.pid = c.Process.Pid
	life := u.life
	go u.listen(conn, life)
	go u.wait(c, conn, life)
}

func (u *unit) listen(conn *net.UnixConn, life string) {
	buffer := make([]byte, 64)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if strings.Contains(string(buffer[:n]), "READY=1") {
			u.mu.Lock()
			if u.life == life && u.active == "activating" {
				u.active, u.sub, u.entered = "active", "running", micros()
			}
			u.mu.Unlock()
		}
	}
}

func (u *unit) wait(c *exec.Cmd, conn *net.UnixConn, life string) {
	err := c.Wait()
	conn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.life != life {
		return
	}
	u.pid = 0
	if u.stopping {
		u.active, u.sub = "inactive", "dead"
		return
	}
	if _, gone := os.Stat(cut); gone == nil {
		u.active, u.sub = "inactive", "dead"
		return
	}
	u.result = "exit-code"
	if err == nil {
		u.result = "success"
	}
	u.active, u.sub = "activating", "auto-restart"
	u.again = time.AfterFunc(restart, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.sub == "auto-restart" && !u.stopping {
			u.restarts++
			u.again = nil
			u.begin()
		}
	})
}

func (u *unit) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.job = 0
	if u.again != nil {
		u.again.Stop()
		u.again = nil
		u.active, u.sub = "inactive", "dead"
		return
	}
	if u.active == "inactive" || u.active == "failed" {
		return
	}
	if u.timer() {
		u.active, u.sub = "inactive", "dead"
		return
	}
	u.stopping = true
	u.active, u.sub = "deactivating", "stop-sigterm"
	_ = syscall.Kill(u.pid, syscall.SIGTERM)
}

// forget lets nothing come of this unit any more: the machine is switched off.
func (u *unit) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.life, u.stopping, u.off = "", true, true
	if u.again != nil {
		u.again.Stop()
		u.again = nil
	}
}

func (u *unit) resetFailed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.restarts = 0
	if u.active == "failed" {
		u.active, u.sub, u.result = "inactive", "dead", "success"
	}
}

func micros() int64 {
	text, _ := os.ReadFile("/proc/uptime")
	var up float64
	_, _ = fmt.Sscanf(string(text), "%f", &up)
	return int64(up * 1e6)
}
