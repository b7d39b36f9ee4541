package oracle

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// Follower is a client as controllers are: client-go's reflector lists, then
// watches, and trusts what it is told. If revisions ran backwards it would end
// with a state that the server does not have.
type Follower struct {
	client    *dynamic.DynamicClient
	store     cache.Store
	reflector *cache.Reflector
	cancel    context.CancelFunc
	done      chan struct{}

	mu        sync.Mutex
	highest   int64
	backwards []string
	another   bool
}

// Follow starts to watch the ConfigMaps of all namespaces.
func Follow(ctx context.Context, c *Cluster) (*Follower, error) {
	client, err := c.dynamic()
	if err != nil {
		return nil, err
	}
	f := &Follower{client: client, store: cache.NewStore(cache.MetaNamespaceKeyFunc), done: make(chan struct{})}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.Resource(configMaps).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Resource(configMaps).Watch(ctx, o)
		},
	}
	f.reflector = cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, f.store,
		cache.ReflectorOptions{Name: "oracle", TypeDescription: "configmaps", Backoff: &wait.Backoff{
			// Sooner back than the usual 30 s: so it meets more of the run, and
			// a test waits less for it.
			Duration: 400 * time.Millisecond, Cap: 2 * time.Second, Factor: 2, Jitter: 0.2, Steps: 10,
		}})
	run, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	go func() {
		defer close(f.done)
		f.reflector.RunWithContext(run)
	}()
	go f.observe(run)
	return f, nil
}

// observe notes whether the revision that the reflector stands at ever sinks.
func (f *Follower) observe(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at, err := strconv.ParseInt(f.reflector.LastSyncResourceVersion(), 10, 64)
		if err != nil {
			continue
		}
		f.mu.Lock()
		if at < f.highest && at != last {
			f.backwards = append(f.backwards, fmt.Sprintf("%d after %d", at, f.highest))
		}
		f.highest, last = max(f.highest, at), at
		f.mu.Unlock()
	}
}

// Revision is the highest revision seen so far: what a client of the abandoned
// line holds in its hand.
func (f *Follower) Revision() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.highest
}

// MeetsAnotherCluster forgives that revisions run backwards while it is served:
// its own are low. At the end they have to be above all that were seen.
func (f *Follower) MeetsAnotherCluster() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.another = true
}

// Settle waits until the follower's state is the server's, and fails with the
// differences when it is not in time, or when revisions ran backwards. The
// writer must have stopped.
func (f *Follower) Settle(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		if last = f.agree(ctx); last == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the follower does not end with the server's state: %w", last)
		case <-time.After(200 * time.Millisecond):
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.another {
		if at, err := strconv.ParseInt(f.reflector.LastSyncResourceVersion(), 10, 64); err != nil || at < f.highest {
			return fmt.Errorf("a client ends at revision %d (%v), having seen %d", at, err, f.highest)
		}
		return nil
	}
	if len(f.backwards) > 0 {
		return fmt.Errorf("revisions ran backwards for a client: %s", strings.Join(f.backwards, ", "))
	}
	return nil
}

func (f *Follower) agree(ctx context.Context) error {
	list, err := f.client.Resource(configMaps).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	server := map[string]string{}
	for _, o := range list.Items {
		server[o.GetNamespace()+"/"+o.GetName()] = string(o.GetUID()) + " at " + o.GetResourceVersion()
	}
	var diffs []string
	for _, key := range f.store.ListKeys() {
		item, _, _ := f.store.GetByKey(key)
		m, err := meta.Accessor(item)
		if err != nil {
			return err
		}
		mine := string(m.GetUID()) + " at " + m.GetResourceVersion()
		if theirs, ok := server[key]; !ok {
			diffs = append(diffs, key+" is gone")
		} else if theirs != mine {
			diffs = append(diffs, fmt.Sprintf("%s is %s, not %s", key, theirs, mine))
		}
		delete(server, key)
	}
	for key := range server {
		diffs = append(diffs, key+" was never seen")
	}
	if len(diffs) == 0 {
		return nil
	}
	sort.Strings(diffs)
	more := ""
	if len(diffs) > 10 {
		more = fmt.Sprintf(" and %d more", len(diffs)-10)
		diffs = diffs[:10]
	}
	return errors.New(strings.Join(diffs, "; ") + more)
}

// Stop ends the watch.
func (f *Follower) Stop() {
	f.cancel()
	<-f.done
}

// RawResult is how a watch from a fixed revision went.
type RawResult struct {
	// Gone: the server said 410, so a client lists again: the right answer
	// to a revision that the present line never had.
	Gone    bool
	Message string
	// Events were delivered instead; none and not Gone is the silent hang.
	Events int
}

// WatchFrom watches ConfigMaps from one revision without any of client-go's
// kindness, until 410, or the limit. resourceVersionMatch is not used: this is
// what a client does that comes back with what it had.
func WatchFrom(ctx context.Context, c *Cluster, revision int64, limit time.Duration) (RawResult, error) {
	client, err := c.direct(limit + 5*time.Second)
	if err != nil {
		return RawResult{}, err
	}
	url := fmt.Sprintf("%s/api/v1/configmaps?watch=true&resourceVersion=%d&timeoutSeconds=%d",
		c.config.Host, revision, max(1, int(limit.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return RawResult{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return RawResult{}, err
	}
	defer resp.Body.Close()
	var res RawResult
	if resp.StatusCode == http.StatusGone {
		return RawResult{Gone: true, Message: resp.Status}, nil
	}
	if resp.StatusCode != http.StatusOK {
		return res, fmt.Errorf("watch from %d: %s", revision, resp.Status)
	}
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		var e struct {
			Type   string `json:"type"`
			Object struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"object"`
		}
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return res, err
		}
		if e.Type == "ERROR" {
			res.Gone, res.Message = e.Object.Code == http.StatusGone, e.Object.Message
			return res, nil
		}
		res.Events++
	}
	return res, nil // the server ended the watch at its timeout
}
