// Package scenario plays the text files by which machines are tested: each line of a step
// is an instruction, and what is expected is the transcript of what happens then
// (milliseconds since the beginning, who, what). Files are in the form of datadriven;
// `go test -rewrite` writes the transcripts anew, and the difference is to be read.
//
// It knows no machine. What an instruction does is the test's.
package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Transcript is what has happened in the present step.
type Transcript struct{ strings.Builder }

// Say adds a line: that who did something so long after the beginning.
func (t *Transcript) Say(after time.Duration, who, what string) {
	fmt.Fprintf(t, "%9.1f %-2s %s\n", float64(after.Microseconds())/1000, who, what)
}

// Play plays every file below testdata, but for what fuzzing keeps there. begin is called
// for each file and gives what carries out one line, without the spaces around it.
func Play(t *testing.T, begin func(t *testing.T, lines *Transcript) (do func(line string))) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasPrefix(path, "testdata/fuzz/") {
			return
		}
		var lines Transcript
		do := begin(t, &lines)
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			lines.Reset()
			for line := range strings.SplitSeq(d.Input, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					do(line)
				}
			}
			return lines.String()
		})
	})
}

// Instruction is a line in its parts: "cut m1 m2 link=2 oneway".
type Instruction struct {
	Verb    string
	Members []view.ID         // those named m1, m2 …, in the order of the line
	Options map[string]string // name=value; a bare word has the value ""
}

// Parse takes a line that is not empty apart.
func Parse(line string) Instruction {
	words := strings.Fields(line)
	i := Instruction{Verb: words[0], Options: map[string]string{}}
	for _, w := range words[1:] {
		if id, err := strconv.Atoi(strings.TrimPrefix(w, "m")); w[0] == 'm' && err == nil {
			i.Members = append(i.Members, view.ID(id))
			continue
		}
		name, value, _ := strings.Cut(w, "=")
		i.Options[name] = value
	}
	return i
}

// Has says whether an option is given, with a value or without.
func (i *Instruction) Has(name string) bool {
	_, there := i.Options[name]
	return there
}

// Number is the value of an option; other if it is not given. A value that is no number
// ends the test.
func (i *Instruction) Number(t testing.TB, name string, other int) int {
	text, there := i.Options[name]
	if !there {
		return other
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %s=%q is not a number; write one, as in %s=2", i.Verb, name, text, name)
	}
	return n
}

// Duration is a time that an instruction names. What is none ends the test.
func Duration(t testing.TB, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%q is not a duration; write one, as in 20ms", text)
	}
	return d
}

// Sentence tells a trace event in words. reason words a machine's own reason; it may be
// nil if the machine has none. Why something was dropped is always a [wire.Reason].
func Sentence(e trace.Event, reason func(uint64) fmt.Stringer) string {
	var b strings.Builder
	fmt.Fprint(&b, e.Kind)
	if e.Peer != view.Nobody {
		fmt.Fprintf(&b, " %v", e.Peer)
	}
	for i, name := range e.Kind.Fields() {
		v := [...]uint64{e.A, e.B, e.C}[i]
		switch {
		case name == "" || name == "channel":
		case name == "reason" && (e.Kind == trace.Dropped || reason == nil):
			fmt.Fprintf(&b, " (%v)", wire.Reason(v))
		case name == "reason":
			fmt.Fprintf(&b, " (%v)", reason(v))
		default:
			fmt.Fprintf(&b, " %s=%d", name, v)
		}
	}
	return b.String()
}
