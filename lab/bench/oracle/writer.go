package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Namespaces are those that the writer makes and writes to, and nobody else.
var Namespaces = []string{"oracle-a", "oracle-b", "oracle-c"}

const (
	interval = 100 * time.Millisecond // 10 Hz
	patience = time.Second
)

// Writer is a client that lives through the run: it creates, updates and
// deletes ConfigMaps and notes what it was told.
type Writer struct {
	cluster *Cluster
	log     *logbook
	client  *http.Client
	rng     *rand.Rand
	live    []object
	seq     int
	// answered is whether the last attempt was.
	answered bool
	cancel   context.CancelFunc
	done     chan error
}

// object is one that the writer knows to exist in exactly this state. An
// object whose state is in doubt leaves the list and is never touched again:
// so at most the last attempt on any object is open.
type object struct {
	namespace, name, uid string
	revision             int64
}

// StartWriter makes the namespaces (waiting for the API up to a minute) and
// then writes until Stop. The seed decides what, not when.
func StartWriter(ctx context.Context, cluster *Cluster, logFile string, seed uint64) (*Writer, error) {
	return StartWriterAfter(ctx, cluster, logFile, seed, 0)
}

// StartWriterAfter numbers its writes from after+1, so that a later writer on
// the same cluster makes objects of its own and the two logs can be judged as
// one.
func StartWriterAfter(ctx context.Context, cluster *Cluster, logFile string, seed uint64, after int) (*Writer, error) {
	log, err := newLogbook(logFile)
	if err != nil {
		return nil, err
	}
	w := &Writer{cluster: cluster, log: log, rng: rand.New(rand.NewPCG(seed, 1)), seq: after, done: make(chan error, 1)}
	if w.client, err = cluster.direct(patience); err != nil {
		return nil, err
	}
	if err := w.makeNamespaces(ctx); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	go func() { w.done <- w.run(run) }()
	return w, nil
}

// Stop ends the writing after the attempt in flight and closes the log.
func (w *Writer) Stop() error {
	w.cancel()
	err := <-w.done
	if cerr := w.log.file.Close(); err == nil {
		err = cerr
	}
	return err
}

func (w *Writer) makeNamespaces(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, ns := range Namespaces {
		body := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}}
		for {
			_, code, err := w.send(http.MethodPost, "/api/v1/namespaces", body)
			if err == nil && (code == http.StatusCreated || code == http.StatusConflict) {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("create namespace %s: code %d, %v", ns, code, err)
			case <-time.After(interval):
			}
		}
	}
	return nil
}

func (w *Writer) run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := w.write(); err != nil {
				return fmt.Errorf("the writer's own log: %w", err)
			}
		}
	}
}

// write makes one attempt: mostly creates, so that there is much to lose.
func (w *Writer) write() error {
	w.seq++
	a := Attempt{Seq: w.seq, Op: Create}
	pick := -1
	// While nobody answers, only new objects are tried: an attempt without an
	// answer leaves its object in doubt, and doubt is what judges cannot use.
	if dice := w.rng.IntN(100); w.answered && len(w.live) > 5 && dice >= 45 {
		pick = w.rng.IntN(len(w.live))
		if a.Op = Update; dice >= 80 {
			a.Op = Delete
		}
	}
	if pick < 0 {
		a.Namespace, a.Name = Namespaces[w.rng.IntN(len(Namespaces))], fmt.Sprintf("w-%06d", w.seq)
	} else {
		o := w.live[pick]
		a.Namespace, a.Name, a.UID = o.namespace, o.name, o.uid
	}
	if a.Op != Delete {
		a.Value = strconv.Itoa(w.seq)
	}
	a.Start = time.Now()
	if err := w.log.note(a); err != nil {
		return err
	}
	var known object
	if pick >= 0 {
		known = w.live[pick]
	}
	w.attempt(&a, known)
	a.End = time.Now()

	w.answered = a.Outcome == Acknowledged
	if pick >= 0 && !notSent(a) {
		w.live = append(w.live[:pick], w.live[pick+1:]...)
	}
	if a.Outcome == Acknowledged && a.Op != Delete {
		w.live = append(w.live, object{a.Namespace, a.Name, a.UID, a.Revision})
	}
	return w.log.note(a)
}

// attempt sends it. Updates and deletes carry the state that they expect, so
// they can neither hit an object of another life of the cluster nor come late.
func (w *Writer) attempt(a *Attempt, known object) {
	base := "/api/v1/namespaces/" + a.Namespace + "/configmaps"
	meta := map[string]any{"name": a.Name, "namespace": a.Namespace, "labels": map[string]any{"value": a.Value}}
	body := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": map[string]any{"value": a.Value}}
	revision := strconv.FormatInt(known.revision, 10)
	var answer []byte
	var err error
	switch a.Op {
	case Create:
		answer, a.Code, err = w.send(http.MethodPost, base, body)
	case Update:
		meta["uid"], meta["resourceVersion"] = known.uid, revision
		answer, a.Code, err = w.send(http.MethodPut, base+"/"+a.Name, body)
	case Delete:
		answer, a.Code, err = w.send(http.MethodDelete, base+"/"+a.Name, map[string]any{
			"apiVersion": "v1", "kind": "DeleteOptions",
			"preconditions": map[string]any{"uid": known.uid, "resourceVersion": revision},
		})
	}
	if err != nil {
		a.Outcome, a.Error = Unanswered, err.Error()
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			a.Outcome = Refused // no connection, so nothing was sent
		}
		w.reconnect()
		return
	}
	if a.Outcome = outcomeOf(a.Code); a.Outcome != Acknowledged {
		a.Error = string(answer[:min(len(answer), 200)])
		return
	}
	if a.Op == Delete {
		return
	}
	var got struct {
		Metadata struct {
			UID             string `json:"uid"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.Metadata.UID == "" {
		a.Outcome, a.Error = Unanswered, "an answer that is no object"
		return
	}
	a.UID = got.Metadata.UID
	a.Revision, _ = strconv.ParseInt(got.Metadata.ResourceVersion, 10, 64)
}

// notSent: refused before there was a connection, so the object is as it was.
func notSent(a Attempt) bool { return a.Outcome == Refused && a.Code == 0 }

// reconnect throws the connections away: the next attempt must not inherit
// the fate of one that hangs.
func (w *Writer) reconnect() {
	w.client.CloseIdleConnections()
	if c, err := w.cluster.direct(patience); err == nil {
		w.client = c
	}
}

func (w *Writer) send(method, path string, body any) (answer []byte, code int, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequest(method, w.cluster.config.Host+path, bytes.NewReader(b))
	if err != nil {
		return nil, 0, err
	}
	// Never sent twice: the transport repeats requests that it thinks are
	// safe when a kept connection turns out dead, unless it cannot rewind.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "belay-lab-oracle")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer, resp.StatusCode, err
}
