package belay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// Record is one record of a run's journal.
type Record struct {
	Seq        int       `json:"-"`
	Run        string    `json:"run"`
	Generation int       `json:"gen"`
	At         time.Time `json:"at"`
	Boot       string    `json:"boot"`
	// Event is open, intent, outcome, probed, gate, turn, resumed, measured,
	// note or end.
	Event   string          `json:"ev"`
	Step    string          `json:"step"`
	OK      bool            `json:"ok"`
	State   string          `json:"state"`
	Name    string          `json:"name"`
	Verdict string          `json:"verdict"`
	Says    string          `json:"says"`
	Why     string          `json:"why"`
	Asked   bool            `json:"asked"`
	Back    bool            `json:"back"`
	Reached string          `json:"reached"`
	Proof   json.RawMessage `json:"proof"`
	Fault   *struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	} `json:"fault"`
}

func (r Record) String() string {
	parts := []string{strconv.Itoa(r.Seq), r.Event}
	for _, p := range []string{r.Step, r.Name, r.Verdict, r.State, r.Why} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if r.Event == "outcome" {
		parts = append(parts, strconv.FormatBool(r.OK))
	}
	if r.Fault != nil {
		parts = append(parts, r.Fault.Kind+": "+r.Fault.Message)
	}
	return strings.Join(parts, " ")
}

// Is says whether this is a record of that event on that step.
func (r Record) Is(event, step string) bool { return r.Event == event && r.Step == step }

// Journal is the journal of a run, checked from the first record to the last.
type Journal []Record

// Journal reads a run's journal. A last line that is not whole was never
// acknowledged and is left out, as its format promises.
func (b *Belay) Journal(ctx context.Context, run string) (Journal, error) {
	text, err := b.OfRun(ctx, run, "journal")
	if err != nil {
		return nil, err
	}
	return ReadJournal(text)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadJournal checks length, sum, number and chain of every line: Belay's own
// reader is part of what is under test.
func ReadJournal(text []byte) (Journal, error) {
	var j Journal
	previous := strings.Repeat("0", 64)
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			break
		}
		text = rest
		r, err := readLine(line, len(j)+1, previous)
		if err != nil {
			return nil, fmt.Errorf("journal, record %d: %w", len(j)+1, err)
		}
		j = append(j, r)
		sum := sha256.Sum256(line)
		previous = hex.EncodeToString(sum[:])
	}
	return j, nil
}

// Bodies checks the lines of any journal in the same way, the node's own as
// well, and returns what is in them.
func Bodies(text []byte) ([]json.RawMessage, error) {
	var all []json.RawMessage
	previous := strings.Repeat("0", 64)
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			break
		}
		text = rest
		body, err := checkLine(line, len(all)+1, previous)
		if err != nil {
			return nil, fmt.Errorf("journal, record %d: %w", len(all)+1, err)
		}
		all = append(all, body)
		sum := sha256.Sum256(line)
		previous = hex.EncodeToString(sum[:])
	}
	return all, nil
}

func readLine(line []byte, seq int, previous string) (Record, error) {
	r := Record{Seq: seq}
	body, err := checkLine(line, seq, previous)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(body, &r)
}

func checkLine(line []byte, seq int, previous string) (json.RawMessage, error) {
	f := bytes.SplitN(line, []byte{' '}, 5)
	if len(f) != 5 {
		return nil, fmt.Errorf("it has %d fields", len(f))
	}
	body := line[len(f[0])+len(f[1])+2:]
	if n, err := strconv.Atoi(string(f[0])); err != nil || n != len(body) {
		return nil, fmt.Errorf("it says %s bytes and has %d", f[0], len(body))
	}
	if sum := fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)); sum != string(f[1]) {
		return nil, fmt.Errorf("its sum is %s, not %s", sum, f[1])
	}
	if string(f[2]) != strconv.Itoa(seq) {
		return nil, fmt.Errorf("it is number %s", f[2])
	}
	if string(f[3]) != previous {
		return nil, fmt.Errorf("it follows %s, not %s", f[3], previous)
	}
	return f[4], nil
}

// Last is the last record; the zero Record when there is none.
func (j Journal) Last() Record {
	if len(j) == 0 {
		return Record{}
	}
	return j[len(j)-1]
}

// Find is the last record of an event on a step.
func (j Journal) Find(event, step string) (Record, bool) {
	for i := len(j) - 1; i >= 0; i-- {
		if j[i].Is(event, step) {
			return j[i], true
		}
	}
	return Record{}, false
}

// Count is how many records of an event on a step there are.
func (j Journal) Count(event, step string) int {
	n := 0
	for _, r := range j {
		if r.Is(event, step) {
			n++
		}
	}
	return n
}

func (j Journal) String() string {
	var lines []string
	for _, r := range j {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "\n")
}
