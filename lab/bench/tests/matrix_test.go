package tests

import (
	"testing"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/k3s"
)

// place is where a run takes place: what the server stores its data in, and
// whether Belay runs on it or reaches it from another machine.
type place struct {
	datastore k3s.Datastore
	link      string
}

func (p place) String() string { return p.datastore.String() + " " + p.link }

const local, overSSH = "local", "ssh"

var (
	sqliteLocal = place{k3s.SQLite, local}
	sqliteSSH   = place{k3s.SQLite, overSSH}
	etcdLocal   = place{k3s.Etcd, local}
	etcdSSH     = place{k3s.Etcd, overSSH}

	places = []place{sqliteLocal, sqliteSSH, etcdLocal, etcdSSH}
)

// shows says whether this call takes a row at a place: with --all every row
// everywhere, else each where its table says.
func (p place) shows(in place) bool { return all() || p == in }

// TestMatrix is {SQLite, etcd} × {local, SSH} × {good, every bad release, every
// lie of a mirror}. Exit code and cause are demanded of every run, and the
// oracle is exact after each.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, p := range places {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			for _, row := range badReleases {
				if p.shows(row.shown) {
					t.Run(row.name(), func(t *testing.T) {
						t.Parallel()
						row.goesBackByItself(t, p)
					})
				}
			}
			if lies := liesAt(p); len(lies) > 0 {
				t.Run("good, after a mirror's lies", func(t *testing.T) {
					t.Parallel()
					upgradesAfterLies(t, p, lies)
				})
			}
		})
	}
}

// TestTheMatrixIsWhole: no kind of bad release is without a row, and what is
// run without --all meets each datastore and each link with good and with bad.
func TestTheMatrixIsWhole(t *testing.T) {
	rows := map[bad.Kind]bool{
		bad.Works:        true, // a good one
		bad.WrongVersion: true, // a mirror's lie: another release with matching sums
	}
	badAt, goodAt := map[any]bool{}, map[any]bool{}
	for _, row := range badReleases {
		if row.shown == (place{}) {
			continue
		}
		rows[row.spec.Kind], rows[row.before] = true, true
		badAt[row.shown.datastore], badAt[row.shown.link] = true, true
	}
	for _, kind := range bad.Kinds {
		if !rows[kind] {
			t.Errorf("without --all no row of the matrix shows a release that is %s", kind)
		}
	}
	for _, l := range lies {
		goodAt[l.shown.datastore], goodAt[l.shown.link] = true, true
	}
	for _, value := range []any{k3s.SQLite, k3s.Etcd, local, overSSH} {
		if !badAt[value] || !goodAt[value] {
			t.Errorf("without --all %v is met by bad releases: %v, by good ones: %v", value, badAt[value], goodAt[value])
		}
	}
}
