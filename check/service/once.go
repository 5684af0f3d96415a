package service

import "fmt"

// once: no call that is at most once or exactly once is executed twice in the one order that
// the replicas agree on. That they agree is another promise.
type once struct {
	l    *Ledger
	at   map[request]place // of requests that no call is known of
	call map[*call]place
}

// Once judges each execution, of requests that belong to a session, and each answer that is
// given again. A request of no call that the ledger knows must be executed once, too.
func Once(l *Ledger) Judge { return &once{l, map[request]place{}, map[*call]place{}} }

// Promise names the promise.
func (j *once) Promise() string { return "once" }

// Hear judges an execution or an answer.
func (j *once) Hear(f *Fact) error {
	switch f.Kind {
	case Answered:
		if c := j.l.call(f); c.again && c.semantics.single() && c.other != c.answer {
			return fmt.Errorf("client %d is answered %d to call %d, and was answered %d before", f.Client, f.Value, f.Call, c.answer)
		}
	case Executed:
		return j.executed(f)
	}
	return nil
}

func (j *once) executed(f *Fact) error {
	r, _ := requestOf(f)
	here := place{j.l.life, f.Index}
	c := j.l.of(f)
	switch {
	case r.number == 0 || c != nil && !c.semantics.single():
		return nil
	case c == nil:
		if was, is := j.at[r]; is && was.life == here.life && was.index != here.index {
			return fmt.Errorf("%v executes request %d of session %d as command %d; it was executed as command %d",
				f.Node, f.Number, f.Session, f.Index, was.index)
		}
		j.at[r] = here
		return nil
	}
	if was, is := j.call[c]; is && was.life == here.life && was.index != here.index {
		return fmt.Errorf("%v executes call %d of client %d as command %d; it was executed as command %d", f.Node, c.number, c.client, f.Index, was.index)
	}
	j.call[c] = here
	return nil
}

// execution: what is answered was executed.
type execution struct{ l *Ledger }

// Execution judges each answer to a call that may change the state, if it is known as which
// request it went out.
func Execution(l *Ledger) Judge { return &execution{l} }

// Promise names the promise.
func (j *execution) Promise() string { return "execution" }

// Hear judges an answer.
func (j *execution) Hear(f *Fact) error {
	if f.Kind != Answered {
		return nil
	}
	if c := j.l.call(f); c.sent && c.changes() && !c.executed {
		return fmt.Errorf("client %d is answered call %d, which nobody has executed", f.Client, f.Call)
	}
	return nil
}
