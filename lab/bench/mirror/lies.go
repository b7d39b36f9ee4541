package mirror

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"belay.dev/lab/bench/release"
)

// Lie is a way to answer for a file.
type Lie func(w http.ResponseWriter, r *http.Request, f File)

// Truth serves the file, ranges included.
func Truth(w http.ResponseWriter, r *http.Request, f File) {
	file, err := f.Open()
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil || st.IsDir() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, f.Name, st.ModTime(), file)
}

// Truncated announces the whole length and breaks off after a share of it
// (0..1), as a dropped connection does.
func Truncated(share float64) Lie {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		withFile(w, r, f, func(file *os.File, size int64) {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			if r.Method == http.MethodHead {
				return
			}
			_, _ = io.CopyN(w, file, int64(float64(size)*share))
			panic(http.ErrAbortHandler) // closes the connection without an end
		})
	}
}

// ShortButWhole serves the first share of the file as if it were all of it:
// what a mirror shows that was itself cut off while it copied.
func ShortButWhole(share float64) Lie {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		withFile(w, r, f, func(file *os.File, size int64) {
			n := int64(float64(size) * share)
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
			if r.Method != http.MethodHead {
				_, _ = io.CopyN(w, file, n)
			}
		})
	}
}

// Flipped serves the file with one bit of its middle byte turned: right
// length, right look, wrong hash.
func Flipped(w http.ResponseWriter, r *http.Request, f File) {
	withFile(w, r, f, func(file *os.File, size int64) {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if r.Method == http.MethodHead {
			return
		}
		_, _ = io.CopyN(w, file, size/2)
		var b [1]byte
		if _, err := io.ReadFull(file, b[:]); err != nil {
			return
		}
		b[0] ^= 1
		_, _ = w.Write(b[:])
		_, _ = io.Copy(w, file)
	})
}

// Other serves the same file of another tag. Told of both files of a tag, it
// is another release with matching sums, which only `--version` gives away.
func Other(tag string) Lie {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		Truth(w, r, File{Releases: f.Releases, Tag: tag, Name: f.Name})
	}
}

// HTML answers 200 with a page, as captive portals and some proxies do.
func HTML(w http.ResponseWriter, _ *http.Request, _ File) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>\n")
}

// Missing answers 404.
func Missing(w http.ResponseWriter, r *http.Request, _ File) { http.NotFound(w, r) }

// Slow serves the truth at so many bytes per second.
func Slow(bytesPerSecond int) Lie {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		withFile(w, r, f, func(file *os.File, size int64) {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			const slice = 100 * time.Millisecond
			chunk := int64(bytesPerSecond / 10)
			if chunk < 1 {
				chunk = 1
			}
			for r.Method != http.MethodHead {
				if _, err := io.CopyN(w, file, chunk); err != nil {
					return
				}
				if fl, ok := w.(http.Flusher); ok {
					fl.Flush()
				}
				if wait(r.Context(), slice) != nil {
					return
				}
			}
		})
	}
}

// Silent takes the request and never answers.
func Silent(_ http.ResponseWriter, r *http.Request, _ File) { <-r.Context().Done() }

// Redirect sends the client elsewhere: from https to http, for example.
func Redirect(base string) Lie {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		http.Redirect(w, r, URL(base, f.Tag, f.Name), http.StatusFound)
	}
}

// Swap makes the mirror serve release `other` under `tag`, sums and all.
func (m *Mirror) Swap(tag, other string) {
	for _, name := range []string{"k3s", release.Sums} {
		m.Tell(filepath.Join(tag, name), Other(other))
	}
}

func withFile(w http.ResponseWriter, r *http.Request, f File, serve func(*os.File, int64)) {
	file, err := f.Open()
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	serve(file, st.Size())
}
