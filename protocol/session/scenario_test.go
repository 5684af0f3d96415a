package session

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScenarios runs testdata/*.txt. A line of a block is a request; each is answered by a line, and what the service is
// told stands before it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			s := newLedger()
			e := NewExecutor(s)
			datadriven.RunTest(t, name, func(t *testing.T, d *datadriven.TestData) string {
				var b strings.Builder
				for line := range strings.Lines(d.Input) {
					play(t, e, d, line, &b)
					for _, told := range s.log {
						fmt.Fprintf(&b, "  service: %s\n", told)
					}
					s.log = s.log[:0]
				}
				return b.String()
			})
		})
	}
}

// play executes one line: "verb key=value …".
func play(t *testing.T, e *Executor, d *datadriven.TestData, line string, b *strings.Builder) {
	words := strings.Fields(line)
	verbs := map[string]Verb{"open": Open, "call": Call, "renew": Renew, "close": Close, "cancel": Cancel, "pass": Pass}
	how := map[string]Semantics{"maybe": Maybe, "least": AtLeastOnce, "most": AtMostOnce, "exactly": ExactlyOnce}
	r := Request{Verb: verbs[words[0]], At: e.Time(), After: e.Index()}
	if r.Verb == Open {
		r.Lease = 10 * time.Second
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		var n uint64
		switch key {
		case "at", "lease":
			v, err := time.ParseDuration(value)
			if err != nil {
				d.Fatalf(t, "%s: %v", line, err)
			}
			if key == "at" {
				r.At = v
			} else {
				r.Lease = v
			}
		case "how":
			r.How = how[value]
		case "body":
			r.Body = []byte(value)
		case "label":
			r.Label = []byte(value)
		default:
			if _, err := fmt.Sscan(value, &n); err != nil {
				d.Fatalf(t, "%s: %v", line, err)
			}
			*map[string]*uint64{"s": (*uint64)(&r.Session), "nonce": &r.Nonce, "n": &r.Number, "acked": &r.Acked}[key] = n
		}
	}
	switch words[0] {
	case "sessions":
		e.Table().Sessions(func(i Info) bool {
			fmt.Fprintf(b, "%d %q last %v ends %v acked %d kept %d, %d bytes\n", i.ID, i.Label, i.Last, i.Ends, i.Acked, i.Kept, i.Bytes)
			return true
		})
		fmt.Fprintf(b, "index %d time %v next %v\n", e.Index(), e.Time(), e.Next())
	case "restore":
		var w bytes.Buffer
		before := e.Digest()
		if err := e.Snapshot(&w); err != nil {
			d.Fatalf(t, "%v", err)
		}
		if err := e.Restore(&w); err != nil || e.Digest() != before {
			d.Fatalf(t, "%v", err)
		}
	case "pass":
		e.Pass(r.At)
	default:
		out := do(e, r)
		fmt.Fprintf(b, "%v", out.Status)
		if r.Verb == Open {
			fmt.Fprintf(b, " session %d", out.Session)
		}
		if len(out.Body) == 8 {
			fmt.Fprintf(b, ", executed %d times", out.Body[7])
		}
		fmt.Fprintf(b, ", index %d\n", out.Index)
	}
}
