package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"belay.dev/lab/bench/bad/payload"
)

// saboteur is the name under which the side process runs. It must not look
// like a K3s server to anyone who lists processes.
const saboteur = "lab-fault"

// startSaboteur leaves a process beside us that is not our child: after the
// exec we are K3s, which would never reap it. The one in the middle ends at
// once and makes it the init's child.
func startSaboteur(fault payload.Fault) error {
	args := []string{saboteur, "fork", fault.Kind, strconv.FormatInt(fault.AfterMillis, 10), strconv.Itoa(os.Getpid())}
	return (&exec.Cmd{Path: "/proc/self/exe", Args: args, Stderr: os.Stderr}).Run()
}

func sabotage(args []string) {
	if len(args) == 4 && args[0] == "fork" {
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{saboteur}, args[1:]...),
			Stderr: os.Stderr, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, "lab-fault:", err)
			os.Exit(1)
		}
		return
	}
	if len(args) != 3 {
		os.Exit(2)
	}
	millis, _ := strconv.ParseInt(args[1], 10, 64)
	pid, _ := strconv.Atoi(args[2])
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // gone already
	}
	server := victim{pid, fd}
	switch args[0] {
	case "dies-after":
		server.killWhenReady(time.Duration(millis) * time.Millisecond)
	case "kubelet-never":
		server.freezeRuntime()
	}
}

// victim is the K3s that we go wrong with; the descriptor cannot come to mean
// another process.
type victim struct{ pid, fd int }

// lives waits up to d and says whether the server is still there. The side
// process ends with it: it must not outlive a stop, where KillMode=process
// leaves everything else alone.
func (v victim) lives(d time.Duration) bool {
	end := time.Now().Add(d)
	for {
		left := max(time.Until(end), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(v.fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return err == nil && n == 0
	}
}

// killWhenReady waits for systemd to call the unit active, then for the given
// time, then kills the server as the kernel does when memory runs out.
func (v victim) killWhenReady(after time.Duration) {
	unit := ownUnit()
	for unit != "" && exec.Command("systemctl", "is-active", "--quiet", unit).Run() != nil {
		if !v.lives(200 * time.Millisecond) {
			return
		}
	}
	if !v.lives(after) {
		return
	}
	fmt.Fprintf(os.Stderr, "lab-fault: the server dies now, %s after ready\n", after)
	_ = unix.PidfdSendSignal(v.fd, unix.SIGKILL, nil, 0)
}

// ownUnit is the systemd service whose control group we are in.
func ownUnit() string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) == 3 && (f[1] == "name=systemd" || f[1] == "") {
			if unit := filepath.Base(f[2]); strings.HasSuffix(unit, ".service") {
				return unit
			}
		}
	}
	return ""
}

// freezeRuntime stops containerd (a real K3s) or the kubelet (the bench's)
// in its first moments, before it can listen or renew anything: the process
// is there, nothing ever comes of it.
func (v victim) freezeRuntime() {
	frozen := map[int]bool{}
	for v.lives(5 * time.Millisecond) {
		for _, pid := range children(v.pid) {
			name := commandName(pid)
			if frozen[pid] || (name != "containerd" && name != "kubelet") {
				continue
			}
			if syscall.Kill(pid, syscall.SIGSTOP) == nil {
				frozen[pid] = true
				fmt.Fprintf(os.Stderr, "lab-fault: %s (pid %d) is frozen\n", name, pid)
			}
		}
	}
}

// children asks each thread: a process is listed with the one that forked it.
func children(pid int) []int {
	var pids []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for _, w := range strings.Fields(string(b)) {
			if p, err := strconv.Atoi(w); err == nil {
				pids = append(pids, p)
			}
		}
	}
	return pids
}

func commandName(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	arg0, _, _ := bytes.Cut(b, []byte{0})
	return filepath.Base(string(arg0))
}
