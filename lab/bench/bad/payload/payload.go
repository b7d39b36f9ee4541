// Package payload is the form of a bad release: the launcher's own executable,
// then a good k3s, then what to do wrong. One file, as a release is one file.
package payload

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

var magic = [8]byte{'b', 'e', 'l', 'a', 'y', 'b', 'a', 'd'}

// Fault is what the launcher does wrong, and where the good k3s lies in it.
type Fault struct {
	Kind        string `json:"kind"`
	AfterMillis int64  `json:"after_ms,omitempty"`
	Key         string `json:"key,omitempty"`   // of config.yaml, that is refused
	Newer       bool   `json:"newer,omitempty"` // marks the datastore as written by it
	SHA256      string `json:"sha256"`          // of the good k3s
	Offset      int64  `json:"offset"`
	Size        int64  `json:"size"`
}

// Write appends a good k3s and the fault to a launcher.
func Write(out io.Writer, launcher, good io.Reader, fault Fault) error {
	offset, err := io.Copy(out, launcher)
	if err != nil {
		return err
	}
	fault.Offset = offset
	if fault.Size, err = io.Copy(out, good); err != nil {
		return err
	}
	text, err := json.Marshal(fault)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint64(text, uint64(len(text)))
	_, err = out.Write(append(end, magic[:]...))
	return err
}

// Read finds the fault at the end of a bad release.
func Read(f *os.File) (Fault, error) {
	var fault Fault
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fault, err
	}
	var tail [16]byte
	if size < int64(len(tail)) {
		return fault, errors.New("too short for a bad release")
	}
	if _, err := f.ReadAt(tail[:], size-16); err != nil {
		return fault, err
	}
	if [8]byte(tail[8:]) != magic {
		return fault, errors.New("carries no fault: a launcher without its release")
	}
	n := int64(binary.LittleEndian.Uint64(tail[:8]))
	if n <= 0 || n > 4096 || n > size-16 {
		return fault, fmt.Errorf("fault of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := f.ReadAt(text, size-16-n); err != nil {
		return fault, err
	}
	return fault, json.Unmarshal(text, &fault)
}
