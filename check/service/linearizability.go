package service

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// searchMax is how long the search for a linearization may take. It is the one place where
// a judge looks at a clock: a history that is too hard is an error of the test, and says so.
const searchMax = 30 * time.Second

// linearizability: the calls on each cell.
type linearizability struct {
	open  map[call]int // of operations
	calls []porcupine.Operation
}

// call names a call.
type call struct {
	client int
	number uint64
}

// operation is a call on a cell.
type operation struct {
	op    Op
	key   uint32
	value uint64
}

// answer is what a call is answered; of one that nobody knows anything of, it may be all.
type answer struct {
	value uint64
	known bool
}

// Linearizability judges at the end.
func Linearizability() Judge { return &linearizability{open: map[call]int{}} }

// Promise names the promise.
func (j *linearizability) Promise() string { return "linearizability" }

// Hear gathers calls and answers.
func (j *linearizability) Hear(f *Fact) error {
	c := call{f.Client, f.Call}
	switch f.Kind {
	case Called:
		j.open[c] = len(j.calls)
		j.calls = append(j.calls, porcupine.Operation{
			ClientId: f.Client, Input: operation{f.Op, f.Key, f.Value}, Call: int64(f.At),
			Output: answer{}, Return: math.MaxInt64,
		})
	case Answered:
		if i, is := j.open[c]; is {
			j.calls[i].Output, j.calls[i].Return = answer{f.Value, true}, int64(f.At)
			delete(j.open, c)
		}
	case Unexecuted:
		if i, is := j.open[c]; is {
			j.calls[i].Input = operation{} // it is none
			delete(j.open, c)
		}
	case Ended:
		return j.judge()
	}
	return nil
}

func (j *linearizability) judge() error {
	var calls []porcupine.Operation
	for _, c := range j.calls {
		in := c.Input.(operation)
		if in.op == 0 || in.op == Read && !c.Output.(answer).known {
			continue
		}
		calls = append(calls, c)
	}
	switch result, info := porcupine.CheckOperationsVerbose(cells, calls, searchMax); result {
	case porcupine.Illegal:
		return fmt.Errorf("no server that does not fail could have answered so: %s", furthest(info, calls))
	case porcupine.Unknown:
		return fmt.Errorf("the history of %d calls is too hard to judge within %v; make it shorter", len(calls), searchMax)
	}
	return nil
}

// furthest tells how far a linearization goes.
func furthest(info porcupine.LinearizationInfo, calls []porcupine.Operation) string {
	longest := 0
	for _, part := range info.PartialLinearizations() {
		for _, l := range part {
			longest = max(longest, len(l))
		}
	}
	return fmt.Sprintf("of %d calls, at most %d on one cell can be put into an order", len(calls), longest)
}

// cells is the model: cells of numbers, each judged for itself.
var cells = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts, at := [][]porcupine.Operation(nil), map[uint32]int{}
		for _, c := range history {
			key := c.Input.(operation).key
			i, is := at[key]
			if !is {
				i = len(parts)
				at[key], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], c)
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		had, in, out := state.(uint64), input.(operation), output.(answer)
		if out.known && out.value != had {
			return false, state
		}
		switch in.op {
		case Swap:
			return true, in.value
		case Add:
			return true, had + in.value
		}
		return true, had
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(operation), output.(answer)
		return fmt.Sprintf("%s %d at %d: %d", [...]string{"", "read", "swap", "add"}[in.op], in.value, in.key, out.value)
	},
}
