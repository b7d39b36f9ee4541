// assemble puts a release together: payload archive, wrapper, sha256sum file.
// The archive is reproducible (sorted names, times at zero), so the same sources
// and tag give the same data/<hash> on every machine.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"belay.test/dist/face/payload"
	"belay.test/dist/release"
)

// links in bin/, as captures/…/databin.txt, and the CNI plugins that a full
// release has as links to one multicall binary.
var links = strings.Join([]string{
	"bandwidth cni", "bridge cni", "containerd k3s", "crictl k3s", "ctr k3s", "firewall cni", "flannel cni", "host-local cni",
	"k3s-agent k3s", "k3s-certificate k3s", "k3s-check-config k3s", "k3s-completion k3s", "k3s-etcd-snapshot k3s",
	"k3s-secrets-encrypt k3s", "k3s-server k3s", "k3s-token k3s", "kubectl k3s", "loopback cni", "portmap cni",
}, "\n") + "\n"

// cni stands where K3s has its network plugins; the hollow kubelet calls none.
const cni = "#!/bin/sh\necho 'the bench distribution has no CNI plugins' >&2\nexit 1\n"

func main() {
	wrapper := flag.String("wrapper", "", "outer executable")
	inner := flag.String("inner", "", "executable for data/<hash>/bin/k3s")
	etcd := flag.String("with-etcd", "", "executable for data/<hash>/bin/etcd/k3s")
	kine := flag.String("with-kine", "", "executable for data/<hash>/bin/kine/k3s")
	out := flag.String("out", "", "directory of the release")
	var r release.Release
	flag.StringVar(&r.Tag, "tag", "", "such as v1.36.3+k3s1")
	flag.StringVar(&r.Etcd, "etcd", "", "etcd version that this tag has")
	flag.StringVar(&r.Containerd, "containerd", "", "containerd version that this tag has")
	flag.StringVar(&r.Commit, "commit", "", "what --version and /version show as the commit")
	flag.Parse()
	if err := assemble(*wrapper, map[string]string{"k3s": *inner, "etcd/k3s": *etcd, "kine/k3s": *kine}, *out, r); err != nil {
		fmt.Fprintln(os.Stderr, "assemble:", err)
		os.Exit(1)
	}
}

func assemble(wrapper string, programs map[string]string, out string, r release.Release) error {
	binaries := map[string][]byte{"cni": []byte(cni)}
	for name, path := range programs {
		var err error
		if binaries[name], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	outer, err := os.ReadFile(wrapper)
	if err != nil {
		return err
	}
	archive, err := pack(binaries, r)
	if err != nil {
		return err
	}
	manifest := payload.Manifest{Release: r, Hash: hexSum(archive), GoVersion: runtime.Version()}
	whole := bytes.NewBuffer(outer)
	if err := payload.Append(whole, archive, manifest); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "k3s.new"), whole.Bytes(), 0o755); err != nil {
		return err
	}
	sums := fmt.Sprintf("%s  k3s\n", hexSum(whole.Bytes()))
	if err := os.WriteFile(filepath.Join(out, "sha256sum-amd64.txt"), []byte(sums), 0o644); err != nil {
		return err
	}
	return os.Rename(filepath.Join(out, "k3s.new"), filepath.Join(out, "k3s"))
}

func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

type entry struct {
	name    string
	mode    int64
	content []byte
}

func pack(binaries map[string][]byte, r release.Release) ([]byte, error) {
	record, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	var sums strings.Builder
	var files []entry
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		fmt.Fprintf(&sums, "%s  %s\n", hexSum(binaries[name]), name)
		if dir, _, below := strings.Cut(name, "/"); below {
			files = append(files, entry{"bin/" + dir + "/", 0o755, nil})
		}
		files = append(files, entry{"bin/" + name, 0o755, binaries[name]})
	}
	var raw bytes.Buffer
	compressed, err := zstd.NewWriter(&raw, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	entries := slices.Concat([]entry{
		{"bin/", 0o755, nil},
		{"bin/.links", 0o644, []byte(links)},
		{"bin/.sha256sums", 0o644, []byte(sums.String())},
	}, files, []entry{
		{"etc/", 0o755, nil},
		{release.File, 0o644, append(record, '\n')},
	})
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		header.Typeflag = tar.TypeReg
		if strings.HasSuffix(e.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return raw.Bytes(), nil
}
