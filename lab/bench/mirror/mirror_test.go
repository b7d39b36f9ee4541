package mirror

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/release"
)

const good, other = "v1.36.3+k3s1", "v1.35.4+k3s1"

func start(t *testing.T) (*Mirror, string) {
	t.Helper()
	dir := release.Dir(t.TempDir())
	for _, tag := range []string{good, other} {
		if err := os.MkdirAll(dir.Folder(tag), 0o755); err != nil {
			t.Fatal(err)
		}
		body := bytes.Repeat([]byte(tag+"\n"), 1000)
		if err := os.WriteFile(filepath.Join(dir.Folder(tag), "k3s"), body, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := dir.WriteSums(tag); err != nil {
			t.Fatal(err)
		}
	}
	m := New(dir)
	base, err := m.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, base
}

func fetch(t *testing.T, url string) (int, string, error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestEveryFormOfThePath(t *testing.T) {
	_, base := start(t)
	want := strings.Repeat(good+"\n", 1000)
	for _, path := range []string{"/v1.36.3%2Bk3s1/k3s", "/v1.36.3+k3s1/k3s", "/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s"} {
		if code, body, err := fetch(t, base+path); code != 200 || body != want || err != nil {
			t.Errorf("%s: %d, %d bytes, %v", path, code, len(body), err)
		}
	}
	if u := URL(base, good, "k3s"); !strings.HasSuffix(u, "/v1.36.3%2Bk3s1/k3s") {
		t.Error(u)
	}
	for _, path := range []string{"/", "/v1.0.0+k3s1/k3s", "/v1.36.3+k3s1/", "/v1.36.3+k3s1/../../etc/passwd", "/..%2f..%2fetc/passwd"} {
		if code, _, _ := fetch(t, base+path); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestLies(t *testing.T) {
	m, base := start(t)
	want := strings.Repeat(good+"\n", 1000)
	url := URL(base, good, "k3s")
	for name, c := range map[string]struct {
		lie Lie
		see func(code int, body string, err error) bool
	}{
		"truncated": {Truncated(0.5), func(code int, b string, err error) bool {
			return code == 200 && err != nil && len(b) <= len(want)/2
		}},
		"short": {ShortButWhole(0.5), func(code int, b string, err error) bool {
			return code == 200 && err == nil && b == want[:len(want)/2]
		}},
		"flipped": {Flipped, func(code int, b string, err error) bool {
			return err == nil && len(b) == len(want) && b != want && b[:len(b)/2] == want[:len(b)/2]
		}},
		"html":    {HTML, func(code int, b string, err error) bool { return code == 200 && strings.Contains(b, "<html>") }},
		"missing": {Missing, func(code int, b string, err error) bool { return code == 404 }},
		"other":   {Other(other), func(code int, b string, err error) bool { return strings.HasPrefix(b, other) }},
		"truth":   {Truth, func(code int, b string, err error) bool { return b == want }},
	} {
		m.Tell(good+"/k3s", c.lie)
		if code, body, err := fetch(t, url); !c.see(code, body, err) {
			t.Errorf("%s: %d, %d bytes, %v", name, code, len(body), err)
		}
	}
	m.Honest()
	m.Swap(good, other)
	_, sums, _ := fetch(t, URL(base, good, release.Sums))
	if _, truth, _ := fetch(t, URL(base, other, release.Sums)); sums != truth {
		t.Error("a swapped release has the sums of the other")
	}
	if len(m.Requests()) == 0 || m.Requests()[0].Path != good+"/k3s" {
		t.Errorf("%+v", m.Requests())
	}
}

func TestSlowTakesItsTime(t *testing.T) {
	m, base := start(t)
	m.Tell(good+"/k3s", Slow(50_000))
	begin := time.Now()
	if _, body, err := fetch(t, URL(base, good, "k3s")); err != nil || len(body) != 13000 {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("13 kB at 50 kB/s in %s", took)
	}
}

func TestRedirectFromTLSToPlain(t *testing.T) {
	m, base := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := New(m.releases)
	defer secure.Close()
	ca, err := secure.ServeTLS(l, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	secure.Tell(good+"/k3s", Redirect(base))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get("https://" + l.Addr().String() + "/" + good + "/k3s")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if loc := resp.Header.Get("Location"); resp.StatusCode != 302 || !strings.HasPrefix(loc, "http://") {
		t.Errorf("%d to %s", resp.StatusCode, loc)
	}
}
