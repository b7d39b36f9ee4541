//go:build v1.33 || v1.34

package components

import (
	corev1 "k8s.io/api/core/v1"
	probetest "k8s.io/kubernetes/pkg/kubelet/prober/testing"
)

// probes says that every running container is healthy. Upstream's fake says so
// of containers that do not run yet, too, and a gate that waits for a Ready pod
// would be told yes before anything happened.
type probes struct{ probetest.FakeManager }

// UpdatePodStatus follows the container's state.
func (probes) UpdatePodStatus(_ *corev1.Pod, status *corev1.PodStatus) {
	for i := range status.ContainerStatuses {
		c := &status.ContainerStatuses[i]
		running := c.State.Running != nil
		c.Ready, c.Started = running, &running
	}
}
