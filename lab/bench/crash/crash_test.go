package crash

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAScheduleIsReadAsItIsPrinted(t *testing.T) {
	s := Schedule{Goal: Goals[1], Faults: []Fault{
		{Victims: "belay-helper", Point: "2\tbelay-helper\texchanged /usr/local/bin/k3s", Then: "resume"},
		{Victims: "node", Point: "17", Then: "boot"},
	}}
	for _, text := range []string{s.String(), fmt.Sprintf("%q", s.String())[1 : len(fmt.Sprintf("%q", s.String()))-1]} {
		read, err := Parse(text)
		if err != nil || !reflect.DeepEqual(read, s) {
			t.Errorf("%q is read as %v, %v", text, read, err)
		}
	}
	if _, err := Parse("no such goal"); err == nil {
		t.Error("a goal that there is not was read")
	}
}

func TestSinglesOnceHitEveryPointOnceAndAllHitItWithEveryVictim(t *testing.T) {
	goal := Goals[0]
	s := &Suite{undisturbed: map[string]Result{goal.Name: {Trace: []string{"belay\ta", "belay\tb", "belay\ta", "belay-helper\tc"}}}}
	rng := rand.New(rand.NewPCG(1, 0))
	if got := s.Points(goal); !reflect.DeepEqual(got, []string{"1\tbelay\ta", "1\tbelay\tb", "2\tbelay\ta", "1\tbelay-helper\tc"}) {
		t.Errorf("points %q", got)
	}
	if n := len(s.Singles([]Goal{goal}, rng, Once)); n != 4 {
		t.Errorf("%d schedules for 4 points once", n)
	}
	for _, one := range s.Singles([]Goal{goal}, rng, Standing) {
		if f := one.Faults[0]; !strings.Contains(f.Point, "\t"+f.Victims+"\t") {
			t.Errorf("%s does not stand at %q", f.Victims, f.Point)
		}
	}
	if n := len(s.Singles([]Goal{goal}, rng, Standing)); n != 4 {
		t.Errorf("%d schedules for 4 points at which one process stands", n)
	}
	if n := len(s.Singles([]Goal{goal}, rng, Every)); n != 4*len(Victims) {
		t.Errorf("%d schedules for 4 points and %d victims", n, len(Victims))
	}
}

func TestAListingThatDiffersIsToldByLine(t *testing.T) {
	if d := Differs([]string{"a", "b"}, []string{"b", "a"}); len(d) > 0 {
		t.Errorf("the same differs by %v", d)
	}
	if d := Differs([]string{"a", "c"}, []string{"a", "b"}); !reflect.DeepEqual(d, []string{"+c", "-b"}) {
		t.Errorf("it differs by %v", d)
	}
}

func TestARunThatTurnedEarlierMayLackItsOwnFilesAndNothingElse(t *testing.T) {
	was := Result{Reached: "started", Listing: []string{"/etc/k3s", "/var/lib/rancher/k3s/server.belay-RUN/"}}
	for _, c := range []struct {
		is   Result
		want []string
	}{
		{Result{Reached: "stopped", Listing: []string{"/etc/k3s"}}, nil},
		{Result{Reached: "started", Listing: []string{"/etc/k3s"}}, []string{"-/var/lib/rancher/k3s/server.belay-RUN/"}},
		{Result{Reached: "stopped", Listing: []string{"/etc/k3s.RUN"}}, []string{"+/etc/k3s.RUN", "-/etc/k3s"}},
	} {
		if d := unlike(c.is, was); !slices.Equal(d, c.want) {
			t.Errorf("%v differs by %v, not %v", c.is, d, c.want)
		}
	}
}
