package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/mirror"
	"belay.dev/lab/bench/release"
)

func serveMirror(ctx context.Context, args []string) error {
	f := flags("mirror")
	listen := f.String("listen", "127.0.0.1:8080", "")
	dir := f.String("releases", string(release.Default()), "")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	m := mirror.New(release.Dir(*dir))
	base, err := m.Listen(*listen)
	if err != nil {
		return err
	}
	fmt.Printf("%s serves %s until Ctrl-C\n", base, *dir)
	<-ctx.Done()
	return m.Close()
}

func makeBad(ctx context.Context, args []string) error {
	if len(args) != 5 && len(args) != 6 {
		return errUsage
	}
	spec := bad.Spec{Kind: bad.Kind(args[1]), Tag: args[3], Key: os.Getenv("BELAY_LAB_BAD_KEY")}
	good, err := release.Default().Binary(args[2])
	if err != nil {
		return err
	}
	if len(args) == 6 {
		s, err := strconv.ParseFloat(args[5], 64)
		if err != nil {
			return fmt.Errorf("%w: seconds %q", errUsage, args[5])
		}
		spec.After = time.Duration(s * float64(time.Second))
	}
	out := release.Dir(args[4])
	if err := bad.Make(ctx, spec, good, out); err != nil {
		return err
	}
	say(fmt.Sprintf("%s made of %s lies in %s", spec.Kind, args[2], out.Folder(spec.Tag)))
	return nil
}
