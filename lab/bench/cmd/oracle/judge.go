package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"belay.dev/lab/bench/oracle"
)

func diff(a arguments) error {
	if len(a.rest) != 2 {
		return errors.New("diff takes two inventories")
	}
	before, err := load(a.rest[0])
	if err != nil {
		return err
	}
	after, err := load(a.rest[1])
	if err != nil {
		return err
	}
	compare := oracle.Diff
	if a.upgraded {
		compare = oracle.Kept
	}
	diffs := compare(before, after)
	for _, d := range diffs {
		fmt.Println(d)
	}
	if len(diffs) > 0 {
		return fmt.Errorf("%d objects differ", len(diffs))
	}
	return nil
}

func judge(a arguments) error {
	e := oracle.Evidence{Upgraded: a.upgraded, Cut: oracle.Cut{KeptRevision: a.kept}}
	var err error
	if e.Attempts, err = oracle.ReadLogFile(a.log); err != nil {
		return err
	}
	if e.Before, err = load(a.before); err != nil {
		return err
	}
	if e.After, err = load(a.after); err != nil {
		return err
	}
	if a.losses != "" {
		b, err := os.ReadFile(a.losses)
		if err != nil {
			return err
		}
		if e.Losses, err = oracle.ReadLosses(b); err != nil {
			return err
		}
	}
	for _, moment := range []struct {
		text string
		t    *time.Time
	}{{a.stop, &e.Cut.Stop}, {a.stopped, &e.Cut.Stopped}, {a.back, &e.Cut.Back}} {
		if moment.text == "" {
			continue
		}
		if *moment.t, err = time.Parse(time.RFC3339Nano, moment.text); err != nil {
			return err
		}
	}
	v := oracle.Judge(e)
	fmt.Println(v)
	if !v.OK() {
		return errors.New("not as promised")
	}
	return nil
}
