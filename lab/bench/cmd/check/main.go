// Command check measures on a node of the lab what `belay check` promises of
// one server with many objects: how long it takes from a cold start, and how
// many requests it makes. `./dev bench check` runs it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/gap"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/release"
)

const (
	labName = "check"
	audit   = "/var/log/k3s-audit.log"
	policy  = "/etc/rancher/k3s/audit-policy.yaml"
	// everything that anybody asks, without what is in it.
	everything = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
)

// Shown is what the page says of a node.
type Shown struct {
	Objects int `json:"objects"`
	// Cold is the slowest of the runs that began with an empty page cache, Warm
	// the median of the others, in seconds.
	Cold float64 `json:"cold-start-s"`
	Warm float64 `json:"warm-s"`
	// Requests of one check, all within a minute, and the most in one second.
	Requests  int     `json:"requests"`
	PerSecond float64 `json:"requests-per-s"`
	Burst     int     `json:"burst"`
	Machine   string  `json:"machine"`
	Release   string  `json:"release"`
	Real      bool    `json:"real-releases"`
	Datastore string  `json:"datastore"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	objects := flag.Int("objects", 10_000, "ConfigMaps in the datastore")
	runs := flag.Int("runs", 5, "checks from a cold start, and as many warm ones")
	kind := flag.String("datastore", "sqlite", "sqlite or etcd")
	flag.Parse()
	shown, err := measure(ctx, *objects, *runs, *kind)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	text, _ := json.MarshalIndent(shown, "", "  ")
	fmt.Println(string(text))
}

func measure(ctx context.Context, objects, runs int, kind string) (shown Shown, err error) {
	datastore, err := k3s.ParseDatastore(kind)
	if err != nil {
		return shown, err
	}
	if err := lab.Remove(ctx, labName); err != nil { // of a run that was killed
		return shown, err
	}
	l, err := lab.Open(ctx, labName)
	if err != nil {
		return shown, err
	}
	say := func(line string) { fmt.Fprintln(os.Stderr, "·", line) }
	l.Progress = say
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()
	n, err := l.Up(ctx, "n1", lab.Options{})
	if err != nil {
		return shown, err
	}
	if err := n.PutString(ctx, policy, 0o600, everything); err != nil {
		return shown, err
	}
	options := k3s.Options{Datastore: datastore, Config: []string{
		`kube-apiserver-arg: ["audit-log-path=` + audit + `","audit-policy-file=` + policy + `","audit-log-mode=blocking"]`,
	}}
	if err := k3s.Up(ctx, n, release.Default(), labtest.From, options); err != nil {
		return shown, err
	}
	b, err := belay.Install(ctx, n)
	if err != nil {
		return shown, err
	}
	say(fmt.Sprintf("K3s is up; now %d objects in %s", objects, datastore))
	if err := gap.Fill(ctx, n, objects, 512); err != nil {
		return shown, err
	}
	shown = Shown{
		Objects: objects, Machine: gap.Machine(), Release: labtest.From, Real: release.Real(), Datastore: datastore.String(),
	}
	var warm []float64
	for i := range 2 * runs {
		cold := i%2 == 0
		if cold {
			if err := gap.DropCaches(); err != nil {
				return shown, err
			}
		}
		// What it asks is told apart from what others ask by when it ran, and by whom: nobody else has no name.
		before, err := asked(ctx, b)
		if err != nil {
			return shown, err
		}
		result, err := b.Run(ctx, "check", "--to", labtest.To)
		if err != nil {
			return shown, err
		}
		if result.Code != 0 && result.Code != 1 {
			return shown, fmt.Errorf("belay check: %s", result)
		}
		after, err := asked(ctx, b)
		if err != nil {
			return shown, err
		}
		requests := after[len(before):]
		if len(requests) == 0 {
			return shown, errors.New("the audit log shows no request of the check: nothing was measured")
		}
		shown.Requests = max(shown.Requests, len(requests))
		shown.Burst = max(shown.Burst, burst(requests))
		if cold {
			shown.Cold = max(shown.Cold, result.Took.Seconds())
		} else {
			warm = append(warm, result.Took.Seconds())
		}
		say(fmt.Sprintf("%s: %.2f s, %d requests, at most %d in a second", map[bool]string{true: "cold", false: "warm"}[cold],
			result.Took.Seconds(), len(requests), burst(requests)))
	}
	shown.Warm = gap.Median(warm)
	shown.PerSecond = float64(shown.Requests) / 60
	return shown, nil
}

// asked is when each request of Belay was received, as the API server says.
func asked(ctx context.Context, b *belay.Belay) ([]time.Time, error) {
	text, err := b.Node.Get(ctx, audit)
	if err != nil {
		return nil, err
	}
	var all []time.Time
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Stage     string    `json:"stage"`
			UserAgent string    `json:"userAgent"`
			Received  time.Time `json:"requestReceivedTimestamp"`
		}
		// The last line may be half written.
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Stage == "ResponseStarted" {
			continue
		}
		if agent := event.UserAgent; agent == "" || strings.HasPrefix(agent, "belay") {
			all = append(all, event.Received)
		}
	}
	return all, lines.Err()
}

// burst is the most requests within any second.
func burst(of []time.Time) int {
	of = slices.SortedFunc(slices.Values(of), time.Time.Compare)
	most, first := 0, 0
	for i := range of {
		for of[i].Sub(of[first]) > time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
