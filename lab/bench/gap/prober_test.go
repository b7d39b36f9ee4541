package gap

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func shots(pattern string) []Shot {
	var list []Shot
	at := time.Unix(0, 0)
	for _, c := range pattern {
		list = append(list, Shot{Start: at, End: at.Add(10 * time.Millisecond), OK: c == '+'})
		at = at.Add(100 * time.Millisecond)
	}
	return list
}

func TestOutagesReachFromTheLastAnswerToTheNext(t *testing.T) {
	const ms = time.Millisecond
	for pattern, want := range map[string][]time.Duration{
		"":           nil,
		"+++":        nil,
		"++---++":    {410 * ms},
		"+-+--+":     {210 * ms, 310 * ms},
		"+--++++-++": {310 * ms, 210 * ms},
	} {
		got, err := Outages(shots(pattern))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", pattern, got, err, want)
		}
	}
	for _, open := range []string{"-+", "++--"} {
		if got, err := Outages(shots(open)); err == nil {
			t.Errorf("%q has no length, and got %v", open, got)
		}
	}
}

func TestProberSeesAServerGoAndComeBack(t *testing.T) {
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	p := start(t.Context(), server.URL, server.Client())
	until(t, "answers", func() bool { return p.Calm(3) })
	down.Store(true)
	until(t, "a failure", func() bool { return !p.Calm(1) })
	down.Store(false)
	until(t, "answers again", func() bool { return p.Calm(3) })
	if outages, err := Outages(p.Stop()); err != nil || len(outages) != 1 {
		t.Errorf("one outage was made, seen: %v, %v", outages, err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(Every) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}
