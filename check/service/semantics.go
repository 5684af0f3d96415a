package service

import (
	"fmt"
	"slices"
)

// semanticsNames are the promises of the semantics.
var semanticsNames = [...]string{ExactlyOnce: "exactly-once", AtMostOnce: "at-most-once", AtLeastOnce: "at-least-once", Maybe: "maybe"}

// semantics: calls are executed as often as their semantics say.
type semantics struct {
	l    *Ledger
	how  Semantics
	done map[*call]*record
}

// record is what is known of the executions of a call.
type record struct {
	at      []place
	replies []uint64
}

// OfSemantics judges the calls of one semantics: each execution, each answer, and at the end what was answered. Other judges
// ask whether anything is executed twice, or answered and not executed; this one whether it is what the caller of that semantics was
// promised.
//
//	maybe          executed once at most, perhaps never; what is answered was executed
//	at least once  what is answered was executed at least once
//	at most once   executed once at most; what is answered was executed
//	exactly once   executed once at most, whatever the client heard; what is answered was executed, once
//
// With [Setting.Replies] an answer must be the reply of one of the executions.
func OfSemantics(l *Ledger, how Semantics) Judge {
	return &semantics{l, how, map[*call]*record{}}
}

// Promise names the promise.
func (j *semantics) Promise() string { return semanticsNames[j.how] }

// Hear judges.
func (j *semantics) Hear(f *Fact) error {
	switch f.Kind {
	case Executed:
		if c := j.l.of(f); c != nil && c.semantics == j.how {
			return j.executed(c, f)
		}
	case Answered:
		if c := j.l.call(f); c.semantics == j.how && c.sent && c.changes() {
			return j.answered(c, f)
		}
	case Ended:
		return j.ended()
	}
	return nil
}

func (j *semantics) executed(c *call, f *Fact) error {
	r := j.done[c]
	if r == nil {
		r = &record{}
		j.done[c] = r
	}
	if !slices.Contains(r.replies, f.Value) {
		r.replies = append(r.replies, f.Value)
	}
	here := place{j.l.life, f.Index}
	if slices.Contains(r.at, here) {
		return nil
	}
	for _, was := range r.at {
		if was.life == here.life && j.how != AtLeastOnce {
			return fmt.Errorf("%v executes call %d of client %d as command %d; it was executed as command %d", f.Node, c.number, c.client, f.Index, was.index)
		}
	}
	r.at = append(r.at, here)
	return nil
}

func (j *semantics) answered(c *call, f *Fact) error {
	r := j.done[c]
	switch {
	case r == nil:
		return fmt.Errorf("client %d is answered call %d, which nobody has executed", f.Client, f.Call)
	case j.l.setting.Replies && !slices.Contains(r.replies, f.Value):
		return fmt.Errorf("client %d is answered %d to call %d, which no execution has replied", f.Client, f.Value, f.Call)
	}
	return nil
}

// ended looks at what was answered once more: what was undone meanwhile was not executed.
func (j *semantics) ended() error {
	for _, c := range j.l.all {
		if c.semantics != j.how || !c.answered || !c.sent || !c.changes() {
			continue
		}
		times := 0
		if r := j.done[c]; r != nil {
			for _, at := range r.at {
				if at.life == c.until {
					times++
				}
			}
		}
		if times == 0 && !j.l.setting.Volatile || times > 1 && j.how != AtLeastOnce {
			return fmt.Errorf("client %d was answered call %d, and it was executed %d times", c.client, c.number, times)
		}
	}
	return nil
}

// AllSemantics gives the judges of the four.
func AllSemantics(l *Ledger) []Judge {
	return []Judge{OfSemantics(l, ExactlyOnce), OfSemantics(l, AtMostOnce), OfSemantics(l, AtLeastOnce), OfSemantics(l, Maybe)}
}
