package bootstrap

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type memory map[string][]byte

func (m memory) Rows(context.Context, string) (map[string][]byte, error) { return m, nil }

func (m memory) Put(_ context.Context, key string, value []byte) error {
	m[key] = value
	return nil
}

func saved(t *testing.T) (memory, map[string]string, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server-ca.crt")
	if err := os.WriteFile(path, []byte("the authority"), 0o644); err != nil {
		t.Fatal(err)
	}
	files, store := map[string]string{"ServerCA": path}, memory{}
	if err := Save(context.Background(), store, "secret", files); err != nil {
		t.Fatal(err)
	}
	return store, files, path
}

func TestRowIsSealedUnderTheTokensKey(t *testing.T) {
	store, _, _ := saved(t)
	row, ok := store["/bootstrap/2bb80d537b1d"] // first 12 hex digits of sha256("secret")
	if !ok {
		t.Fatalf("keys: %v", store)
	}
	if strings.Contains(string(row), "authority") {
		t.Error("the row is not sealed")
	}
	if _, err := Open("another", row); err == nil {
		t.Error("another token opens it")
	}
}

func TestMissingFileComesBack(t *testing.T) {
	store, files, path := saved(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if found, err := Reconcile(context.Background(), store, "secret", files); err != nil || !found {
		t.Fatalf("found %v, %v", found, err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "the authority" {
		t.Errorf("%q, %v", raw, err)
	}
}

// TestNewerFileStopsTheStart is the trap that a restore of the datastore alone
// runs into after a renewal (k3s-facts §2.4).
func TestNewerFileStopsTheStart(t *testing.T) {
	store, files, path := saved(t)
	for age, refused := range map[time.Duration]bool{10 * time.Second: true, time.Second: false} {
		if err := os.WriteFile(path, []byte("another"), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		_, err := Reconcile(context.Background(), store, "secret", files)
		if got := err != nil && strings.Contains(err.Error(), "newer than datastore and could cause a cluster outage"); got != refused {
			t.Errorf("%s newer: %v", age, err)
		}
	}
}

func TestAnotherTokenIsRefused(t *testing.T) {
	store, files, _ := saved(t)
	_, err := Reconcile(context.Background(), store, "wrong", files)
	if err == nil || !strings.Contains(err.Error(), "encrypted with different token") {
		t.Errorf("%v", err)
	}
}
