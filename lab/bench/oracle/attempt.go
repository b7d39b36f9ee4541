package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Op is what an attempt asks for.
type Op string

const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Outcome is what the client may believe afterwards.
type Outcome string

const (
	// Acknowledged: the server said yes. It must never be taken back unsaid.
	Acknowledged Outcome = "acknowledged"
	// Refused: the server said no, or there was no connection to say it on, so
	// nothing happened.
	Refused Outcome = "refused"
	// Unanswered: no answer, half an answer, or one that leaves it open (any
	// 5xx: a proxy whose server died, a datastore that timed out).
	Unanswered Outcome = "unanswered"
)

// Attempt is one write that the client tried.
type Attempt struct {
	Seq       int       `json:"seq"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end,omitzero"`
	Op        Op        `json:"op"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	// Value is what the object holds after the attempt, in data and a label.
	Value   string  `json:"value,omitempty"`
	UID     string  `json:"uid,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"` // empty: begun, and then the writer died
	// Revision is the resourceVersion in the answer; a delete has none.
	Revision int64  `json:"rv,omitempty"`
	Code     int    `json:"code,omitempty"`
	Error    string `json:"error,omitempty"`
}

// outcomeOf reads an HTTP status. Only the 4xx are a certain no.
func outcomeOf(code int) Outcome {
	switch {
	case code >= 200 && code < 300:
		return Acknowledged
	case code >= 400 && code < 500:
		return Refused
	default:
		return Unanswered
	}
}

// logbook is the file of attempts: a line before the request and one after it,
// so that the death of the writer leaves an attempt open instead of unknown.
type logbook struct {
	mu   sync.Mutex
	file *os.File
}

func newLogbook(path string) (*logbook, error) {
	f, err := os.Create(path)
	return &logbook{file: f}, err
}

func (l *logbook) note(a Attempt) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.file.Write(append(b, '\n'))
	return err
}

// ReadLog reads the attempts of a writer's log in the order they were made.
// One that was begun and never ended counts as unanswered.
func ReadLog(r io.Reader) ([]Attempt, error) {
	var list []Attempt
	at := map[int]int{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for line := 1; sc.Scan(); line++ {
		var a Attempt
		if err := json.Unmarshal(sc.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("line %d of the writer's log: %w", line, err)
		}
		if i, again := at[a.Seq]; again {
			list[i] = a
			continue
		}
		at[a.Seq] = len(list)
		list = append(list, a)
	}
	for i := range list {
		if list[i].Outcome == "" {
			list[i].Outcome = Unanswered
		}
	}
	return list, sc.Err()
}

// ReadLogFile is ReadLog of a file.
func ReadLogFile(path string) ([]Attempt, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadLog(f)
}

// Tally counts attempts by outcome, for reports of tests.
func Tally(list []Attempt) map[Outcome]int {
	n := map[Outcome]int{}
	for _, a := range list {
		n[a.Outcome]++
	}
	return n
}
