package gap

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Kind is what was done to the server.
type Kind string

const (
	// Restart is `systemctl restart` of the target, extracted long ago: the
	// least that any change of version can cost.
	Restart Kind = "restart"
	// Naive is stop, copy the new binary over, start.
	Naive Kind = "naive"
	// Belay is `belay upgrade`.
	Belay Kind = "belay"
)

// Kinds in the order of the table.
var Kinds = []Kind{Restart, Naive, Belay}

// Setting is what all runs of one file have in common; runs of another
// setting are not comparable.
type Setting struct {
	From string `json:"from"`
	To   string `json:"to"`
	Real bool   `json:"real-releases"`
	// Datastore is sqlite or etcd.
	Datastore string `json:"datastore"`
	// Digests of what ran, by name.
	Digests map[string]string `json:"digests"`
	Objects int               `json:"objects"`
	Machine string            `json:"machine"`
}

// Run is one measurement. Times are in seconds.
type Run struct {
	Cold  bool `json:"cold"`
	Kind  Kind `json:"kind"`
	Round int  `json:"round"`
	// Gap is all the time without an answer; Outages says in how many pieces.
	Gap     float64 `json:"gap"`
	Outages int     `json:"outages"`
	// Returned is until the command ended, for Belay less its soak; Ready until
	// the node was reported Ready by a kubelet that started afterwards.
	Returned float64 `json:"returned"`
	Ready    float64 `json:"ready"`
	// Steps of Belay's, by kind, and "plan" for what comes before the first.
	Steps map[string]float64 `json:"steps,omitempty"`
	// Workload is what became of the questions to a pod; nil where pods have
	// no containers.
	Workload *Lost `json:"workload,omitempty"`
	// Quiet: nothing else kept the machine busy when it began.
	Quiet bool   `json:"quiet"`
	At    string `json:"at"`
}

// Lost is how many questions to a workload were asked, from before the change
// until the API was well again, and how many nobody answered.
type Lost struct {
	Asked int `json:"asked"`
	Lost  int `json:"lost"`
}

// Record is the file of a series: its setting, then a line for each run, so
// that a series that was interrupted goes on where it was.
type Record struct {
	Setting Setting
	Runs    []Run
	path    string
}

// OpenRecord reads a file, or begins one. A file of another setting is an
// error: its runs must not be mixed with new ones.
func OpenRecord(path string, setting Setting) (*Record, error) {
	r, err := ReadRecord(path)
	if errors.Is(err, fs.ErrNotExist) {
		r = &Record{Setting: setting, path: path}
		return r, r.append(setting)
	}
	if err != nil {
		return nil, err
	}
	now, _ := json.Marshal(setting)
	if was, _ := json.Marshal(r.Setting); string(was) != string(now) {
		return nil, fmt.Errorf("%s holds runs of another setting; begin anew with --fresh\n  was %s\n  is  %s", path, was, now)
	}
	return r, nil
}

// ReadRecord reads a file. A last line that was cut by a kill is left out.
func ReadRecord(path string) (*Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Record{path: path}
	lines := bufio.NewScanner(f)
	begun := false
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if !begun {
			begun = true
			if err := json.Unmarshal(lines.Bytes(), &r.Setting); err != nil {
				return nil, fmt.Errorf("%s: its first line is no setting: %w", path, err)
			}
			continue
		}
		var run Run
		if json.Unmarshal(lines.Bytes(), &run) == nil {
			r.Runs = append(r.Runs, run)
		}
	}
	return r, lines.Err()
}

// Add writes a run down before it counts.
func (r *Record) Add(run Run) error {
	if err := r.append(run); err != nil {
		return err
	}
	r.Runs = append(r.Runs, run)
	return nil
}

func (r *Record) append(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	// The newline before ends a line that a kill cut.
	_, err = f.Write(append(append([]byte("\n"), text...), '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// Has tells whether a run was made.
func (r *Record) Has(cold bool, kind Kind, round int) bool {
	return slices.ContainsFunc(r.Runs, func(x Run) bool { return x.Cold == cold && x.Kind == kind && x.Round == round })
}

// Of gives one number of each run of a series.
func (r *Record) Of(cold bool, kind Kind, number func(Run) float64) []float64 {
	var all []float64
	for _, x := range r.Runs {
		if x.Cold == cold && x.Kind == kind {
			all = append(all, number(x))
		}
	}
	return all
}
