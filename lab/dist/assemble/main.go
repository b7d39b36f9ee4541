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
	"os"
	"path/filepath"
	"runtime"
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
	out := flag.String("out", "", "directory of the release")
	var r release.Release
	flag.StringVar(&r.Tag, "tag", "", "such as v1.36.3+k3s1")
	flag.StringVar(&r.Etcd, "etcd", "", "etcd version that this tag has")
	flag.StringVar(&r.Containerd, "containerd", "", "containerd version that this tag has")
	flag.StringVar(&r.Commit, "commit", "", "what --version and /version show as the commit")
	flag.Parse()
	if err := assemble(*wrapper, *inner, *out, r); err != nil {
		fmt.Fprintln(os.Stderr, "assemble:", err)
		os.Exit(1)
	}
}

func assemble(wrapper, inner, out string, r release.Release) error {
	binary, err := os.ReadFile(inner)
	if err != nil {
		return err
	}
	outer, err := os.ReadFile(wrapper)
	if err != nil {
		return err
	}
	archive, err := pack(binary, r)
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

func pack(binary []byte, r release.Release) ([]byte, error) {
	record, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	sums := fmt.Sprintf("%s  cni\n%s  k3s\n", hexSum([]byte(cni)), hexSum(binary))
	var raw bytes.Buffer
	compressed, err := zstd.NewWriter(&raw, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	for _, e := range []entry{
		{"bin/", 0o755, nil},
		{"bin/.links", 0o644, []byte(links)},
		{"bin/.sha256sums", 0o644, []byte(sums)},
		{"bin/cni", 0o755, []byte(cni)},
		{"bin/k3s", 0o755, binary},
		{"etc/", 0o755, nil},
		{release.File, 0o644, append(record, '\n')},
	} {
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
