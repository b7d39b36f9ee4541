// Package release says which K3s release this binary pretends to be.
//
// The tag is data, not code: two tags of one Kubernetes patch share every
// compiled byte and differ in the small file that assemble puts in the payload,
// so a new tag costs seconds and still gets a data/<hash> of its own, as on K3s.
package release

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is the name of the record inside data/<hash>.
const File = "etc/release.json"

// Release names a K3s release and the versions it reports for what it replaces.
type Release struct {
	Tag        string `json:"tag"`        // v1.36.3+k3s1
	Commit     string `json:"commit"`     // as in K3s' --version, 40 hex digits
	Etcd       string `json:"etcd"`       // version that etcd reports and kine emulates (k3s-facts §4.1)
	Containerd string `json:"containerd"` // containerRuntimeVersion of the node
}

// Kubernetes is the upstream version, such as v1.36.3.
func (r Release) Kubernetes() string {
	upstream, _, _ := strings.Cut(r.Tag, "+")
	return upstream
}

// Minor is the folder of sources that builds this release, such as v1.36.
func (r Release) Minor() string {
	parts := strings.Split(r.Kubernetes(), ".")
	if len(parts) < 2 {
		return r.Tag
	}
	return parts[0] + "." + parts[1]
}

// ShortCommit is the form that --version prints.
func (r Release) ShortCommit() string {
	if len(r.Commit) < 8 {
		return r.Commit
	}
	return r.Commit[:8]
}

// Version is the text of `k3s --version` (captures/…/version.txt).
func (r Release) Version(goVersion string) string {
	return fmt.Sprintf("k3s version %s (%s)\ngo version %s\n", r.Tag, r.ShortCommit(), goVersion)
}

// programs are those that are not part of k3s itself: what Kubernetes and they
// need does not fit into one build.
var programs = []string{"etcd", "kine"}

// ProgramOf is the executable of a component, given that of a running k3s. All
// are called k3s, as on K3s, where components are threads of it: who looks for
// K3s' processes by their executable finds these as well.
func ProgramOf(executable, component string) string {
	if slices.Contains(programs, component) {
		return filepath.Join(filepath.Dir(executable), component, "k3s")
	}
	return executable
}

// Program is ProgramOf this process.
func Program(component string) (string, error) {
	executable, err := os.Executable()
	return ProgramOf(executable, component), err
}

// OfExecutable reads the record beside the running binary: data/<hash>/bin/k3s
// finds data/<hash>/etc/release.json.
func OfExecutable() (Release, error) {
	exe, err := os.Executable()
	if err != nil {
		return Release{}, err
	}
	return Read(filepath.Join(filepath.Dir(filepath.Dir(exe)), File))
}

// Read loads a record.
func Read(path string) (Release, error) {
	var r Release
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
