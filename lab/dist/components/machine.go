//go:build !v1.37

package components

import (
	"context"
	"runtime"
	"syscall"
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	corev1 "k8s.io/api/core/v1"
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

// RootFsInfo and ImagesFsInfo feed ephemeral-storage and the disk pressure check.
func (m *machine) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(kubeletRoot, &fs); err != nil {
		return cadvisorapiv2.FsInfo{}, err
	}
	size := uint64(fs.Bsize)
	inodes, free := fs.Files, fs.Ffree
	return cadvisorapiv2.FsInfo{
		Timestamp: time.Now(), Device: "root", Mountpoint: "/",
		Capacity: fs.Blocks * size, Available: fs.Bavail * size, Usage: (fs.Blocks - fs.Bfree) * size,
		Inodes: &inodes, InodesFree: &free,
	}, nil
}

// ImagesFsInfo is the same file system.
func (m *machine) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return m.RootFsInfo() }

// GetDirFsInfo too: the eviction manager asks for the images' one.
func (m *machine) GetDirFsInfo(string) (cadvisorapiv2.FsInfo, error) { return m.RootFsInfo() }

// GetCapacity has the real size of the disk; the stub says zero, and no pod that
// asks for ephemeral storage would ever be placed.
func (c containers) GetCapacity(bool) corev1.ResourceList { return diskCapacity() }
