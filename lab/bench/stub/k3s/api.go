package k3s

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// api answers the questions that Belay has.
type api struct {
	store *Store
	tag   string
	kind  Kind
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		status(w, 401, "Unauthorized")
		return
	}
	switch r.URL.Path {
	case "/version":
		answer(w, 200, map[string]any{"major": "1", "minor": "0", "gitVersion": a.tag})
		return
	case "/readyz":
		fmt.Fprint(w, "[+]ping ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n")
		return
	case "/metrics":
		fmt.Fprint(w, "# nothing is counted\n")
		return
	}
	p, ok := parse(r.URL.Path)
	if !ok {
		status(w, 404, "NotFound")
		return
	}
	switch {
	case p.log:
		fmt.Fprint(w, "pause\n")
	case r.Method == http.MethodGet && p.name != "":
		a.get(w, p)
	case r.Method == http.MethodGet:
		items, revision := a.store.List(p.prefix())
		answer(w, 200, map[string]any{"kind": "List", "apiVersion": "v1",
			"metadata": map[string]any{"resourceVersion": fmt.Sprint(revision)}, "items": items})
	case r.Method == http.MethodPost:
		a.create(w, r, p)
	case r.Method == http.MethodDelete:
		a.remove(w, r, p)
	default:
		status(w, 405, "MethodNotAllowed")
	}
}

func (a *api) get(w http.ResponseWriter, p place) {
	o, ok := a.store.Get(p.key(p.name))
	if !ok {
		status(w, 404, "NotFound")
		return
	}
	if a.kind == Other && p.kind == "namespaces" {
		// As after an interrupted restore: ready, and another cluster.
		o = map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": p.name, "uid": "another-cluster"}}
	}
	answer(w, 200, o)
}

func (a *api) create(w http.ResponseWriter, r *http.Request, p place) {
	var o map[string]any
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		status(w, 400, err.Error())
		return
	}
	meta, _ := o["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	key := p.key(name)
	if _, there := a.store.Get(key); there {
		status(w, 409, "AlreadyExists")
		return
	}
	meta["namespace"] = p.namespace
	meta["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	if p.kind == "pods" {
		// A kubelet that is done at once.
		condition := func(kind string) any { return map[string]any{"type": kind, "status": "True"} }
		o["status"] = map[string]any{"phase": "Running", "conditions": []any{condition("PodScheduled"), condition("Ready")}}
	}
	made, err := a.store.Put(key, o)
	if err != nil {
		status(w, 500, err.Error())
		return
	}
	answer(w, 201, made)
}

func (a *api) remove(w http.ResponseWriter, r *http.Request, p place) {
	var options struct {
		Preconditions struct{ UID string } `json:"preconditions"`
	}
	_ = json.NewDecoder(r.Body).Decode(&options)
	if o, ok := a.store.Get(p.key(p.name)); ok && options.Preconditions.UID != "" {
		if meta, _ := o["metadata"].(map[string]any); meta["uid"] != options.Preconditions.UID {
			status(w, 409, "Conflict")
			return
		}
	}
	o, ok, err := a.store.Delete(p.key(p.name))
	switch {
	case err != nil:
		status(w, 500, err.Error())
	case !ok:
		status(w, 404, "NotFound")
	default:
		answer(w, 200, o)
	}
}

// place is what a path names.
type place struct {
	kind, namespace, name string
	log                   bool
}

func parse(path string) (place, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return place{}, false
	}
	var p place
	if parts[0] == "namespaces" && len(parts) > 2 {
		p.namespace, parts = parts[1], parts[2:]
	}
	p.kind = parts[0]
	if len(parts) > 1 {
		p.name = parts[1]
	}
	p.log = len(parts) > 2 && parts[2] == "log"
	return p, true
}

func (p place) prefix() string {
	kind := p.kind
	if kind == "nodes" {
		kind = "minions"
	}
	if p.namespace == "" {
		return "/registry/" + kind + "/"
	}
	return "/registry/" + kind + "/" + p.namespace + "/"
}

func (p place) key(name string) string { return p.prefix() + name }

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func status(w http.ResponseWriter, code int, reason string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "code": code, "reason": reason, "message": reason})
}
