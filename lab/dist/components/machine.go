package components

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
)

// machine reports the real host where upstream's fake invents one: facts that
// Belay gathers from the Node agree with those it gathers on the node.
type machine struct {
	cadvisortest.Fake
	name string
}

func (m *machine) Start() error { return nil }

// MachineInfo feeds capacity and nodeInfo.
func (m *machine) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{
		NumCores:       runtime.NumCPU(),
		MemoryCapacity: memory(),
		InstanceID:     cadvisorapi.InstanceID(m.name),
		MachineID:      line("/etc/machine-id"),
		SystemUUID:     line("/etc/machine-id"),
		BootID:         line("/proc/sys/kernel/random/boot_id"),
	}, nil
}

// VersionInfo feeds kernelVersion and osImage.
func (m *machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	return &cadvisorapi.VersionInfo{
		KernelVersion:      line("/proc/sys/kernel/osrelease"),
		ContainerOsVersion: osName(),
	}, nil
}

func line(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func memory() uint64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

func osName() string {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "Linux"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "PRETTY_NAME="); ok {
			if plain, err := strconv.Unquote(name); err == nil {
				return plain
			}
			return name
		}
	}
	return "Linux"
}
