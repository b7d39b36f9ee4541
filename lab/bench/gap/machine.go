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

// quiet waits until the machine has little to do: after a boot, controllers
// settle for a while. It waits no longer than it has patience; the run is made
// then all the same and says so.
func quiet(ctx context.Context) bool {
	end := time.Now().Add(patienceForQuiet)
	for time.Now().Before(end) {
		idle, total := ticks()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(2 * time.Second): // what is measured is the load of this time
		}
		laterIdle, laterTotal := ticks()
		if laterTotal > total && float64(laterIdle-idle) >= idleShare*float64(laterTotal-total) {
			return true
		}
	}
	return false
}

// ticks of all processors since the boot: idle ones, and all.
func ticks() (idle, total uint64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	for i := 1; i < len(fields) && i <= 8; i++ {
		v, _ := strconv.ParseUint(fields[i], 10, 64)
		total += v
		if i == 4 || i == 5 { // idle, and waiting for a disk
			idle += v
		}
	}
	return idle, total
}

func syncDisks() { unix.Sync() }
