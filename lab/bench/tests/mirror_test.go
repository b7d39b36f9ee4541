package tests

import (
	"testing"

	"belay.dev/lab/bench/mirror"
	"belay.dev/lab/bench/release"
)

func newMirror(t *testing.T, dir release.Dir) *mirror.Mirror {
	t.Helper()
	m := mirror.New(dir)
	t.Cleanup(func() { _ = m.Close() })
	return m
}
