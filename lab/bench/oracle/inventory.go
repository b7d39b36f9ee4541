package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// Inventory is every object that the API shows, as "resource.group
// namespace/name", without what does not count.
type Inventory map[string]json.RawMessage

// compared is the metadata that counts; the rest (managedFields,
// resourceVersion, selfLink) is bookkeeping.
var compared = []string{"uid", "labels", "annotations", "generation", "finalizers", "ownerReferences",
	"creationTimestamp", "deletionTimestamp", "name", "namespace"}

// Take reads all objects of all resources, at the versions that the server
// prefers.
func Take(ctx context.Context, c *Cluster) (Inventory, error) {
	disco, err := c.discovery()
	if err != nil {
		return nil, err
	}
	lists, err := disco.ServerPreferredResources()
	if err != nil && (len(lists) == 0 || !discovery.IsGroupDiscoveryFailedError(err)) {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if err != nil {
		// An inventory that misses a group would later call its objects lost.
		return nil, fmt.Errorf("discovery is incomplete: %w", err)
	}
	dyn, err := c.dynamic()
	if err != nil {
		return nil, err
	}
	inv := Inventory{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") || !slices.Contains([]string(r.Verbs), "list") {
				continue
			}
			gvr := gv.WithResource(r.Name)
			if _, skip := passing[gvr.GroupResource()]; skip {
				continue
			}
			if err := inv.add(ctx, dyn, gvr); err != nil {
				return nil, fmt.Errorf("list %s: %w", gvr, err)
			}
		}
	}
	if len(inv) == 0 {
		return nil, errors.New("the server shows no objects at all")
	}
	return inv, nil
}

func (inv Inventory) add(ctx context.Context, dyn dynamic.Interface, gvr schema.GroupVersionResource) error {
	opts := metav1.ListOptions{Limit: 500}
	for {
		page, err := dyn.Resource(gvr).List(ctx, opts)
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range page.Items {
			o := &page.Items[i]
			key := Key(gvr.GroupResource().String(), o.GetNamespace(), o.GetName())
			if inv[key], err = normalise(gvr.GroupResource(), o); err != nil {
				return err
			}
		}
		if opts.Continue = page.GetContinue(); opts.Continue == "" {
			return nil
		}
	}
}

// Key names an object in an inventory.
func Key(resource, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return resource + " " + name
}

func normalise(gr schema.GroupResource, o *unstructured.Unstructured) (json.RawMessage, error) {
	forget(gr, o)
	delete(o.Object, "status")
	delete(o.Object, "apiVersion") // the preferred version may change with the release
	meta, _ := o.Object["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, f := range compared {
		if v, ok := meta[f]; ok {
			kept[f] = v
		}
	}
	o.Object["metadata"] = kept
	return json.Marshal(o.Object) // keys sorted, so equal objects are equal bytes
}

// Difference is one object that is not the same in two inventories.
type Difference struct {
	Key string
	// Fields are the paths that differ, with both values; empty when the
	// object is only on one side.
	Fields []string
	// OnlyIn is "before" or "after", or empty.
	OnlyIn string
}

func (d Difference) String() string {
	if d.OnlyIn != "" {
		return fmt.Sprintf("%s: only %s", d.Key, d.OnlyIn)
	}
	return d.Key + ": " + strings.Join(d.Fields, "; ")
}

// Diff compares two inventories, both ways.
func Diff(before, after Inventory) []Difference {
	return compare(before, after, false)
}

// Kept is the comparison for an upgrade, where the new version adds objects and
// defaults of its own: everything that was there must still be, with every
// field that it had.
func Kept(before, after Inventory) []Difference {
	return compare(before, after, true)
}

func compare(before, after Inventory, mayAdd bool) []Difference {
	var diffs []Difference
	for key, a := range before {
		b, ok := after[key]
		if !ok && mayAdd && isTheServersToRemove(a) {
			continue
		}
		if !ok {
			diffs = append(diffs, Difference{Key: key, OnlyIn: "before"})
			continue
		}
		if string(a) == string(b) {
			continue
		}
		var x, y any
		_ = json.Unmarshal(a, &x)
		_ = json.Unmarshal(b, &y)
		if mayAdd {
			leaveToTheServer(x, y)
		}
		if fields := fieldDiff("", x, y, mayAdd); len(fields) > 0 {
			diffs = append(diffs, Difference{Key: key, Fields: fields})
		}
	}
	for key := range after {
		if _, ok := before[key]; !ok && !mayAdd {
			diffs = append(diffs, Difference{Key: key, OnlyIn: "after"})
		}
	}
	sort.Slice(diffs, func(i, j int) bool { return diffs[i].Key < diffs[j].Key })
	return diffs
}

// isTheServersToRemove says whether an API server removes the object when its
// own version no longer has it: flow schemas and priority levels that say so
// themselves (Kubernetes 1.34 dropped two of its flow schemas).
func isTheServersToRemove(object json.RawMessage) bool {
	var o struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(object, &o)
	return o.Metadata.Annotations["apf.kubernetes.io/autoupdate-spec"] == "true"
}

// leaveToTheServer takes out of two states of one object what an API server
// reconciles at each start to what its own version has: the default roles and
// flow schemas that say so themselves. That they are there, with uid, labels
// and annotations, still counts.
func leaveToTheServer(before, after any) {
	x, _ := before.(map[string]any)
	y, _ := after.(map[string]any)
	meta, _ := x["metadata"].(map[string]any)
	notes, _ := meta["annotations"].(map[string]any)
	if notes["rbac.authorization.kubernetes.io/autoupdate"] != "true" && notes["apf.kubernetes.io/autoupdate-spec"] != "true" {
		return
	}
	for _, field := range []string{"rules", "subjects", "aggregationRule", "spec"} {
		delete(x, field)
		delete(y, field)
	}
	if yMeta, ok := y["metadata"].(map[string]any); ok { // counts the changes of the spec
		delete(meta, "generation")
		delete(yMeta, "generation")
	}
}

func fieldDiff(path string, a, b any, mayAdd bool) []string {
	x, xok := a.(map[string]any)
	y, yok := b.(map[string]any)
	if !xok || !yok {
		as, bs := show(a), show(b)
		if as == bs {
			return nil
		}
		return []string{fmt.Sprintf("%s: %s → %s", strings.TrimPrefix(path, "."), clip(as), clip(bs))}
	}
	keys := map[string]bool{}
	for k := range x {
		keys[k] = true
	}
	for k := range y {
		if _, had := x[k]; had || !mayAdd {
			keys[k] = true
		}
	}
	var fields []string
	for k := range keys {
		fields = append(fields, fieldDiff(path+"."+k, x[k], y[k], mayAdd)...)
	}
	sort.Strings(fields)
	return fields
}

func show(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
