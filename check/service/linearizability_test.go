package service

import (
	"math/rand/v2"
	"testing"
	"time"
)

// bare0 are calls of which nobody knows as which request they went out.
func bare0(facts ...Fact) []Fact {
	for i := range facts {
		if facts[i].Kind == Called {
			facts[i].Session, facts[i].Number = 0, 0
		}
	}
	return append(facts, ended)
}

func TestLinearizability(t *testing.T) {
	many := func(op Op, n uint64) []Fact { // calls that nobody knows anything of
		var facts []Fact
		for i := range n {
			facts = append(facts, ask(1, i+1, op, 1<<i), told(Unknown, 1, i+1))
		}
		return facts
	}
	run(t, []history{
		{"one after another", durable, bare0(swap(1, 1, 5), get(1, 1, 0), add(1, 2, 2), get(1, 2, 5), read(1, 3), get(1, 3, 7)), ""},
		{"at once, in one order", durable, bare0(swap(1, 1, 5), swap(2, 1, 6), get(1, 1, 6), get(2, 1, 0)), ""},
		{"at once, in the other", durable, bare0(swap(1, 1, 5), swap(2, 1, 6), get(1, 1, 0), get(2, 1, 5)), ""},
		{"at once, in no order", durable, bare0(swap(1, 1, 5), swap(2, 1, 6), get(1, 1, 6), get(2, 1, 5)), "linearizability"},
		{"an old value after it was changed", durable, bare0(swap(1, 1, 5), get(1, 1, 0), read(2, 1), get(2, 1, 0)), "linearizability"},
		{"a new value, then the old one", durable, bare0(swap(1, 1, 5), read(2, 1), get(2, 1, 5), read(3, 1), get(3, 1, 0), get(1, 1, 0)), "linearizability"},
		{"a write is lost", durable, bare0(swap(1, 1, 5), get(1, 1, 0), swap(2, 1, 6), get(2, 1, 0)), "linearizability"},
		{"an addition is lost", durable, bare0(add(1, 1, 5), add(2, 1, 6), get(1, 1, 0), get(2, 1, 0)), "linearizability"},
		{"an addition twice", durable, bare0(add(1, 1, 5), get(1, 1, 0), read(1, 2), get(1, 2, 10)), "linearizability"},
		{"two cells", durable, bare0(swap(1, 1, 5), get(1, 1, 0), at(2, swap(1, 2, 6)), get(1, 2, 0)), ""},
		{"out of nothing", durable, bare0(read(1, 1), get(1, 1, 3)), "linearizability"},

		{"nobody knows, and it was executed", durable, bare0(swap(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 5)), ""},
		{"nobody knows, and it was executed later", durable, bare0(swap(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 0), read(2, 2), get(2, 2, 5)), ""},
		{"nobody knows, and it was not executed", durable, bare0(swap(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 0)), ""},
		{"nobody knows, and it was executed before it was asked", durable, bare0(read(2, 1), get(2, 1, 5), swap(1, 1, 5), told(Unknown, 1, 1)), "linearizability"},
		{"nobody knows, and it was executed twice", durable, bare0(add(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 5), read(2, 2), get(2, 2, 10)), "linearizability"},
		{"nobody knows, and it was executed and undone", durable, bare0(swap(1, 1, 5), gone(1), read(2, 1), get(2, 1, 5), read(2, 2), get(2, 2, 0)), "linearizability"},
		{"the answer comes late", durable, bare0(swap(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 0), read(2, 2), get(2, 2, 5), get(1, 1, 0)), ""},
		{"the answer comes late, and is wrong", durable, bare0(swap(1, 1, 5), told(Unknown, 1, 1), read(2, 1), get(2, 1, 5), get(1, 1, 9)), "linearizability"},
		{"two of three that nobody knows", durable, bare0(add(1, 1, 1), add(2, 1, 2), add(3, 1, 4), gone(1), gone(2), gone(3), read(4, 1), get(4, 1, 5), read(4, 2), get(4, 2, 7)), ""},
		{"a sum of none that nobody knows", durable, bare0(add(1, 1, 1), add(2, 1, 2), add(3, 1, 4), gone(1), gone(2), gone(3), read(4, 1), get(4, 1, 5), read(4, 2), get(4, 2, 6)), "linearizability"},
		{"added to what nobody knows", durable, bare0(swap(1, 1, 10), add(2, 1, 3), gone(1), gone(2), read(4, 1), get(4, 1, 13)), ""},
		{"told that not, and seen", durable, bare0(swap(1, 1, 5), told(Unexecuted, 1, 1), read(2, 1), get(2, 1, 5)), "linearizability"},
		{"a read that fails", durable, bare0(read(1, 1), told(Unknown, 1, 1)), ""},
		{"a command that is of no cell", durable, bare0(ask(1, 1, 0, 0), get(1, 1, 77)), ""},
		{"executed several times, as it may be", durable, bare0(with(AtLeastOnce, add(1, 1, 5)), get(1, 1, 5), read(1, 2), get(1, 2, 10)), ""},
		{"and another cell is judged", durable, bare0(with(AtLeastOnce, add(1, 1, 5)), get(1, 1, 5), at(2, read(1, 2)), get(1, 2, 10)), "linearizability"},

		{"lost with all that was in memory", volatile, bare0(swap(1, 1, 5), get(1, 1, 0), perished, read(1, 2), get(1, 2, 0)), ""},
		{"kept, though it was said to be lost", volatile, bare0(swap(1, 1, 5), get(1, 1, 0), perished, read(1, 2), get(1, 2, 5)), "linearizability"},
		{"executed before the loss and after", volatile, bare0(add(1, 1, 5), read(2, 1), get(2, 1, 5), perished, get(1, 1, 0), read(2, 2), get(2, 2, 5)), ""},
		{"executed before the loss, answered after", volatile, bare0(add(1, 1, 5), read(2, 1), get(2, 1, 5), perished, get(1, 1, 0), read(2, 2), get(2, 2, 0)), ""},
		{"executed twice after the loss", volatile, bare0(add(1, 1, 5), perished, get(1, 1, 0), read(2, 2), get(2, 2, 10)), "linearizability"},
		{"lost after the loss", volatile, bare0(perished, add(1, 1, 5), get(1, 1, 0), read(2, 2), get(2, 2, 0)), "linearizability"},

		{"more is unknown than can be judged", durable, bare0(append(many(Swap, guessesMax+1), read(2, 1), get(2, 1, 4))...), "history"},
		{"too hard", durable, bare0(append(many(Add, 22), read(2, 1), get(2, 1, 1<<40))...), "history"},
		{"much is unknown, and it is easy", durable, bare0(append(many(Swap, guessesMax), read(2, 1), get(2, 1, 4), read(2, 2), get(2, 2, 4))...), ""},
	})
}

