package tests

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

// hazardPoints are the kill points for each datastore and each of the two
// exchanges: 52 in all.
const hazardPoints = 13

// TestRestoreHazard: what an interrupted restore of K3s' own does
// (TestAnInterruptedRestoreIsDangerous: an empty cluster, or a start for ever)
// does not happen to an exchange of Belay's. The node dies inside a put-back
// and inside a restore, while the boot unit makes it, and is booted: the cluster
// that was to come is up, nobody having helped. Every boot is compared with one
// that nothing disturbed.
func TestRestoreHazard(t *testing.T) {
	t.Parallel()
	long(t)
	totals := hazardTotals{left: map[string]int{}}
	t.Run("points", func(t *testing.T) {
		for _, d := range datastores {
			t.Run(d.String(), func(t *testing.T) {
				t.Parallel()
				opt := imaged
				opt.Datastore = d
				x := newBoxOver(t, opt, local)
				x.needCrash()
				h := &hazard{box: x, totals: &totals, uid: clusterUID(t, x.n)}
				h.puttingBack()
				h.points("put-back")
				h.restoring()
				h.points("restore")
			})
		}
	})
	totals.print(t)
}

// hazard is a node that is about to exchange its `server`, and what it has to
// be afterwards.
type hazard struct {
	*box
	totals *hazardTotals
	uid    string
	// What the node remembered when it was saved: the boot unit raises the fence
	// before it does anything, and its last word is one more outcome.
	run      string
	fence    []byte
	outcomes int
	// server and binary are what is exchanged.
	server, binary int
}

type hazardTotals struct {
	sync.Mutex
	points, good int
	// left counts what lay on the disk when the power went.
	left map[string]int
}

func (h *hazardTotals) print(t *testing.T) {
	t.Helper()
	var parts []string
	for what, n := range h.left {
		parts = append(parts, fmt.Sprintf("%s: %d", what, n))
	}
	sort.Strings(parts)
	t.Logf("restore hazard: %d kill points, %d booted into the cluster that was to come; empty clusters and hangs: %d",
		h.points, h.good, h.points-h.good)
	t.Logf("restore hazard: %d states of the disk at the kill: %s", len(parts), strings.Join(parts, "; "))
	if want := 2 * 2 * hazardPoints; h.points != want {
		t.Errorf("%d kill points of %d were made", h.points, want)
	}
	half := 0
	for what, n := range h.left {
		if strings.HasPrefix(what, marked) {
			half += n
		}
	}
	if h.good > 0 && half*2 < h.points {
		t.Errorf("%d of %d kills hit an exchange that was under way: the moments are badly chosen", half, h.points)
	}
}

const (
	marked = "marker there"
	over   = "no marker, server exchanged, binary exchanged"
)

// points lets a saved node boot undisturbed once, and then kills it at moments
// that lie evenly in the time that the boot unit took: each in the widest gap
// that is left (the golden ratio). A busy machine may have made that time too
// long, so whatever came after the end brings the end down to it.
func (h *hazard) points(what string) {
	t := h.t
	h.resetOff(what)
	length := h.bootCut(0)
	h.up()
	calm := take(t, h.c)
	t.Logf("undisturbed, the %s takes the boot unit %s", what, length.Round(time.Millisecond))
	for i := range hazardPoints {
		_, part := math.Modf(0.5 + float64(i)*math.Phi)
		delay := time.Duration(part * float64(length))
		good := t.Run(fmt.Sprintf("%s, %02d of %d, after %s", what, i+1, hazardPoints, delay.Round(time.Millisecond)), func(t *testing.T) {
			y := *h
			y.box = h.on(t)
			y.resetOff(what)
			y.bootCut(max(delay, 1))
			left := y.left()
			y.totals.Lock()
			y.totals.left[left]++
			y.totals.points++ // one that could not be made, the host's disk being full, says nothing of Belay
			y.totals.Unlock()
			t.Logf("the power goes with: %s", left)
			if left == over {
				length = delay
			}
			y.up()
			if diffs := oracle.Diff(calm, take(t, y.c)); len(diffs) > 0 {
				t.Errorf("it is not what an undisturbed boot makes of it: %v", diffs)
			}
		})
		if good {
			h.totals.Lock()
			h.totals.good++
			h.totals.Unlock()
		}
	}
}

// resetOff gives the node a saved disk and no power.
func (h *hazard) resetOff(save string) {
	h.t.Helper()
	if err := h.n.Reset(h.t.Context(), save); err != nil {
		h.t.Fatal(err)
	}
}

// bootCut boots the node and cuts its power so long after the boot unit began;
// with 0 it does not, and gives the time that the boot unit took.
func (h *hazard) bootCut(delay time.Duration) time.Duration {
	t := h.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	booted := make(chan error, 1)
	go func() { booted <- h.n.Boot(ctx) }()
	spin(t, "a first process", h.n.Running)
	fenceAt, err := h.n.HostPath(belay.NodeState + "/fence")
	if err != nil {
		t.Fatal(err)
	}
	spin(t, "work of the boot unit", func() bool {
		fence, err := os.ReadFile(fenceAt)
		return err == nil && len(fence) > 0 && !bytes.Equal(fence, h.fence)
	})
	begun := time.Now()
	if delay > 0 {
		time.Sleep(delay) // not a condition: the moment is the test
		// Nothing comes between the moment and the kill; who boots it is sent home
		// before the rest of it is taken away.
		pid, err := h.n.Leader()
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-booted // it failed, rightly
		if err := h.n.PowerCut(t.Context()); err != nil {
			t.Fatal(err)
		}
		return delay
	}
	// Until the marker has come and gone, K3s cannot start.
	spin(t, "end of the exchange", func() bool {
		if _, err := h.look(k3s.DataDir + "/.belay-put-back"); err == nil {
			return false
		}
		journal, err := h.look(h.journalOfNode())
		return err == nil && outcomes(journal) > h.outcomes
	})
	took := time.Since(begun)
	if err := <-booted; err != nil {
		t.Fatal(err)
	}
	return took
}

