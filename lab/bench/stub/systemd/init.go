package systemd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Order is what the harness asks of process 1, one line of JSON each.
type Order struct {
	Do   string // start-k3s, stop-k3s, run, boot, settle
	Argv []string
	Env  []string
	// Within is in milliseconds.
	Within int
}

// Done is its answer.
type Done struct {
	Code  int    // of a program; -9 when it was killed
	Out   string // of a program
	Err   string
	State string // ActiveState of K3s
	Hung  bool   // it was not done in time
}

const socket = "/run/systemd/private"

// reply is what systemctl says, and its exit code of one digit.
type reply struct {
	Code int
	Out  string
	Err  string
}

type manager struct {
	mu    sync.Mutex
	units map[string]*unit
	boots int
}

// Init is process 1 of a world: it makes the namespace that it was started in
// its own, and does what it is told until its input ends.
func Init(root, programs string) error {
	if err := enter(root, programs); err != nil {
		return err
	}
	m := &manager{units: map[string]*unit{}}
	if err := m.boot(false); err != nil {
		return err
	}
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go m.serve(listener)
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o Order
		if err := in.Decode(&o); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := out.Encode(m.do(o)); err != nil {
			return err
		}
	}
}

func enter(root, programs string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	binds := [][2]string{{"/usr", "usr"}, {"/dev", "dev"}, {programs, "belay"}, {filepath.Join(root, "local"), "usr/local"}}
	for _, b := range binds {
		if err := unix.Mount(b[0], filepath.Join(root, b[1]), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s: %w", b[0], err)
		}
	}
	for _, name := range []string{"systemctl", "journalctl"} {
		if err := unix.Mount(filepath.Join(programs, "systemctl"), filepath.Join(root, "usr/bin", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	if err := unix.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	if err := unix.Sethostname([]byte("n1")); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/self/comm", []byte("systemd"), 0); err != nil {
		return err
	}
	return loopback()
}

func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr)
}

// boot gives the machine a new boot id and forgets every unit; what is ordered before K3s runs first.
func (m *manager) boot(start bool) error {
	const id = "/boot-id"
	m.mu.Lock()
	m.boots++
	m.units = map[string]*unit{}
	m.mu.Unlock()
	_ = os.Remove(cut)
	// /run does not outlive a boot.
	_ = os.RemoveAll("/run/belay")
	text := fmt.Sprintf("00000000-0000-4000-8000-%012d\n", m.boots)
	if err := os.WriteFile(id, []byte(text), 0o444); err != nil {
		return err
	}
	if m.boots == 1 {
		if err := unix.Mount(id, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("boot id: %w", err)
		}
	}
	if !start {
		return nil
	}
	looks, _ := filepath.Glob(timers + "/*.timer")
	for _, link := range looks {
		m.unit(filepath.Base(link)).start()
	}
	k3s := m.unit(k3sUnit)
	k3s.mu.Lock()
	k3s.held, k3s.job = true, 1
	k3s.mu.Unlock()
	links, _ := filepath.Glob(wanted + "/*.service")
	for _, link := range links {
		name := filepath.Base(link)
		if name == k3sUnit {
			continue
		}
		u := load(name)
		if len(u.exec) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		c := exec.CommandContext(ctx, u.exec[0], u.exec[1:]...)
		c.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, m.guardEnv()...)
		out, err := c.CombinedOutput()
		cancel()
		appendTo("/log/guard", fmt.Sprintf("%s: %v\n%s", name, err, out))
	}
	k3s.mu.Lock()
	k3s.held, k3s.job = false, 0
	k3s.mu.Unlock()
	if _, err := os.Stat(cut); err == nil {
		return nil // a second cut in the boot
	}
	k3s.start()
	return nil
}

// guardEnv is what the boot unit's programs get, so that they can be killed as well.
func (m *manager) guardEnv() []string {
	text, _ := os.ReadFile("/crash/env")
	return strings.Fields(string(text))
}

func (m *manager) unit(name string) *unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.units[name]
	if !ok {
		u = load(name)
		m.units[name] = u
	}
	return u
}

