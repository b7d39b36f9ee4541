package k3s

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	dataDir = "/var/lib/rancher/k3s"
	node    = "n1"
	beat    = 250 * time.Millisecond
)

// Main is `k3s server`.
func Main() error {
	// It lives for seconds, on a machine with many beside it.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(1)
	r, err := ownRelease()
	if err != nil {
		return err
	}
	if r.Kind == Dies {
		return errors.New("this release never starts")
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	server := filepath.Join(dataDir, "server")
	note("life", r.Tag)
	store, fresh, err := Open(server, r.Tag)
	if err != nil {
		return err
	}
	if fresh {
		note("empty cluster", r.Tag)
	}
	if err := begin(store, server, r, fresh); err != nil {
		return err
	}
	listener, err := listen(server)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: &api{store, r.Tag, r.Kind}, ErrorLog: nil}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	ready()
	tick := time.NewTicker(beat)
	for {
		select {
		case <-term:
			// Killed as it is, like K3s: the log of the database stays behind.
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
			if err := heartbeat(store); err != nil {
				return err
			}
		}
	}
}

// begin writes what every start writes: the node with its version, a sign of life, and in a new cluster all of it.
func begin(store *Store, server string, r Release, fresh bool) error {
	if fresh {
		if err := initialise(store, server); err != nil {
			return err
		}
	}
	if _, err := store.Put("/registry/minions/"+node, nodeObject(store, r.Tag)); err != nil {
		return err
	}
	name := fmt.Sprintf("life-%d", time.Now().UnixNano())
	life := newObject("ConfigMap", "default", name)
	life["data"] = map[string]any{"version": r.Tag}
	if _, err := store.Put("/registry/configmaps/default/"+name, life); err != nil {
		return err
	}
	// What exists in both versions is changed by each of them.
	shared := newObject("ConfigMap", "default", "shared")
	shared["data"] = map[string]any{"by": name}
	if _, err := store.Put("/registry/configmaps/default/shared", shared); err != nil {
		return err
	}
	return heartbeat(store)
}

func nodeObject(store *Store, tag string) map[string]any {
	o := newObject("Node", "", node)
	if old, ok := store.Get("/registry/minions/" + node); ok {
		o["metadata"].(map[string]any)["uid"] = old["metadata"].(map[string]any)["uid"]
	}
	o["metadata"].(map[string]any)["labels"] = map[string]any{
		"kubernetes.io/hostname": node, "node-role.kubernetes.io/control-plane": "true"}
	o["status"] = map[string]any{
		"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		"images":     []any{map[string]any{"names": []any{"docker.io/rancher/mirrored-pause:3.6"}}},
		"nodeInfo": map[string]any{"kubeletVersion": tag, "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "",
			"kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""},
	}
	return o
}

func heartbeat(store *Store) error {
	lease := newObject("Lease", "kube-node-lease", node)
	lease["spec"] = map[string]any{"holderIdentity": node, "leaseDurationSeconds": 40,
		"renewTime": time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")}
	_, err := store.Put("/registry/leases/kube-node-lease/"+node, lease)
	return err
}

func newObject(kind, namespace, name string) map[string]any {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	version := "v1"
	switch kind {
	case "Deployment":
		version = "apps/v1"
	case "Lease":
		version = "coordination.k8s.io/v1"
	}
	return map[string]any{"kind": kind, "apiVersion": version, "metadata": meta}
}

func listen(server string) (net.Listener, error) {
	at := func(name string) string { return filepath.Join(server, "tls", name) }
	cert, err := tls.LoadX509KeyPair(at("serving.crt"), at("serving.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(at("server-ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven,
		CurvePreferences: []tls.CurveID{tls.X25519}} // half the time of a handshake with the hybrid one
	// The one before may just have ended.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := tls.Listen("tcp", "127.0.0.1:6443", config)
		if err == nil || time.Now().After(end) {
			return l, err
		}
	}
}

// ready tells systemd.
func ready() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("READY=1"))
}

// note writes down for the judge what happened to the cluster.
func note(what, tag string) {
	f, err := os.OpenFile("/log/lives", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%d\t%s\t%s\n", time.Now().UnixNano(), what, tag)
}
