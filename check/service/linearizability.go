package service

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// operation is a call on a cell as the search sees it, or a loss of the state.
type operation struct {
	of     *call // nil: the state is lost
	guess  bool  // it may have been executed, or not
	life   int   // of a guess: in that life only; -1: in any
	op     Op
	value  uint64
	answer uint64
}

// cell is the state of a cell during the search.
type cell struct {
	value uint64
	known int  // how many operations that are no guess have been placed
	life  int  // of the service
	owed  bool // the last one was a guess: somebody must see it
}

// linearizability: the calls on each cell.
type linearizability struct{ l *Ledger }

// Linearizability judges at the end, cell by cell; see limits.go for what it accepts.
func Linearizability(l *Ledger) Judge { return &linearizability{l} }

// Promise names the promise.
func (j *linearizability) Promise() string { return "linearizability" }

// Hear judges at the end.
func (j *linearizability) Hear(f *Fact) error {
	if f.Kind != Ended {
		return nil
	}
	cells := map[uint32][]porcupine.Operation{}
	spoiled := map[uint32]bool{}
	for _, c := range j.l.all {
		switch {
		case c.op == 0 || c.unexecuted:
		case c.changes() && !c.semantics.single():
			spoiled[c.key] = true
		case c.answered:
			cells[c.key] = append(j.twice(cells[c.key], c), operationOf(c, c.end, false, -1))
		case c.changes():
			cells[c.key] = append(j.twice(cells[c.key], c), operationOf(c, math.MaxInt64, true, -1))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(cells)) {
		if spoiled[key] {
			continue
		}
		history := cells[key]
		for _, at := range j.l.deaths {
			history = append(history, porcupine.Operation{Input: operation{}, Output: nil, Call: at, Return: at})
		}
		if err := search(key, history); err != nil {
			return err
		}
	}
	return nil
}

func operationOf(c *call, end int64, guess bool, life int) porcupine.Operation {
	return porcupine.Operation{
		ClientId: c.client, Call: c.begin, Return: max(c.begin, end),
		Input: operation{of: c, guess: guess, life: life, op: c.op, value: c.value, answer: c.answer},
	}
}

// twice adds, for each loss of the state during a call, that it may have been executed before
// that loss and was forgotten.
func (j *linearizability) twice(history []porcupine.Operation, c *call) []porcupine.Operation {
	last := j.l.life
	if c.answered {
		last = c.until
	}
	if !c.changes() {
		return history
	}
	for life := c.life; life < last; life++ {
		history = append(history, operationOf(c, math.MaxInt64, true, life))
	}
	return history
}

// finder is the search for a linearization of one cell.
type finder struct {
	key    uint32
	known  int             // operations that are no guess
	useful map[uint64]bool // values that a guess may make; nil: all
	steps  int

	best    cell  // the furthest state
	blocked *call // what could not come after it and should have come the soonest
}

func search(key uint32, history []porcupine.Operation) error {
	f := &finder{key: key, best: cell{known: -1}}
	var adds []uint64
	guesses := 0
	for _, o := range history {
		in := o.Input.(operation)
		switch {
		case !in.guess:
			f.known++
		case in.op == Add:
			adds = append(adds, in.value)
			fallthrough
		default:
			guesses++
		}
	}
	if guesses > guessesMax {
		return unjudged(fmt.Sprintf("of cell %d there are %d calls with an unknown outcome, more than the %d that can be judged; use more cells or fewer faults", key, guesses, guessesMax))
	}
	f.useful = useful(history, adds)
	model := porcupine.Model{
		Init:  func() any { return cell{} },
		Step:  f.step,
		Equal: func(x, y any) bool { return x.(cell) == y.(cell) },
		Hash:  func(state any) uint64 { return state.(cell).value * 0x9e3779b97f4a7c15 },
	}
	f.reach(cell{})
	switch {
	case porcupine.CheckOperations(model, history):
		return nil
	case f.steps > stepsMax:
		return unjudged(fmt.Sprintf("the %d calls on cell %d are too hard to judge in %d steps; make the history shorter, draw the values at random, or use more cells", len(history), key, stepsMax))
	}
	return f.violation()
}

// useful gives the values that a guess must make to be seen: those that are answered, less
// what other guesses may add before that. Who is not seen need not have been executed.
func useful(history []porcupine.Operation, adds []uint64) map[uint64]bool {
	if len(adds) > addsMax {
		return nil
	}
	sums := []uint64{0}
	for _, a := range adds {
		for _, s := range sums {
			sums = append(sums, s+a)
		}
	}
	values := map[uint64]bool{}
	for _, o := range history {
		if in := o.Input.(operation); !in.guess && in.of != nil {
			for _, s := range sums {
				values[in.answer-s] = true
			}
		}
	}
	return values
}

// step says whether an operation can come next, and what the cell is then. A guess is tried
// only where it may be seen; at the end all that remain count as not executed.
func (f *finder) step(state, input, _ any) (bool, any) {
	had, in := state.(cell), input.(operation)
	if f.steps++; f.steps > stepsMax {
		return false, state
	}
	next := had
	switch {
	case in.guess && had.known == f.known:
		return true, had
	case in.guess && (in.life >= 0 && in.life != had.life || in.op == Swap && had.owed):
		return false, state
	case !in.guess && in.of != nil && in.answer != had.value:
		f.block(had, in.of)
		return false, state
	case in.of == nil && had.owed:
		return false, state
	case in.of == nil:
		next.value, next.life = 0, had.life+1
	case in.op == Swap:
		next.value = in.value
	case in.op == Add:
		next.value += in.value
	}
	if next.owed = in.guess; in.guess {
		return f.useful == nil || f.useful[next.value], next
	}
	next.known++
	f.reach(next)
	return true, next
}

// reach notes how far the search has come.
func (f *finder) reach(c cell) {
	if c.known > f.best.known {
		f.best, f.blocked = c, nil
	}
}

// block notes what cannot come after the furthest state.
func (f *finder) block(c cell, by *call) {
	if c.known == f.best.known && (f.blocked == nil || by.end < f.blocked.end) {
		f.best, f.blocked = c, by
	}
}

func (f *finder) violation() error {
	text := fmt.Sprintf("no server that does not fail could have answered so: of cell %d, %d of %d answers can be put into an order", f.key, f.best.known, f.known)
	if c := f.blocked; c != nil {
		text += fmt.Sprintf("; then it is %d, and client %d is answered %d to call %d", f.best.value, c.client, c.answer, c.number)
	}
	return errors.New(text)
}
