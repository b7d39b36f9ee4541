package components

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	apitest "k8s.io/cri-api/pkg/apis/testing"
)

// saved form of what the fake runtime holds. The CRI messages know how to be
// JSON; the structs around them do not.
type savedState struct {
	Sandboxes  []savedSandbox   `json:"sandboxes"`
	Containers []savedContainer `json:"containers"`
}

type savedSandbox struct {
	Status  json.RawMessage `json:"status"`
	Handler string          `json:"handler"`
}

type savedContainer struct {
	Status  json.RawMessage `json:"status"`
	Sandbox string          `json:"sandbox"`
}

func (r *runtimeService) save() error {
	var s savedState
	r.Lock()
	defer r.Unlock()
	for _, sandbox := range r.Sandboxes {
		raw, err := messageJSON(&sandbox.PodSandboxStatus)
		if err != nil {
			return err
		}
		s.Sandboxes = append(s.Sandboxes, savedSandbox{raw, sandbox.RuntimeHandler})
	}
	for _, container := range r.Containers {
		raw, err := messageJSON(&container.ContainerStatus)
		if err != nil {
			return err
		}
		s.Containers = append(s.Containers, savedContainer{raw, container.SandboxID})
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.state+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(r.state+".new", r.state)
}

func (r *runtimeService) load() error {
	raw, err := os.ReadFile(r.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s savedState
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%s: %w", r.state, err)
	}
	for _, saved := range s.Sandboxes {
		sandbox := &apitest.FakePodSandbox{RuntimeHandler: saved.Handler}
		if err := messageOf(saved.Status, &sandbox.PodSandboxStatus); err != nil {
			return err
		}
		r.Sandboxes[sandbox.Id] = sandbox
	}
	for _, saved := range s.Containers {
		container := &apitest.FakeContainer{SandboxID: saved.Sandbox}
		if err := messageOf(saved.Status, &container.ContainerStatus); err != nil {
			return err
		}
		r.Containers[container.Id] = container
		r.images.add(container.GetImage().GetImage())
	}
	return nil
}

// imageService is upstream's fake with the images that a K3s node has from its
// airgap archive; others are "pulled" at once.
type imageService struct{ *apitest.FakeImageService }

// presentImages are on every node (captures/…/node.yaml), so that a canary with
// imagePullPolicy Never has something to run.
var presentImages = map[string]uint64{
	"docker.io/rancher/mirrored-pause:3.6": 768668,
	"docker.io/library/busybox:lab":        1997470,
}

func newImages() *imageService {
	s := &imageService{apitest.NewFakeImageService()}
	for name := range presentImages {
		s.add(name)
	}
	usage := []*runtimeapi.FilesystemUsage{{
		Timestamp: 1, FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: kubeletRoot},
		UsedBytes: &runtimeapi.UInt64Value{}, InodesUsed: &runtimeapi.UInt64Value{},
	}}
	s.SetFakeFilesystemUsage(usage)
	s.SetFakeContainerFilesystemUsage(usage)
	return s
}

func (s *imageService) add(name string) {
	if name == "" {
		return
	}
	s.Lock()
	defer s.Unlock()
	size, ok := presentImages[name]
	if !ok {
		size = 1 << 20
	}
	s.Images[name] = sized(size, &runtimeapi.Image{
		Id: name, Spec: &runtimeapi.ImageSpec{Image: name}, RepoTags: []string{name}, Pinned: ok,
	})
}

// ImageStatus finds an image under the short names that people write, as
// containerd does.
func (s *imageService) ImageStatus(ctx context.Context, image *runtimeapi.ImageSpec, verbose bool) (*runtimeapi.ImageStatusResponse, error) {
	for _, prefix := range []string{"", "docker.io/", "docker.io/library/"} {
		full := &runtimeapi.ImageSpec{Image: prefix + image.GetImage()}
		status, err := s.FakeImageService.ImageStatus(ctx, full, verbose)
		if err != nil || status.GetImage() != nil {
			return status, err
		}
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}
