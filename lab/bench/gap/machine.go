package gap

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine says on what it was measured.
func Machine() string {
	model, kernel := "unknown processor", "unknown kernel"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.Trim(line, "\t :")
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%d × %s, %s", runtime.NumCPU(), model, kernel)
}

const (
	// idleShare is the least that must be idle for a machine to be quiet: an
	// idle K3s takes a tenth of two cores.
	idleShare        = 0.65
	patienceForQuiet = 45 * time.Second
)

// settled waits until the node has little to do, as quiet does, while what runs
// at low priority beside it may go on: that stands still from then on.
func settled(ctx context.Context) { waitForIdle(ctx, true) }

// quiet waits until the machine has little to do: after a boot, controllers
// settle for a while. It waits no longer than it has patience; the run is made
// then all the same and says so.
func quiet(ctx context.Context) bool { return waitForIdle(ctx, false) }

func waitForIdle(ctx context.Context, leaveLow bool) bool {
	end := time.Now().Add(patienceForQuiet)
	for time.Now().Before(end) {
		idle, total := ticks(leaveLow)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(2 * time.Second): // what is measured is the load of this time
		}
		laterIdle, laterTotal := ticks(leaveLow)
		if laterTotal > total && float64(laterIdle-idle) >= idleShare*float64(laterTotal-total) {
			return true
		}
	}
	return false
}

// ticks of all processors since the boot: idle ones, and all. leaveLow counts
// what ran at low priority as idle.
func ticks(leaveLow bool) (idle, total uint64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	for i := 1; i < len(fields) && i <= 8; i++ {
		v, _ := strconv.ParseUint(fields[i], 10, 64)
		total += v
		if i == 4 || i == 5 || leaveLow && i == 2 { // idle, waiting for a disk, nice
			idle += v
		}
	}
	return idle, total
}

func syncDisks() { unix.Sync() }
