package components

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	apitest "k8s.io/cri-api/pkg/apis/testing"
)

// runtimeService is upstream's fake container runtime with the few things that
// a cluster's users notice: pod addresses from the node's range, a log file, an
// image list, and containers that outlive a restart of k3s, as with K3s'
// KillMode=process (k3s-facts §1.7).
type runtimeService struct {
	*apitest.FakeRuntimeService
	images     *imageService
	containerd string
	state      string // file with the sandboxes and containers; gone after a reboot, like /run

	ask func(context.Context) (string, error) // the Node's podCIDR

	mu      sync.Mutex
	podCIDR netip.Prefix
}

func newRuntime(containerd, dir string, ask func(context.Context) (string, error)) (*runtimeService, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	r := &runtimeService{
		FakeRuntimeService: apitest.NewFakeRuntimeService(),
		images:             newImages(),
		containerd:         containerd,
		ask:                ask,
		state:              filepath.Join(dir, "bench-state.json"),
	}
	ready := func(kind string) *runtimeapi.RuntimeCondition {
		return &runtimeapi.RuntimeCondition{Type: kind, Status: true}
	}
	r.FakeStatus = &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		ready(runtimeapi.RuntimeReady), ready(runtimeapi.NetworkReady),
	}}
	return r, r.load()
}

// Version is what nodeInfo.containerRuntimeVersion shows.
func (r *runtimeService) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{
		Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: r.containerd, RuntimeApiVersion: "v1",
	}, nil
}

// UpdateRuntimeConfig tells the runtime the pod range of the node.
func (r *runtimeService) UpdateRuntimeConfig(_ context.Context, config *runtimeapi.RuntimeConfig) error {
	return r.setRange(config.GetNetworkConfig().GetPodCidr())
}

// RunPodSandbox gives each pod an address of its own. Like a CNI plugin it
// waits for the node's range, which the controller-manager hands out a moment
// after the node has registered.
func (r *runtimeService) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	if err := r.waitForRange(ctx); err != nil {
		return "", err
	}
	id, err := r.FakeRuntimeService.RunPodSandbox(ctx, config, handler)
	if err != nil {
		return "", err
	}
	r.Lock()
	r.Sandboxes[id].Network = &runtimeapi.PodSandboxNetworkStatus{Ip: r.freeAddress(id).String()}
	r.Unlock()
	return id, r.save()
}

// waitForRange asks the API itself: the kubelet looks at its Node only every
// ten seconds and would tell the runtime late.
func (r *runtimeService) waitForRange(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		known := r.podCIDR.IsValid()
		r.mu.Unlock()
		if known {
			return nil
		}
		if text, err := r.ask(limit); err == nil && text != "" {
			if err := r.setRange(text); err != nil {
				return err
			}
			continue
		}
		select {
		case <-limit.Done():
			return errors.New("no pod range assigned to the node yet")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *runtimeService) setRange(text string) error {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.podCIDR = prefix
	r.mu.Unlock()
	return nil
}

// freeAddress: the first three addresses are network, bridge and room.
func (r *runtimeService) freeAddress(self string) netip.Addr {
	r.mu.Lock()
	prefix := r.podCIDR
	r.mu.Unlock()
	taken := map[string]bool{}
	for id, s := range r.Sandboxes {
		if id != self && s.State == runtimeapi.PodSandboxState_SANDBOX_READY {
			taken[s.GetNetwork().GetIp()] = true
		}
	}
	ip := prefix.Masked().Addr().Next().Next()
	for prefix.Contains(ip) && taken[ip.String()] {
		ip = ip.Next()
	}
	return ip
}

// CreateContainer remembers where the log goes.
func (r *runtimeService) CreateContainer(ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, pod *runtimeapi.PodSandboxConfig) (string, error) {
	id, err := r.FakeRuntimeService.CreateContainer(ctx, sandbox, config, pod)
	if err != nil {
		return "", err
	}
	if config.GetLogPath() != "" {
		path := filepath.Join(pod.GetLogDirectory(), config.GetLogPath())
		r.Lock()
		r.Containers[id].LogPath = path
		r.Unlock()
	}
	return id, r.save()
}

// StartContainer writes the line that `kubectl logs` shows, in CRI's log format.
func (r *runtimeService) StartContainer(ctx context.Context, id string) error {
	if err := r.FakeRuntimeService.StartContainer(ctx, id); err != nil {
		return err
	}
	r.Lock()
	var path, name string
	if c, ok := r.Containers[id]; ok {
		path, name = c.LogPath, c.GetMetadata().GetName()
	}
	r.Unlock()
	if path != "" {
		if err := writeLog(path, "started "+name+" (no container: bench distribution)"); err != nil {
			return err
		}
	}
	return r.save()
}

func writeLog(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	line := fmt.Sprintf("%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), text)
	return os.WriteFile(path, []byte(line), 0o640)
}

// StopContainer, RemoveContainer, StopPodSandbox and RemovePodSandbox only have
// to be remembered.
func (r *runtimeService) StopContainer(ctx context.Context, id string, timeout int64) error {
	return r.saved(r.FakeRuntimeService.StopContainer(ctx, id, timeout))
}

func (r *runtimeService) RemoveContainer(ctx context.Context, id string) error {
	return r.saved(r.FakeRuntimeService.RemoveContainer(ctx, id))
}

func (r *runtimeService) StopPodSandbox(ctx context.Context, id string) error {
	return r.saved(r.FakeRuntimeService.StopPodSandbox(ctx, id))
}

func (r *runtimeService) RemovePodSandbox(ctx context.Context, id string) error {
	return r.saved(r.FakeRuntimeService.RemovePodSandbox(ctx, id))
}

func (r *runtimeService) saved(err error) error {
	if err != nil {
		return err
	}
	return r.save()
}
