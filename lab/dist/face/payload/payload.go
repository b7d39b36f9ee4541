// Package payload is the archive that the outer k3s carries behind its own
// code, and the way it is laid out under data/<hash>.
//
// K3s compiles its archive in; here it is appended with a trailer, so that a
// release is put together without a linker.
package payload

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"belay.test/dist/release"
)

var magic = [8]byte{'b', 'e', 'n', 'c', 'h', 'k', '3', 's'}

// trailerSize is length of manifest, length of archive, magic.
const trailerSize = 8 + 8 + 8

// Manifest is what the outer k3s knows without unpacking anything.
type Manifest struct {
	Release   release.Release `json:"release"`
	Hash      string          `json:"hash"` // sha256 of the archive: the name under data/
	GoVersion string          `json:"goVersion"`
}

// Archive is an open payload.
type Archive struct {
	Manifest Manifest
	file     *os.File
	offset   int64
	size     int64
}

// Append writes archive, manifest and trailer behind w's present end.
func Append(w io.Writer, archive []byte, m Manifest) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var trailer [trailerSize]byte
	binary.BigEndian.PutUint64(trailer[0:], uint64(len(raw)))
	binary.BigEndian.PutUint64(trailer[8:], uint64(len(archive)))
	copy(trailer[16:], magic[:])
	for _, part := range [][]byte{archive, raw, trailer[:]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// Open reads the trailer of an assembled k3s. A cut file has no trailer, so a
// truncated download does not even answer --version.
func Open(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := read(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func read(f *os.File) (*Archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var trailer [trailerSize]byte
	if info.Size() < trailerSize {
		return nil, errors.New("no payload")
	}
	if _, err := f.ReadAt(trailer[:], info.Size()-trailerSize); err != nil {
		return nil, err
	}
	if [8]byte(trailer[16:]) != magic {
		return nil, errors.New("no payload: the file is cut or was never assembled")
	}
	manifestSize := int64(binary.BigEndian.Uint64(trailer[0:]))
	size := int64(binary.BigEndian.Uint64(trailer[8:]))
	end := info.Size() - trailerSize
	if manifestSize <= 0 || size <= 0 || manifestSize+size > end {
		return nil, errors.New("payload trailer is damaged")
	}
	raw := make([]byte, manifestSize)
	if _, err := f.ReadAt(raw, end-manifestSize); err != nil {
		return nil, err
	}
	a := &Archive{file: f, offset: end - manifestSize - size, size: size}
	if err := json.Unmarshal(raw, &a.Manifest); err != nil {
		return nil, fmt.Errorf("payload manifest: %w", err)
	}
	return a, nil
}

// Close releases the file.
func (a *Archive) Close() error { return a.file.Close() }

func (a *Archive) reader() io.Reader {
	return io.NewSectionReader(a.file, a.offset, a.size)
}
