package lock

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// story is a service and what is told of it.
type story struct {
	s   *Service
	at  time.Duration
	out strings.Builder
}

// TestScenarios runs the stories of testdata. A line is "<session> <what> <lock> ...", "ended <session>",
// "at <time>" or "restart"; what comes back is in the words that users see.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var st *story
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "service":
				st = newStory(t, d)
				return ""
			case "run":
				st.out.Reset()
				for line := range strings.Lines(d.Input) {
					fmt.Fprint(&st.out, "> ", line)
					if !strings.HasSuffix(line, "\n") {
						fmt.Fprintln(&st.out)
					}
					st.line(t, strings.Fields(line))
				}
				return st.out.String()
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func newStory(t *testing.T, d *datadriven.TestData) *story {
	cfg := Config{}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "loose":
			cfg.Order = Loose
		case "floor":
			cfg.Floor, _ = strconv.ParseUint(arg.Vals[0], 10, 64)
		case "window":
			cfg.Window, _ = time.ParseDuration(arg.Vals[0])
		default:
			t.Fatalf("%s: unknown setting %q", d.Pos, arg.Key)
		}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &story{s: s}
}

func (st *story) line(t *testing.T, words []string) {
	switch words[0] {
	case "at":
		st.at, _ = time.ParseDuration(words[1])
		st.s.Passed(st.at)
	case "ended":
		id, _ := strconv.ParseUint(words[1], 10, 64)
		st.s.Ended(st.at, session.ID(id))
	case "restart":
		var b bytes.Buffer
		if err := st.s.Snapshot(&b); err != nil {
			t.Fatal(err)
		}
		fresh, _ := New(Config{Order: st.s.order, Window: st.s.window})
		if err := fresh.Restore(&b); err != nil {
			t.Fatal(err)
		}
		st.s = fresh
	default:
		st.request(t, words)
	}
	st.s.Notices(func(n Notice) {
		fmt.Fprintf(&st.out, "  session %d is told: lock %q %v, token %d\n", n.Session, n.Name, n.What.String(), n.Number)
	})
}

// request reads a request from its words, and tells the reply.
func (st *story) request(t *testing.T, words []string) {
	id, err := strconv.ParseUint(words[0], 10, 64)
	kinds := map[string]Kind{"enter": Enter, "leave": Leave, "cancel": Cancel, "break": Break, "list": List, "explain": Explain, "reassert": Reassert, "ask": Ask}
	kind := kinds[words[1]]
	if err != nil || kind == 0 {
		t.Fatalf("what is %q?", words)
	}
	q := Request{Kind: kind}
	if len(words) > 2 {
		q.Name, words = words[2], words[3:]
	} else {
		words = nil
	}
	q.Name = strings.NewReplacer("LONG", strings.Repeat("x", NameMax), "BELL", "\a").Replace(q.Name)
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "shared":
			q.Mode = Shared
		case "try":
			q.Try = true
		case "strict":
			q.Order = Strict
		case "loose":
			q.Order = Loose
		case "turn":
			q.Waited = true
			q.Number, _ = strconv.ParseUint(value, 10, 64)
		case "token", "after":
			q.Number, _ = strconv.ParseUint(value, 10, 64)
			q.After = value
		case "label":
			q.Label = strings.ReplaceAll(value, "LONG", strings.Repeat("x", TextMax+1))
		case "purpose":
			q.Purpose = value
		case "most":
			n, _ := strconv.Atoi(value)
			q.Most = uint8(n)
		default:
			t.Fatalf("what is %q?", w)
		}
	}
	if q.Kind != List {
		q.After = ""
	}
	p, err := ParseReply(st.s.Apply(session.Command{At: st.at, Session: session.ID(id), Body: q.Append(nil)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	st.tell(q.Name, &p)
}

func (st *story) tell(name string, p *Reply) {
	w := &st.out
	if err := p.Err(name); err != nil {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(err.Error(), strings.Repeat("x", NameMax), "LONG"))
		return
	}
	seats := func(what string, list []Seat) {
		for _, s := range list {
			fmt.Fprintf(w, "  %s session %d %v, number %d, since %v, label %q, purpose %q\n", what, s.Session, s.Mode, s.Number, s.Since, s.Label, s.Purpose)
		}
	}
	until := func() {
		if p.Until != 0 {
			fmt.Fprintf(w, "  nothing is granted before %v\n", p.Until)
		}
	}
	switch p.Status {
	case Granted:
		fmt.Fprintf(w, "  granted, token %d\n", p.Number)
	case Queued:
		fmt.Fprintf(w, "  queued at place %d, turn %d\n", p.Place, p.Number)
		until()
	case Done:
		fmt.Fprintf(w, "  done %d\n", p.Number)
	case Listed:
		for _, l := range p.Lines {
			fmt.Fprintf(w, "  %s (%v): %d owners, %d waiting\n", l.Name, l.Order, l.Owners, l.Waiters)
		}
		fmt.Fprintf(w, "  more: %v\n", p.More)
		until()
	case Explained:
		fmt.Fprintf(w, "  %s (%v): %d owners, %d waiting, more: %v\n", p.Line.Name, p.Line.Order, p.Line.Owners, p.Line.Waiters, p.More)
		seats("held by", p.Holders)
		seats("waits:", p.Waiting)
		if b := p.Breaking; b.Number != 0 {
			fmt.Fprintf(w, "  broken at %v by %q because %q: tokens up to %d are void\n", b.At, b.By, b.Reason, b.Number)
		}
		until()
	}
}