// spin looks until it is so: what is waited for takes milliseconds.
func spin(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 90 s for %s", what)
		}
	}
}

// look reads a file of the node where the host sees it.
func (h *hazard) look(path string) ([]byte, error) {
	at, err := h.n.HostPath(path)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(at)
}

func (h *hazard) journalOfNode() string { return belay.NodeState + "/runs/" + h.run + "/journal" }

// outcomes counts exchanges whose outcome the node has recorded.
func outcomes(journal []byte) int {
	return bytes.Count(journal, []byte(`"put-back":{"server-inode":`)) + bytes.Count(journal, []byte(`"restored":{"server-inode":`))
}

// remember notes what the node is like just before it is saved.
func (h *hazard) remember() {
	h.t.Helper()
	fence, err := h.look(belay.NodeState + "/fence")
	if err != nil {
		h.t.Fatal(err)
	}
	journal, err := h.look(h.journalOfNode())
	if err != nil {
		h.t.Fatal(err)
	}
	h.fence, h.outcomes = fence, outcomes(journal)
}

// puttingBack saves the node before a put-back: told to go back, K3s stopped,
// nothing exchanged.
func (h *hazard) puttingBack() {
	t := h.t
	_, script := h.scripts()
	h.witness()
	p := h.soaking()
	h.followed()
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.end(waitForADeath)
	h.hush()
	h.dismiss()
	h.both()
	h.diesAfter(script.at(t, "intent n1.back.put-back"), "intent n1.back.put-back", "rollback")
	h.run = h.journal().Last().Run
	h.remember()
	h.save("put-back")
}

// restoring saves the node in a restore whose marker is there: decided, nothing
// or little exchanged. It is a rollback after the commit.
func (h *hazard) restoring() {
	t := h.t
	h.resetOff("put-back")
	h.up()
	if state := h.box.run(0, "resume").Report.State(); state != "restored" {
		t.Fatalf("the put-back ended %q\n%s", state, h.story0())
	}
	h.offer(release.Default())
	h.witness()
	upgrade := h.box.run(0, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes").Report.Run
	h.followed()
	h.hush()
	h.dismiss()
	h.save("committed")
	for range 3 {
		h.reset("committed")
		h.both()
		since := h.since("rollback", upgrade)
		known := h.runs()
		p, err := h.b.Start(t.Context(), "rollback", upgrade, "--discard-writes-since", since)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := h.n.HostPath(belay.NodeState + "/runs")
		if err != nil {
			t.Fatal(err)
		}
		spin(t, "the intent of the restore", func() bool {
			path := newRun(runs, known)
			if path == "" {
				return false
			}
			h.run = filepath.Base(filepath.Dir(path))
			journal, err := os.ReadFile(path)
			return err == nil && bytes.Contains(journal, []byte(`"intent":{"step":"n1.restore"`))
		})
		h.remember()
		if err := h.n.PowerCut(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = p.Wait()
		marker, err := h.n.Inode(t.Context(), k3s.DataDir+"/.belay-put-back")
		if err != nil {
			t.Fatal(err)
		}
		if marker != 0 {
			h.save("restore")
			return
		}
		t.Log("the restore was over before the power went; once more")
	}
	t.Fatal("three restores were over before the power went")
}

// both notes the two things that will be exchanged.
func (h *hazard) both() {
	h.t.Helper()
	h.server = h.serverInode()
	h.binary = labtest.Number(h.t, h.n, "stat", "-c", "%i", k3s.Binary)
}

// left says what lies on the disk of a node that has lost its power.
func (h *hazard) left() string {
	h.t.Helper()
	inode := func(path string) int {
		n, err := h.n.Inode(h.t.Context(), path)
		if err != nil {
			h.t.Fatal(err)
		}
		return n
	}
	says := map[bool]string{true: marked, false: "no marker"}[inode(k3s.DataDir+"/.belay-put-back") != 0]
	for _, side := range []struct {
		name     string
		was, now int
	}{{"server", h.server, inode(k3s.DataDir + "/server")}, {"binary", h.binary, inode(k3s.Binary)}} {
		says += map[bool]string{true: ", " + side.name + " exchanged", false: ", " + side.name + " as before"}[side.was != side.now]
	}
	return says
}

// up boots the node and demands that K3s is up by itself, on the old version,
// as the cluster that it was.
func (h *hazard) up() {
	t := h.t
	t.Helper()
	if err := h.n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k3s.Wait(t.Context(), h.n); err != nil {
		t.Fatalf("K3s did not come up by itself: %v\n%s\n%s", err, h.story0(), h.guardLog())
	}
	if uid := clusterUID(t, h.n); uid != h.uid {
		t.Fatalf("another cluster: kube-system is %s, was %s\n%s", uid, h.uid, h.guardLog())
	}
	h.serves(labtest.From)
	h.c = connect(t, h.n)
	h.settle()
}
