package tests

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/mirror"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

func newMirror(t *testing.T, dir release.Dir) *mirror.Mirror {
	t.Helper()
	m := mirror.New(dir)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// lyingMirror speaks http and https where Belay runs: plain http is taken from
// the own machine only.
type lyingMirror struct {
	*mirror.Mirror
	plain, secure string
}

// lie is a row of the matrix: what a mirror does to a release.
type lie struct {
	name  string
	tell  func(m lyingMirror)
	says  string
	shown place // without --all
	// https: the lie is one only to who came over TLS.
	https bool
	// staged: only the node can see it, so there is a run that ends unchanged.
	staged bool
}

var lies = []lie{
	{name: "no such release", says: "404", shown: sqliteLocal,
		tell: func(m lyingMirror) { m.Tell(sums(), mirror.Missing) }},
	{name: "no binary beside the sums", says: "404", shown: etcdSSH,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.Missing) }},
	{name: "cut short, as if it were whole", says: "not what its sum says", shown: sqliteLocal,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.ShortButWhole(0.5)) }},
	{name: "cut short by a broken connection", says: "was cut short", shown: etcdSSH,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.Truncated(0.5)) }},
	{name: "another hash", says: "not what its sum says", shown: etcdSSH,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.Flipped) }},
	{name: "HTML with 200 for the binary", says: "not what its sum says", shown: sqliteLocal,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.HTML) }},
	{name: "HTML with 200 for the sums", says: "no list of SHA-256 sums", shown: etcdSSH,
		tell: func(m lyingMirror) { m.Tell(sums(), mirror.HTML) }},
	{name: "a redirect to plain http", says: "from https to plain http", shown: sqliteLocal, https: true,
		tell: func(m lyingMirror) { m.Tell(binary(), mirror.Redirect(m.plain)) }},
	// The last: what it brought is in the cache of releases when the good one comes.
	{name: "another release with matching sums", says: other(), shown: etcdSSH, staged: true,
		tell: func(m lyingMirror) { m.Swap(labtest.To, other()) }},
}

func binary() string { return labtest.To + "/k3s" }

func sums() string { return labtest.To + "/" + release.Sums }

// other is a release that is not the target; for real ones it is the one that
// we come from.
func other() string {
	for _, tag := range []string{"v1.36.3+k3s2", labtest.From} {
		if _, err := release.Default().Binary(tag); err == nil && tag != labtest.To {
			return tag
		}
	}
	return labtest.From
}

func liesAt(p place) []lie {
	var here []lie
	for _, l := range lies {
		if p.shows(l.shown) {
			here = append(here, l)
		}
	}
	return here
}

// listen makes the box reach a mirror of the good releases.
func (x *box) listen() lyingMirror {
	x.t.Helper()
	m := newMirror(x.t, release.Default())
	at := func(port string) net.Listener {
		var l net.Listener
		var err error
		if x.b.Coordinator != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		} else {
			l, err = x.n.Listen("127.0.0.1:" + port)
		}
		if err != nil {
			x.t.Fatal(err)
		}
		return l
	}
	plain, secure := at("8099"), at("8443")
	authority, err := m.ServeTLS(secure, "127.0.0.1")
	if err != nil {
		x.t.Fatal(err)
	}
	m.Serve(plain)
	path, err := x.placed(authority)
	if err != nil {
		x.t.Fatal(err)
	}
	x.b.Env = append(x.b.Env, "SSL_CERT_FILE="+path)
	return lyingMirror{m, "http://" + plain.Addr().String(), "https://" + secure.Addr().String()}
}

// placed puts a file where Belay runs.
func (x *box) placed(content []byte) (string, error) {
	if x.b.Coordinator != nil {
		path := filepath.Join(x.b.Coordinator.Dir, "authority.pem")
		return path, os.WriteFile(path, content, 0o600)
	}
	const path = "/root/authority.pem"
	return path, x.n.PutString(x.t.Context(), path, 0o600, string(content))
}

// upgradesAfterLies hears every lie first: K3s is not touched, the same process
// goes on. Then the mirror is honest, and slow, and the upgrade is made.
func upgradesAfterLies(t *testing.T, p place, lies []lie) {
	x := newBoxOver(t, lab.Options{Datastore: p.datastore}, p.link)
	m := x.listen()
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			y := x.on(t)
			y.refuses(m, l)
			x.goesOnFrom(y)
		})
	}
	if t.Failed() {
		return
	}
	m.Honest()
	m.Tell(binary(), mirror.Slow(20<<20))
	x.upgrades("--mirror", m.plain)
	if p.link == overSSH {
		x.leavesNothingOfTheCoordinators()
	}
}

func (x *box) refuses(m lyingMirror, l lie) {
	t := x.t
	m.Honest()
	l.tell(m)
	base, code := m.plain, 1
	if l.https {
		base = m.secure
	}
	if l.staged {
		code = 3
	}
	life := x.life()
	last, _ := x.b.LastRun(t.Context())
	x.witness()
	attemptsGrow(t, x.log, oracle.Acknowledged)
	r := x.run(code, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes", "--mirror", base)
	said := r.Refusal
	if l.staged {
		if r.Report.State() != "unchanged" || r.Report.Turn == nil {
			t.Fatalf("it ended %q: %s", r.Report.State(), clip(r.Stdout, 3000))
		}
		said = r.Report.Turn.Why
		x.noSlot(r.Report.Run)
	} else if run, _ := x.b.LastRun(t.Context()); run != last {
		t.Errorf("a run was made of it: %s", run)
	}
	if !strings.Contains(said, l.says) {
		t.Errorf("it says %q, wanted %q", said, l.says)
	}
	if now := x.life(); now != life {
		t.Errorf("K3s is %s, was %s", now, life)
	}
	x.tidy()
	x.judge(cutOf(x.lastJournal()), r.Report, false)
	x.dismiss()
}

// lastJournal is the journal of the last run; none where none was made.
func (x *box) lastJournal() belay.Journal {
	x.t.Helper()
	if _, err := x.b.LastRun(x.t.Context()); err == belay.ErrNoRun {
		return nil
	}
	return x.journal()
}
