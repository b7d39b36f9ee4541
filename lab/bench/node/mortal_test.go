package node

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// TestACopyWasKilledWithAThread: a goroutine that was in a node's namespaces
// takes its thread along when it ends. That thread may have forked a copy, if
// the copy's goroutine went on in another.
func TestACopyWasKilledWithAThread(t *testing.T) {
	over := filepath.Join(t.TempDir(), "over")
	var copies, threads sync.WaitGroup
	for range 40 {
		copies.Go(func() {
			if _, err := mortal(t.Context(), "sh", "-c", `until [ -e "$0" ]; do sleep 0.05; done`, over); err != nil {
				t.Error(err)
			}
		})
		for range 20 {
			threads.Go(runtime.LockOSThread) // never unlocked: the thread ends with it
		}
	}
	threads.Wait()
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	copies.Wait()
}
