package tests

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
)

// TestARunIsWatchedAndRead: what other terminals and a CI see of a run, while
// it goes on and afterwards. None of them needs more than the run's directory.
func TestARunIsWatchedAndRead(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	p := x.soaking()
	run, err := x.b.LastRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := x.b.Start(t.Context(), "watch")
	if err != nil {
		t.Fatal(err)
	}
	x.run(0, "journal", "verify", run)
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.check(x.end(120*time.Second), 3, "upgrade", "(Ctrl-C)")
	seen, err := w.Wait()
	if err != nil {
		t.Fatal(err)
	}
	x.check(seen, 3, "watch")
	if seen.Report.State() != "restored" || seen.Report.Run != run {
		t.Errorf("watch ends with another run or state: %s", clip(seen.Stdout, 1000))
	}

	var records []json.RawMessage
	shown := x.run(0, "journal", "show", run)
	if err := json.Unmarshal([]byte(shown.Stdout), &records); err != nil || len(records) != len(x.journal()) {
		t.Errorf("%d of %d records are shown: %v", len(records), len(x.journal()), err)
	}
	var suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
	}
	junit := x.run(0, "report", run, "--format", "junit")
	if err := xml.Unmarshal([]byte(junit.Stdout), &suites); err != nil || suites.Tests < 20 || suites.Failures == 0 {
		t.Errorf("junit of a run that went back: %+v, %v\n%s", suites, err, clip(junit.Stdout, 2000))
	}
	for format, words := range map[string]string{"markdown": "| step |", "html": "<svg", "text": run} {
		if r := x.run(0, "report", run, "--format", format); !strings.Contains(r.Stdout, words) {
			t.Errorf("%s: no %q in\n%s", format, words, clip(r.Stdout, 1000))
		}
	}
	plan := belay.RunDir(run) + "/plan.yaml"
	for _, name := range []string{run, plan} {
		if r := x.run(0, "plan", "show", name); !strings.Contains(r.Stdout, run) {
			t.Errorf("plan show %s: %s", name, clip(r.Stdout, 1000))
		}
	}

	// On a copy: one letter of a record, one number of a plan.
	labtest.Must(t, x.n, "sh", "-ec", `cp -a `+belay.State+` /root/copy; cd /root/copy/runs/`+run+`
		sed -i '5s/"gen":1/"gen":2/' journal; sed -i 's/deadline: 60s/deadline: 61s/' plan.yaml`)
	if r := x.run(1, "journal", "verify", run, "--state", "/root/copy"); !r.Says(`"damaged": 5`) {
		t.Errorf("the damaged record is not named: %s", r)
	}
	if r := x.run(1, "plan", "show", "/root/copy/runs/"+run+"/plan.yaml"); !r.Says("edited") {
		t.Errorf("an edited plan is shown as a plan: %s", r)
	}

	// No channel server answers: what is known is said, and that it is not all.
	var known struct{ Notes, Minors []any }
	offline := x.run(0, "versions", "--channels", "http://127.0.0.1:9/channels")
	if err := json.Unmarshal([]byte(offline.Stdout), &known); err != nil || len(known.Notes) == 0 || len(known.Minors) < 5 {
		t.Errorf("versions, offline: %v\n%s", err, clip(offline.String(), 2000))
	}
}
