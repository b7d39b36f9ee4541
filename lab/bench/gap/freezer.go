package gap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Freezer is a cgroup of the v1 controller of that name. Its processes stand
// still while something is measured, so that a machine that also builds can be
// measured as if it were idle. The empty one holds nobody.
type Freezer string

const (
	frozen = "FROZEN"
	thawed = "THAWED"
	// patienceForIce: a process in the middle of a system call is waited for.
	patienceForIce = 10 * time.Second
)

// Freeze returns when every process stands still, with what sets them going again.
func (f Freezer) Freeze(ctx context.Context) (thaw func(), err error) {
	if f == "" {
		return func() {}, nil
	}
	state := filepath.Join(string(f), "freezer.state")
	thaw = func() { _ = os.WriteFile(state, []byte(thawed), 0o600) }
	if err := os.WriteFile(state, []byte(frozen), 0o600); err != nil {
		return thaw, fmt.Errorf("%s cannot be frozen: %w", f, err)
	}
	end := time.Now().Add(patienceForIce)
	for {
		text, err := os.ReadFile(state)
		if err == nil && strings.TrimSpace(string(text)) == frozen {
			return thaw, nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			thaw()
			return thaw, fmt.Errorf("%s is %s after %s", f, strings.TrimSpace(string(text)), patienceForIce)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
