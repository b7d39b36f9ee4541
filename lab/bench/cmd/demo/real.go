package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/mirror"
	"belay.dev/lab/bench/release"
)

// upstream is where K3s publishes its releases.
const upstream = "https://github.com/k3s-io/k3s/releases/download"

// images are needed too: a node of the lab reaches no registry.
const images = "k3s-airgap-images-amd64.tar.zst"

// download brings two real releases into the cache, once, and makes the rest
// of the bench use them.
func download(ctx context.Context) (cast, error) {
	dir := release.Dir(filepath.Join(cache.Dir(), "real"))
	if given := os.Getenv("BELAY_LAB_RELEASES"); given != "" {
		dir = release.Dir(given) // they are there already
	}
	if err := os.Setenv("BELAY_LAB_RELEASES", string(dir)); err != nil {
		return cast{}, err
	}
	c := bench()
	c.broken = c.to // two releases are enough
	for _, tag := range []string{c.from, c.to} {
		if err := fetchRelease(ctx, dir, tag); err != nil {
			return c, fmt.Errorf("%w\n--real needs K3s' releases from the internet. Without it: put them into a directory, "+
				"a folder per tag with k3s, %s and %s, and type BELAY_LAB_RELEASES=DIR ./dev demo --real; "+
				"or ./dev demo, which builds its own", err, release.Sums, images)
		}
	}
	return c, nil
}

func fetchRelease(ctx context.Context, dir release.Dir, tag string) error {
	if err := os.MkdirAll(dir.Folder(tag), 0o755); err != nil {
		return err
	}
	for _, name := range []string{release.Sums, "k3s", images} {
		path := filepath.Join(dir.Folder(tag), name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		say(fmt.Sprintf("downloading %s of %s", name, tag))
		if err := fetch(ctx, mirror.URL(upstream, tag, name), path); err != nil {
			return err
		}
	}
	sums, err := os.ReadFile(filepath.Join(dir.Folder(tag), release.Sums))
	if err != nil {
		return err
	}
	for _, name := range []string{"k3s", images} {
		path := filepath.Join(dir.Folder(tag), name)
		sum, err := release.SHA256(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(sums), sum+"  "+name) {
			return errors.Join(fmt.Errorf("%s is not what %s of %s says; removed", name, release.Sums, tag), os.Remove(path))
		}
	}
	return os.Chmod(filepath.Join(dir.Folder(tag), "k3s"), 0o755)
}

func fetch(ctx context.Context, url, path string) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, resp.Body); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