func (m *manager) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			// As stub/systemctl asks.
			if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
				r := m.systemctl(strings.Split(strings.TrimSuffix(line, "\n"), "\x00"))
				fmt.Fprintf(conn, "%d\x00%s\x00%s", r.Code, r.Out, r.Err)
			}
		}()
	}
}

func (m *manager) systemctl(args []string) reply {
	var words []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-p":
			i++
		case strings.HasPrefix(a, "-"):
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return reply{Code: 1, Err: "nothing was asked\n"}
	}
	verb, names := words[0], words[1:]
	if verb == "daemon-reload" {
		m.mu.Lock()
		all := m.units
		m.mu.Unlock()
		for _, u := range all {
			u.reload()
		}
		return reply{}
	}
	var out strings.Builder
	for _, name := range names {
		u := m.unit(name)
		if verb == "start" && !u.timer() && len(u.exec) == 0 {
			return reply{Code: 5, Err: "Failed to start " + name + ": Unit " + name + " not found.\n"}
		}
		switch verb {
		case "show":
			out.WriteString(u.show())
		case "start":
			u.start()
		case "stop":
			u.stop()
		case "reset-failed":
			u.resetFailed()
		default:
			return reply{Code: 1, Err: "Unknown command verb " + verb + "\n"}
		}
	}
	return reply{Out: out.String()}
}

func (m *manager) do(o Order) Done {
	within := time.Duration(o.Within) * time.Millisecond
	k3s := m.unit(k3sUnit)
	switch o.Do {
	case "start-k3s":
		k3s.start()
		return m.settled(within)
	case "stop-k3s":
		k3s.stop()
		for end := time.Now().Add(within); m.state() == "deactivating" && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		return Done{State: m.state()}
	case "run":
		return m.run(o, within)
	case "boot":
		k3s.forget()
		for _, name := range []string{"belay", "belay-helper", "k3s"} {
			killAll(name)
		}
		for end := time.Now().Add(5 * time.Second); anybody("belay", "belay-helper", "k3s") && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if err := m.boot(true); err != nil {
			return Done{Err: err.Error()}
		}
		return m.settled(within)
	case "settle":
		return m.settled(within)
	}
	return Done{Err: "no such order: " + o.Do}
}

func (m *manager) state() string {
	u := m.unit(k3sUnit)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.active
}

// settled waits until nothing of Belay works any more and K3s is up or down.
func (m *manager) settled(within time.Duration) Done {
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		s := m.state()
		if !anybody("belay", "belay-helper") && (s == "active" || s == "inactive" || s == "failed") {
			return Done{State: s}
		}
		if time.Now().After(end) {
			return Done{State: s, Hung: true}
		}
	}
}

func (m *manager) run(o Order, within time.Duration) Done {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, o.Argv[0], o.Argv[1:]...)
	c.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root", "USER=root"}, o.Env...)
	c.Stdout, c.Stderr = &out, &errs
	// A helper that outlives its coordinator holds the pipe.
	c.WaitDelay = 20 * time.Millisecond
	err := c.Run()
	d := Done{Out: out.String(), Err: errs.String(), Hung: ctx.Err() != nil}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			d.Code = -int(status.Signal())
		} else {
			d.Code = exit.ExitCode()
		}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		d.Code, d.Err = -1, d.Err+err.Error()
	}
	d.State = m.state()
	return d
}

// processes calls each with the pid of every process of that name.
func processes(name string, each func(pid int)) {
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		var pid int
		if _, err := fmt.Sscanf(d.Name(), "%d", &pid); err != nil || pid == 1 {
			continue
		}
		comm, err := os.ReadFile(filepath.Join("/proc", d.Name(), "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		// A dead one that nobody has buried is no process.
		stat, err := os.ReadFile(filepath.Join("/proc", d.Name(), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			continue
		}
		each(pid)
	}
}

func anybody(names ...string) bool {
	found := false
	for _, name := range names {
		processes(name, func(int) { found = true })
	}
	return found
}

func killAll(name string) {
	processes(name, func(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) })
}

func appendTo(path, text string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(text)
}
