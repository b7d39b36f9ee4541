package belay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// written is a journal as Belay writes it.
func written(bodies ...string) string {
	var text strings.Builder
	previous := strings.Repeat("0", 64)
	for i, body := range bodies {
		rest := fmt.Sprintf("%d %s %s", i+1, previous, body)
		line := fmt.Sprintf("%06d %08x %s", len(rest), crc32.Checksum([]byte(rest), crc32.MakeTable(crc32.Castagnoli)), rest)
		sum := sha256.Sum256([]byte(line))
		previous = hex.EncodeToString(sum[:])
		text.WriteString(line + "\n")
	}
	return text.String()
}

func TestReadJournal(t *testing.T) {
	whole := written(`{"ev":"open"}`, `{"ev":"intent","step":"n1.stop"}`, `{"ev":"outcome","step":"n1.stop","ok":true}`)
	j, err := ReadJournal([]byte(whole))
	if err != nil || len(j) != 3 || !j[2].OK || !j[1].Is("intent", "n1.stop") || j.Count("outcome", "n1.stop") != 1 {
		t.Fatalf("%v, %v", j, err)
	}
	if j, err = ReadJournal([]byte(whole[:len(whole)-9])); err != nil || len(j) != 2 {
		t.Errorf("a torn last line was never acknowledged: %v, %v", j, err)
	}
	lines := strings.SplitAfter(whole, "\n")
	for name, damaged := range map[string]string{
		"a changed word":     strings.Replace(whole, "n1.stop", "n1.swap", 1),
		"a record taken out": lines[0] + lines[2],
		"two exchanged":      lines[1] + lines[0] + lines[2],
		"another chain":      lines[0] + strings.SplitAfter(written(`{"ev":"note"}`, `{"ev":"intent","step":"n1.stop"}`), "\n")[1],
	} {
		if j, err := ReadJournal([]byte(damaged)); err == nil {
			t.Errorf("%s was not seen: %v", name, j)
		}
	}
}

func TestReadResult(t *testing.T) {
	r := Result{Stdout: `{"belay":"report/v1","run":"r","end":{"state":"restored","why":"w"},"lost":{"complete":true,"objects":[{"resource":"configmaps","namespace":"a","name":"b","change":"created"}],"kept-revision":7},"api":{"forward":"8100ms","back":"7.9s"}}`}
	r.read()
	if r.Report.State() != "restored" || len(r.Report.Lost.Objects) != 1 || r.Report.Lost.KeptRevision != 7 {
		t.Errorf("%+v", r.Report)
	}
	if got := r.Report.API.Sentence(); got != "8.1 s forward + 7.9 s back" {
		t.Errorf("API gap %s", got)
	}
	r = Result{Stdout: `{"error":{"message":"run x has ended","next":[]}}`}
	if r.read(); r.Refusal != "run x has ended" || r.Report != nil || r.Report.State() != "" {
		t.Errorf("%+v", r)
	}
}
