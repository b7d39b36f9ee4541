package snapshots

import (
	"strconv"
	"strings"
	"time"
)

// Request is what `k3s etcd-snapshot` sends to /db/snapshot.
type Request struct {
	Operation string   `json:"operation"`
	Name      []string `json:"name,omitempty"`
	Dir       *string  `json:"dir,omitempty"`
	Compress  *bool    `json:"compress,omitempty"`
	Retention *int     `json:"retention,omitempty"`
}

// Result is the answer to all but list.
type Result struct {
	Created []string `json:"created,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

// List is the answer to list: ETCDSnapshotFile objects.
type List struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   struct{} `json:"metadata"`
	Items      []Object `json:"items"`
}

// Object is one ETCDSnapshotFile, as far as the captures show it.
type Object struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		SnapshotName string `json:"snapshotName"`
		NodeName     string `json:"nodeName"`
		Location     string `json:"location"`
	} `json:"spec"`
	Status struct {
		Size         string `json:"size"`
		CreationTime string `json:"creationTime"`
		ReadyToUse   bool   `json:"readyToUse"`
	} `json:"status"`
}

// Objects shows files as the API would (captures/…/etcd-snapshot-ls.txt).
func (d Dir) Objects(files []File) List {
	list := List{Kind: "List", APIVersion: "v1", Items: []Object{}}
	for _, f := range files {
		o := Object{Kind: "ETCDSnapshotFile", APIVersion: "k3s.cattle.io/v1"}
		o.Metadata.Name = "local-" + strings.ToLower(strings.ReplaceAll(f.Name, "_", "-"))
		o.Metadata.Labels = map[string]string{"etcd.k3s.cattle.io/snapshot-storage-node": d.Node}
		o.Spec.SnapshotName, o.Spec.NodeName, o.Spec.Location = f.Name, d.Node, d.Location(f)
		o.Status.Size = strconv.FormatInt(f.Size, 10)
		o.Status.CreationTime = f.Created.UTC().Format(time.RFC3339)
		o.Status.ReadyToUse = true
		list.Items = append(list.Items, o)
	}
	return list
}
