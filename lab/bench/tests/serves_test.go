package tests

import (
	"fmt"
	"strings"
	"time"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/release"
)

// serves demands that exactly this version is there and runs.
func (x *box) serves(tag string) {
	x.t.Helper()
	x.servesFrom(release.Default(), tag)
}

// soonServes is serves where nobody has asked a gate: the kubelet of a real K3s
// tells its version a moment after READY.
func (x *box) soonServes(tag string) {
	x.t.Helper()
	labtest.Until(x.t, time.Minute, "the kubelet tells "+tag, func() bool { return x.kubeletVersion() == tag })
	x.serves(tag)
}

func (x *box) kubeletVersion() string {
	x.t.Helper()
	return x.kubectl("get", "node", x.n.Name, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}")
}

// servesFrom is serves for a release of another directory.
func (x *box) servesFrom(releases release.Dir, tag string) {
	x.t.Helper()
	t := x.t
	if s, err := k3s.Show(t.Context(), x.n); err != nil || s.ActiveState != "active" {
		t.Errorf("the unit: %+v, %v", s, err)
	}
	if got := x.kubectl("get", "--raw", "/version"); !strings.Contains(got, fmt.Sprintf("%q", tag)) {
		t.Errorf("the API should be of %s: %s", tag, got)
	}
	if got := x.kubeletVersion(); got != tag {
		t.Errorf("the kubelet is of %s, not %s", got, tag)
	}
	path, err := releases.Binary(tag)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := release.SHA256(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := labtest.Must(t, x.n, "sha256sum", k3s.Binary); !strings.HasPrefix(got, sum) {
		t.Errorf("%s is %s, not the %s of %s", k3s.Binary, got, sum, tag)
	}
	// What runs lies in data/<hash>, and it is the one that data/current names.
	exe := labtest.Must(t, x.n, "sh", "-ec", `readlink /proc/$(systemctl show -p MainPID --value k3s)/exe
		readlink -f `+k3s.DataDir+`/data/current/bin/k3s`)
	if lines := strings.Split(exe, "\n"); len(lines) != 2 || lines[0] != lines[1] {
		t.Errorf("what runs is not what data/current names: %s", exe)
	}
}