// workload is what a service without a fault answers to so many clients, which call one
// after another at random cells; of some they never hear.
func workload(rng *rand.Rand, calls, cells, clients, unknown int) []Fact {
	type flying struct {
		fact     Fact
		executed bool
		answer   uint64
	}
	state := make([]uint64, cells)
	busy := make([]*flying, clients)
	var facts []Fact
	var now time.Duration
	numbers := make([]uint64, clients)
	for begun, open := 0, 0; begun < calls || open > 0; {
		now += time.Duration(1 + rng.IntN(1000))
		i := rng.IntN(clients)
		switch f := busy[i]; {
		case f == nil && begun < calls:
			numbers[i]++
			call := at(uint32(rng.IntN(cells)), ask(i+1, numbers[i], Op(1+rng.IntN(3)), rng.Uint64()))
			call.Session, call.Number, call.At = 0, 0, now
			busy[i] = &flying{fact: call}
			facts = append(facts, call)
			begun++
			open++
		case f != nil && !f.executed:
			cell := &state[f.fact.Key]
			f.executed, f.answer = true, *cell
			switch f.fact.Op {
			case Swap:
				*cell = f.fact.Value
			case Add:
				*cell += f.fact.Value
			}
		case f != nil:
			answer := get(i+1, numbers[i], f.answer)
			if unknown > 0 && f.fact.Op != Read && rng.IntN(calls/10) == 0 {
				answer = told(Unknown, i+1, numbers[i])
				unknown--
			}
			answer.At = now
			facts = append(facts, answer)
			busy[i] = nil
			open--
		}
	}
	return append(facts, Fact{Kind: Ended, At: now})
}

