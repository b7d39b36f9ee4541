package oracle

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What does not count. Each entry is here because a bare restart of the same
// version changes it; nothing else may be added.

// passing are resources that are not compared at all.
var passing = map[schema.GroupResource]string{
	{Group: "", Resource: "events"}:                         "records of what happened; they expire",
	{Group: "events.k8s.io", Resource: "events"}:            "the same, by its other name",
	{Group: "coordination.k8s.io", Resource: "leases"}:      "heartbeats",
	{Group: "", Resource: "componentstatuses"}:              "computed when asked",
	{Group: "k3s.cattle.io", Resource: "addons"}:            "K3s records at each start what it staged",
	{Group: "discovery.k8s.io", Resource: "endpointslices"}: "follow the readiness of pods; a kubelet's restart flips it",
	{Group: "", Resource: "endpoints"}:                      "the same, in its old form",
	{Group: "metrics.k8s.io", Resource: "nodes"}:            "measurements",
	{Group: "metrics.k8s.io", Resource: "pods"}:             "measurements",
}

// forget removes from an object what a bare restart changes.
func forget(gr schema.GroupResource, o *unstructured.Unstructured) {
	if gr.Group == "" && gr.Resource == "nodes" {
		// With etcd K3s lists its snapshots at each start, and notes when.
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "etcd.k3s.cattle.io/local-snapshots-timestamp")
		// Conditions become taints: not-ready for a moment at each start.
		taints, _, _ := unstructured.NestedSlice(o.Object, "spec", "taints")
		var kept []any
		for _, t := range taints {
			if m, ok := t.(map[string]any); ok {
				if key, _ := m["key"].(string); strings.HasPrefix(key, "node.kubernetes.io/") {
					continue
				}
			}
			kept = append(kept, t)
		}
		unstructured.RemoveNestedField(o.Object, "spec", "taints")
		if len(kept) > 0 {
			_ = unstructured.SetNestedSlice(o.Object, kept, "spec", "taints")
		}
	}
}
