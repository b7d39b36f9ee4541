// Package gap measures how long the API is away while a server changes its
// version: the same prober, from outside of the node, for a bare restart, for
// the naive swap and for Belay.
package gap

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Every is how often the prober asks: finer than the 10 Hz of Belay's own.
	Every = 50 * time.Millisecond
	// patience is for one answer. Shots overlap, so a server that accepts and
	// says nothing costs no resolution.
	patience = 2 * time.Second
)

// Shot is one question to the API and whether it was answered.
type Shot struct {
	Start, End time.Time
	OK         bool
}

// Prober asks until it is stopped. Each shot is a connection of its own, and
// reads an object, so that an answer means: API, authorisation and datastore.
type Prober struct {
	url    string
	client *http.Client
	mu     sync.Mutex
	shots  []Shot
	cancel context.CancelFunc
	flying sync.WaitGroup
}

// StartProber begins to ask the server of an administrator's kubeconfig.
func StartProber(ctx context.Context, kubeconfig []byte) (*Prober, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}
	return start(ctx, config.Host+"/api/v1/namespaces/kube-system", &http.Client{Transport: transport, Timeout: patience}), nil
}

func start(ctx context.Context, url string, client *http.Client) *Prober {
	ctx, cancel := context.WithCancel(ctx)
	p := &Prober{url: url, client: client, cancel: cancel}
	p.flying.Add(1)
	go func() {
		defer p.flying.Done()
		tick := time.NewTicker(Every)
		defer tick.Stop()
		for {
			p.flying.Go(func() { p.shoot(ctx) })
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

func (p *Prober) shoot(ctx context.Context) {
	s := Shot{Start: time.Now()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return
	}
	if res, err := p.client.Do(req); err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		s.OK = err == nil && res.StatusCode == http.StatusOK
	}
	if ctx.Err() != nil && !s.OK {
		return // we hung up, not the server
	}
	s.End = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shots = append(p.shots, s)
}

// Calm tells whether the last n shots that were begun were all answered.
func (p *Prober) Calm(n int) bool {
	shots := p.Shots()
	return len(shots) >= n && !slices.ContainsFunc(shots[len(shots)-n:], func(s Shot) bool { return !s.OK })
}

// Shots are those that ended, in the order in which they were begun.
func (p *Prober) Shots() []Shot {
	p.mu.Lock()
	defer p.mu.Unlock()
	shots := slices.Clone(p.shots)
	slices.SortFunc(shots, func(a, b Shot) int { return a.Start.Compare(b.Start) })
	return shots
}

// Stop ends the asking and gives all shots.
func (p *Prober) Stop() []Shot {
	p.cancel()
	p.flying.Wait()
	return p.Shots()
}

// Outages are the times without an answer, each from the begin of the last
// shot that was answered before a failed one to the end of the next that was:
// never shorter than what a client saw. One that the shots do not enclose is
// an error, because its length is not known.
func Outages(shots []Shot) ([]time.Duration, error) {
	var outages []time.Duration
	var before *Shot
	failed := false
	for i := range shots {
		switch s := &shots[i]; {
		case !s.OK && before == nil:
			return nil, fmt.Errorf("the API did not answer before it was begun")
		case !s.OK:
			failed = true
		case failed:
			outages = append(outages, s.End.Sub(before.Start))
			failed, before = false, s
		default:
			before = s
		}
	}
	if failed {
		return nil, fmt.Errorf("the API was still away at the end")
	}
	return outages, nil
}
