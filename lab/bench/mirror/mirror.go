// Package mirror serves releases over HTTP as the release host does, and lies
// about them where a test tells it to.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"belay.dev/lab/bench/release"
)

// downloads is the path prefix of the real release host, served too.
const downloads = "/k3s-io/k3s/releases/download"

// Mirror is a handler and, after Serve, one or more servers. One mirror may
// listen on several networks, and its lies are told on all of them.
type Mirror struct {
	releases release.Dir

	mu       sync.Mutex
	lies     map[string]Lie
	requests []Request
	servers  []*http.Server
}

// Request is one request that the mirror got, for tests that count them.
type Request struct {
	Time   time.Time
	Path   string // below the releases, as <tag>/<file>
	From   string
	Range  string
	Status int
}

// New makes a mirror of a directory of releases.
func New(releases release.Dir) *Mirror {
	return &Mirror{releases: releases, lies: map[string]Lie{}}
}

// Tell makes the mirror lie about one file ("<tag>/<file>") until Honest.
func (m *Mirror) Tell(path string, lie Lie) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lies[path] = lie
}

// Honest takes all lies back.
func (m *Mirror) Honest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.lies)
}

// Requests are those so far, oldest first.
func (m *Mirror) Requests() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Request(nil), m.requests...)
}

// ServeHTTP answers GET and HEAD for <tag>/<file>, with or without the release
// host's prefix, and with the + of a tag written either way.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	path, ok := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, downloads), "/")
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests = append(m.requests, Request{time.Now(), path, r.RemoteAddr, r.Header.Get("Range"), rec.status})
	}()
	tag, file, two := strings.Cut(path, "/")
	if !ok || !two || tag == "" || tag == ".." || strings.Contains(file, "/") || file == ".." {
		http.NotFound(rec, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(rec, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	m.mu.Lock()
	lie := m.lies[path]
	m.mu.Unlock()
	if lie == nil {
		lie = Truth
	}
	lie(rec, r, File{Releases: m.releases, Tag: tag, Name: file})
}

// Serve answers on a listener until the mirror is closed.
func (m *Mirror) Serve(l net.Listener) {
	srv := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	m.mu.Lock()
	m.servers = append(m.servers, srv)
	m.mu.Unlock()
	go func() { _ = srv.Serve(l) }()
}

// Listen serves on an address of the host, port 0 for any, and returns the
// base URL.
func (m *Mirror) Listen(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	m.Serve(l)
	return "http://" + l.Addr().String(), nil
}

// Close stops all servers at once, answers in flight included.
func (m *Mirror) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, s := range m.servers {
		errs = append(errs, s.Close())
	}
	m.servers = nil
	return errors.Join(errs...)
}

// URL is the address of a file of a tag below a base, with the + escaped as
// the release host's own links have it.
func URL(base, tag, file string) string {
	return fmt.Sprintf("%s/%s/%s", strings.TrimSuffix(base, "/"), strings.ReplaceAll(url.PathEscape(tag), "+", "%2B"), file)
}

// File names what was asked for.
type File struct {
	Releases  release.Dir
	Tag, Name string
}

// Path of the file on disk.
func (f File) Path() string { return filepath.Join(f.Releases.Folder(f.Tag), f.Name) }

// Open opens it; the caller closes.
func (f File) Open() (*os.File, error) { return os.Open(f.Path()) }

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// wait is a pause that ends with the request.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
