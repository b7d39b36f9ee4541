package payload

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"belay.test/dist/release"
)

// archive writes an assembled k3s whose inner binary is text.
func archive(t *testing.T, text, sum string) *Archive {
	t.Helper()
	if sum == "" {
		sum = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	}
	var raw bytes.Buffer
	z, err := zstd.NewWriter(&raw)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "bin/", Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
		t.Fatal(err)
	}
	for _, e := range [][2]string{
		{"bin/.links", "kubectl k3s\nbridge cni\n"}, {"bin/.sha256sums", sum + "  k3s\n"}, {"bin/cni", "cni"}, {"bin/k3s", text},
	} {
		if err := w.WriteHeader(&tar.Header{Name: e[0], Mode: 0o755, Size: int64(len(e[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e[1])); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("archive")
	}
	path := filepath.Join(t.TempDir(), "k3s")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{Release: release.Release{Tag: text}, Hash: fmt.Sprintf("%x", sha256.Sum256(raw.Bytes()))}
	if err := Append(f, raw.Bytes(), m); err != nil {
		t.Fatal(err)
	}
	f.Close()
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func extract(t *testing.T, a *Archive, dir string) string {
	t.Helper()
	got, err := a.Extract(dir, filepath.Join(dir, "elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func points(t *testing.T, link, want string) {
	t.Helper()
	if got, err := os.Readlink(link); err != nil || got != want {
		t.Errorf("%s -> %s, %v; want %s", filepath.Base(link), got, err, want)
	}
}

// TestLinksGoStaleOnTheWayBack is the behaviour that Belay must mend: the
// second start of an old release moves no link (k3s-facts §9).
func TestLinksGoStaleOnTheWayBack(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	before, after := archive(t, "before", ""), archive(t, "after", "")
	old := extract(t, before, dir)
	points(t, filepath.Join(data, "current"), old)
	fresh := extract(t, after, dir)
	points(t, filepath.Join(data, "current"), fresh)
	points(t, filepath.Join(data, "previous"), old)
	if again := extract(t, before, dir); again != old {
		t.Errorf("went back to %s", again)
	}
	points(t, filepath.Join(data, "current"), fresh)
	for _, name := range []string{"cni", "bridge"} {
		points(t, filepath.Join(data, "cni", name), filepath.Join(fresh, "bin", "cni"))
	}
}

func TestWrongSumIsCaughtOnlyWhenExtracted(t *testing.T) {
	dir := t.TempDir()
	if _, err := archive(t, "text", fmt.Sprintf("%064d", 0)).Extract(dir, dir+"/elsewhere"); err == nil {
		t.Error("a wrong sum was taken")
	}
	good := archive(t, "good", "")
	bin := filepath.Join(extract(t, good, dir), "bin", "k3s")
	if err := os.WriteFile(bin, []byte("flipped"), 0o755); err != nil {
		t.Fatal(err)
	}
	extract(t, good, dir) // K3s does not look again
}

func TestCutFileHasNoPayload(t *testing.T) {
	whole, err := os.ReadFile(archive(t, "text", "").file.Name())
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "k3s")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cut); err == nil {
		t.Error("a cut file was opened")
	}
}