func judged(facts []Fact, judges ...Judge) string {
	court := NewCourt(judges...)
	for i := range facts {
		court.Hear(&facts[i])
	}
	if v := court.Violation(); v != nil {
		return v.Error()
	}
	return ""
}

// TestWorkloads judges what a service without a fault answers, and the same with one answer
// changed.
func TestWorkloads(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		facts := workload(rng, 400, 4, 8, 12)
		if text := judged(facts, All(durable)...); text != "" {
			t.Fatalf("seed %d: %s", seed, text)
		}
		for {
			if f := &facts[rng.IntN(len(facts))]; f.Kind == Answered {
				f.Value++
				break
			}
		}
		if text := judged(facts, All(durable)...); text == "" {
			t.Fatalf("seed %d: an answer was changed, and nothing is found", seed)
		}
	}
}

func BenchmarkLinearizability(b *testing.B) {
	for _, good := range []bool{true, false} {
		name := map[bool]string{true: "good", false: "broken"}[good]
		b.Run(name, func(b *testing.B) {
			facts := workload(rand.New(rand.NewPCG(1, 1)), 400, 4, 8, 12)
			for i := len(facts) - 1; !good && i > 0; i-- {
				if facts[i].Kind == Answered {
					facts[i].Value++
					break
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				l := NewLedger(durable)
				if text := judged(facts, l, Linearizability(l)); (text == "") != good {
					b.Fatal(text)
				}
			}
		})
	}
}

// orderly decides by trying all orders, executing some of the calls with an unknown outcome
// and leaving others out.
func orderly(calls []*call, placed []bool, value uint64) bool {
	rest := false
	for i, c := range calls {
		if placed[i] {
			continue
		}
		rest = rest || c.answered
		first := true // whether all that were answered before it began are placed
		for k, other := range calls {
			first = first && (placed[k] || !other.answered || other.end >= c.begin)
		}
		if !first || c.answered && c.answer != value {
			continue
		}
		next := value
		switch c.op {
		case Swap:
			next = c.value
		case Add:
			next += c.value
		}
		placed[i] = true
		if orderly(calls, placed, next) {
			return true
		}
		placed[i] = false
	}
	return !rest
}

// TestSearchAgainstAllOrders compares the search, which leaves out what cannot matter, to one
// that leaves out nothing, with few values so that many orders explain an answer.
func TestSearchAgainstAllOrders(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var facts []Fact
		open := map[int]bool{}
		numbers := map[int]uint64{}
		for begun := 0; begun < 6 || rng.IntN(4) > 0; {
			client := 1 + rng.IntN(4)
			switch {
			case !open[client] && begun < 6:
				numbers[client]++
				begun++
				facts = append(facts, ask(client, numbers[client], Op(1+rng.IntN(3)), uint64(1+rng.IntN(3))))
				open[client] = true
			case open[client]:
				f := get(client, numbers[client], uint64(rng.IntN(5)))
				if rng.IntN(2) == 0 {
					f = told(Unknown, client, numbers[client])
				}
				facts = append(facts, f)
				open[client] = false
			}
		}
		facts = bare0(facts...)
		for i := range facts {
			facts[i].At = time.Duration(i)
		}
		l := NewLedger(durable)
		text := judged(facts, l, Linearizability(l))
		want := orderly(l.all, make([]bool, len(l.all)), 0)
		if verdicts[want]++; (text == "") != want {
			t.Fatalf("seed %d: judged %q, and an order exists: %v\n%+v", seed, text, want, facts)
		}
	}
	if verdicts[true] < 300 || verdicts[false] < 300 {
		t.Fatalf("the histories are too alike: %v", verdicts)
	}
}
