package tests

import (
	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/oracle"
)

// cutOf reads from the journal when the old version was asked to stop for the
// last time, when that was proven, and when it was started again.
func cutOf(j belay.Journal) oracle.Cut {
	var cut oracle.Cut
	if j.Count("intent", "n1.start") == 0 {
		return cut // the new version never ran: nothing may be missing
	}
	if r, ok := j.Find("intent", "n1.stop"); ok {
		cut.Stop = r.At
	}
	for _, event := range []string{"probed", "outcome"} {
		if r, ok := j.Find(event, "n1.stop"); ok {
			cut.Stopped = r.At
		}
	}
	// After a fall only what follows the put-back is kept again.
	start := "n1.back.start"
	if j.Count("intent", "n1.back2.start") > 0 {
		start = "n1.back2.start"
	}
	for _, r := range j {
		if r.Is("intent", start) && cut.Back.IsZero() {
			cut.Back = r.At
		}
	}
	return cut
}
