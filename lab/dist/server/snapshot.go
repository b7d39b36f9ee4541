package server

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"belay.test/dist/face/front"
	"belay.test/dist/face/snapshots"
)

func (m *member) snapshotDir() string {
	return m.values.Text("etcd-snapshot-dir", m.Server("db", "snapshots"))
}

// database answers below /db/ for a server with etcd: `k3s etcd-snapshot` is a
// client of it, so it works only while the server runs (k3s-facts §2.5).
type database struct {
	*member
	saving sync.Mutex
}

// ServeHTTP implements http.Handler.
func (d *database) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/db/info":
		members, err := d.store.Members(r.Context())
		if err != nil {
			refuseRequest(w, fmt.Errorf("failed to get etcd MemberList: %w", err))
			return
		}
		answer(w, map[string]any{"members": members})
	case "/db/snapshot":
		var request snapshots.Request
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			refuseRequest(w, err)
			return
		}
		result, err := d.do(r.Context(), request)
		if err != nil {
			refuseRequest(w, err)
			return
		}
		answer(w, result)
	default:
		front.Status(w, http.StatusNotFound, "NotFound", "not found")
	}
}

// refuseRequest hides the cause behind a number, as K3s does.
func refuseRequest(w http.ResponseWriter, err error) {
	id := rand.IntN(100000)
	logrus.Errorf("etcd-snapshot error ID %05d: %v", id, err)
	front.Status(w, http.StatusInternalServerError, "InternalError", fmt.Sprintf("Internal error occurred: etcd-snapshot error ID %05d", id))
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(what); err != nil {
		logrus.Warnf("Error in etcd-snapshot handler: %v", err)
	}
}

func (d *database) do(ctx context.Context, request snapshots.Request) (any, error) {
	path := d.snapshotDir()
	if request.Dir != nil && *request.Dir != "" {
		path = *request.Dir
	}
	dir := snapshots.Dir{Path: path, Node: d.NodeName}
	if path == d.Server("db", "snapshots") { // one of the user's has to exist
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
	}
	base := "etcd-snapshot"
	if len(request.Name) > 0 {
		base = request.Name[0]
	}
	keep, err := strconv.Atoi(d.values.Text("etcd-snapshot-retention", "5"))
	if err != nil {
		return nil, err
	}
	if request.Retention != nil {
		keep = *request.Retention
	}
	compress := d.values.Bool("etcd-snapshot-compress")
	if request.Compress != nil {
		compress = *request.Compress
	}
	var result snapshots.Result
	switch request.Operation {
	case "list":
		files, err := dir.List()
		if err != nil {
			return nil, err
		}
		return dir.Objects(files), nil
	case "save":
		name, err := d.save(ctx, dir, base, compress)
		if err != nil {
			return nil, err
		}
		result.Created = []string{name}
		result.Deleted, err = dir.Prune(base, keep)
		return result, err
	case "prune":
		result.Deleted, err = dir.Prune(base, keep)
		return result, err
	case "delete":
		result.Deleted, err = dir.Delete(request.Name)
		return result, err
	default:
		return nil, errors.New("invalid snapshot operation")
	}
}

func (d *database) save(ctx context.Context, dir snapshots.Dir, base string, compress bool) (string, error) {
	if !d.saving.TryLock() {
		return "", errors.New("snapshot save already in progress")
	}
	defer d.saving.Unlock()
	now := time.Now()
	name := dir.Name(base, now)
	path := filepath.Join(dir.Path, name)
	logrus.Infof("Saving etcd snapshot to %s", path)
	if err := d.store.Snapshot(ctx, path); err != nil {
		return "", err
	}
	if compress {
		if err := zipped(path, now); err != nil {
			return "", err
		}
		name += snapshots.Compressed
	}
	return name, dir.Describe(name, d.extraMetadata(ctx))
}

// extraMetadata is a ConfigMap that users may make; without API there is none.
func (d *database) extraMetadata(ctx context.Context) map[string]string {
	client, err := d.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "k3s-etcd-snapshot-extra-metadata", metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return found.Data
}

// zipped replaces a snapshot by an archive of it.
func zipped(path string, now time.Time) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path+snapshots.Compressed, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(out)
	entry, err := archive.CreateHeader(&zip.FileHeader{Name: filepath.Base(path), Method: zip.Deflate, Modified: now})
	if err == nil {
		_, err = io.Copy(entry, in)
	}
	return errors.Join(err, archive.Close(), out.Close(), os.Remove(path))
}
