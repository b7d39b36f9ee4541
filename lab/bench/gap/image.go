package gap

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// image is an archive as `docker save` writes it, of one program and nothing
// else: what `ctr images import` takes without any registry.
func image(name, program string, content []byte) ([]byte, error) {
	layer, err := archive(entry{program, 0o755, content})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + program}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}},
	})
	if err != nil {
		return nil, err
	}
	of := sum(config) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{"Config": of, "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return archive(entry{of, 0o644, config}, entry{"layer.tar", 0o644, layer}, entry{"manifest.json", 0o644, manifest})
}

type entry struct {
	name    string
	mode    int64
	content []byte
}

func archive(entries ...entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		head := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(head); err != nil {
			return nil, fmt.Errorf("archive of an image: %s: %w", e.name, err)
		}
		if _, err := io.Copy(w, bytes.NewReader(e.content)); err != nil {
			return nil, fmt.Errorf("archive of an image: %s: %w", e.name, err)
		}
	}
	return b.Bytes(), w.Close()
}

func sum(of []byte) string {
	s := sha256.Sum256(of)
	return hex.EncodeToString(s[:])
}
