package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// rowsOfCopy reads a stopped member's keys from a copy of its database, which
// lies beside it in etcd-tmp while it is read.
func rowsOfCopy(dataDir, prefix string) (rows map[string][]byte, failed error) {
	dir := dataDir + "-tmp"
	path := filepath.Join(dir, "member", "snap", "db")
	defer func() { failed = errors.Join(failed, os.RemoveAll(dir)) }()
	if err := copyDatabase(filepath.Join(dataDir, "member", "snap", "db"), path); err != nil {
		return nil, err
	}
	// etcd ends the process where a database makes no sense; here it is an error.
	log := zap.NewNop().WithOptions(zap.WithPanicHook(zapcore.WriteThenPanic), zap.WithFatalHook(zapcore.WriteThenPanic))
	defer func() {
		if p := recover(); p != nil {
			failed = fmt.Errorf("panic: %v", p)
		}
	}()
	return readKeys(log, path, prefix)
}

func copyDatabase(from, to string) error {
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(filepath.Dir(to)))); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
