package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Datastore is the little that is needed of the datastore.
type Datastore interface {
	// Rows lists keys and values below a prefix.
	Rows(ctx context.Context, prefix string) (map[string][]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// tolerance is the age difference that K3s forgives: file systems and clocks
// are not exact.
const tolerance = 3 * time.Second

type record struct {
	Timestamp time.Time
	Content   []byte
}

// Reconcile brings disk and row together before anything is issued: a missing
// file comes back from the row, an older one is replaced, and a newer one that
// differs stops the start. It reports whether there was a row.
func Reconcile(ctx context.Context, store Datastore, password string, files map[string]string) (bool, error) {
	stored, err := load(ctx, store, password)
	if err != nil || stored == nil {
		return false, err
	}
	return true, apply(stored, files)
}

// Recover makes the disk what the row says, whatever is newer: what a cluster
// reset does.
func Recover(ctx context.Context, store Datastore, password string, files map[string]string) error {
	stored, err := load(ctx, store, password)
	if err != nil {
		return err
	}
	if stored == nil {
		return ErrNoRow
	}
	for name, path := range files {
		if row := stored[name]; len(row.Content) > 0 {
			if err := restore(path, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrNoRow is K3s' word for an initialised datastore without the row.
var ErrNoRow = errors.New("no bootstrap data found in datastore - check server token value and verify datastore integrity")

// load is the opened row, or nil where the datastore has none at all.
func load(ctx context.Context, store Datastore, password string) (map[string]record, error) {
	rows, err := store.Rows(ctx, Prefix)
	if err != nil {
		return nil, fmt.Errorf("bootstrap data: %w", err)
	}
	sealed, ok := rows[Key(password)]
	if !ok {
		if len(rows) > 0 {
			return nil, errors.New("bootstrap data already found and encrypted with different token")
		}
		return nil, nil
	}
	plain, err := Open(password, sealed)
	if err != nil {
		return nil, fmt.Errorf("bootstrap data: %w", err)
	}
	var stored map[string]record
	if err := json.Unmarshal(plain, &stored); err != nil {
		return nil, fmt.Errorf("bootstrap data: %w", err)
	}
	return stored, nil
}

func apply(stored map[string]record, files map[string]string) error {
	var newer []string
	write := map[string]record{}
	for name, path := range files {
		row, ok := stored[name]
		if !ok || len(row.Content) == 0 {
			continue
		}
		onDisk, modified, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			write[path] = row
			continue
		}
		if err != nil {
			return err
		}
		if string(onDisk) == string(row.Content) {
			continue
		}
		if modified.Sub(row.Timestamp) >= tolerance {
			newer = append(newer, path)
		} else {
			write[path] = row
		}
	}
	if len(newer) > 0 {
		sort.Strings(newer)
		return fmt.Errorf("%s newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.",
			strings.Join(newer, ", "))
	}
	for path, row := range write {
		if err := restore(path, row); err != nil {
			return err
		}
	}
	return nil
}

func restore(path string, row record) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	mode := os.FileMode(0o600)
	if strings.HasSuffix(path, ".crt") {
		mode = 0o644
	}
	if err := os.WriteFile(path, row.Content, mode); err != nil {
		return err
	}
	return os.Chtimes(path, row.Timestamp, row.Timestamp)
}

// Save writes the row if it is missing or differs from the disk.
func Save(ctx context.Context, store Datastore, password string, files map[string]string) error {
	disk := map[string]record{}
	for name, path := range files {
		content, modified, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		disk[name] = record{modified.UTC(), content}
	}
	rows, err := store.Rows(ctx, Prefix)
	if err != nil {
		return err
	}
	if sealed, ok := rows[Key(password)]; ok {
		if same, err := equal(password, sealed, disk); err != nil || same {
			return err
		}
	}
	plain, err := json.Marshal(disk)
	if err != nil {
		return err
	}
	sealed, err := Seal(password, plain)
	if err != nil {
		return err
	}
	return store.Put(ctx, Key(password), sealed)
}

func equal(password string, sealed []byte, disk map[string]record) (bool, error) {
	plain, err := Open(password, sealed)
	if err != nil {
		return false, err
	}
	var stored map[string]record
	if err := json.Unmarshal(plain, &stored); err != nil {
		return false, err
	}
	if len(stored) != len(disk) {
		return false, nil
	}
	for name, row := range disk {
		if string(stored[name].Content) != string(row.Content) {
			return false, nil
		}
	}
	return true, nil
}

func read(path string) ([]byte, time.Time, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	raw, err := os.ReadFile(path)
	return raw, info.ModTime(), err
}
