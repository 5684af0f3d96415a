package service

import (
	"errors"
	"testing"
	"time"
)

func TestExclusion(t *testing.T) {
	run(t, []history{
		{"one after another", durable, []Fact{grant(1, 1), holds(1, 1), drops(1), quit(1), grant(2, 2), holds(2, 2)}, ""},
		{"granted to two", durable, []Fact{grant(1, 1), grant(2, 2)}, "exclusion"},
		{"granted to share, and alone", durable, []Fact{shared(grant(1, 1)), grant(2, 2)}, "exclusion"},
		{"granted alone, and to share", durable, []Fact{grant(1, 1), shared(grant(2, 2))}, "exclusion"},
		{"shared by two", durable, []Fact{shared(grant(1, 1)), shared(holds(1, 1)), shared(grant(2, 2)), shared(holds(2, 2))}, ""},
		{"two locks", durable, []Fact{grant(1, 1), holds(1, 1), at(2, grant(2, 2)), at(2, holds(2, 2))}, ""},
		{"two believe", durable, []Fact{holds(1, 1), holds(2, 2)}, "exclusion"},
		{"two believe, one to share", durable, []Fact{shared(holds(1, 1)), holds(2, 2)}, "exclusion"},
		{"one has crashed", durable, []Fact{holds(1, 1), gone(1), holds(2, 2)}, ""},
		{"another crashed", durable, []Fact{holds(1, 1), gone(3), holds(2, 2)}, "exclusion"},
		{"one believes again", durable, []Fact{holds(1, 1), holds(1, 1), drops(1), holds(2, 2)}, ""},
		{"of two who share one gives back", durable, []Fact{shared(grant(1, 1)), shared(grant(2, 2)), quit(1), grant(3, 3)}, "exclusion"},
		{"given back under another token", durable, []Fact{grant(1, 5), on(Quit, 1, 4), grant(2, 6)}, "exclusion"},
		{"broken, and still believing", durable, []Fact{grant(1, 1), holds(1, 1), broken(1), grant(2, 2), holds(2, 2), drops(1)}, ""},
		{"broken, and the answer comes late", durable, []Fact{grant(1, 1), broken(0), grant(2, 2), holds(2, 2), holds(1, 1)}, ""},
		{"another one was broken", durable, []Fact{grant(1, 1), holds(1, 1), broken(7), grant(2, 2)}, "exclusion"},
		{"broken once, granted to two after", durable, []Fact{grant(1, 1), broken(1), grant(2, 2), grant(3, 3)}, "exclusion"},
		{"asserted by two after a loss", forgets, []Fact{grant(1, 1), quit(1), grant(2, 2), perished, asserts(2, 2), grant(3, 3)}, "exclusion"},
		{"asserted, given back and granted", forgets, []Fact{grant(1, 1), holds(1, 1), perished, asserts(1, 1), drops(1), quit(1), grant(2, 2), holds(2, 2)}, ""},
		{"shared and asserted", forgets, []Fact{shared(grant(1, 1)), shared(grant(2, 2)), perished, shared(asserts(2, 2)), shared(asserts(1, 1))}, ""},
		{"lost with all that was in memory", volatile, []Fact{grant(1, 1), holds(1, 1), perished, grant(2, 1), holds(2, 1), drops(1)}, ""},
		{"lost, and the answer comes late", volatile, []Fact{grant(1, 1), perished, holds(1, 1), grant(2, 2), holds(2, 2)}, ""},
		{"granted to two after the loss", volatile, []Fact{perished, grant(1, 1), grant(2, 2)}, "exclusion"},
	})
}

func TestLease(t *testing.T) {
	run(t, []history{
		{"given up in time", durable, []Fact{grant(1, 1), holds(1, 1), drops(1), quit(1), grant(2, 2)}, ""},
		{"given up too late", durable, []Fact{grant(1, 1), holds(1, 1), quit(1), grant(2, 2), drops(1), holds(2, 2)}, "lease"},
		{"an answer that comes too late", durable, []Fact{grant(1, 1), quit(1), grant(2, 2), holds(1, 1)}, "lease"},
		{"an answer that comes late, and nobody else has it", durable, []Fact{grant(1, 1), holds(1, 1)}, ""},
		{"an answer that comes too late, of two in a row", durable, []Fact{grant(1, 1), quit(1), grant(2, 2), quit(2), grant(1, 3), holds(1, 1)}, "lease"},
		{"crashed in the critical section", durable, []Fact{grant(1, 1), holds(1, 1), gone(1), quit(1), grant(2, 2), holds(2, 2)}, ""},
		{"granted to share while one believes alone", durable, []Fact{grant(1, 1), holds(1, 1), quit(1), shared(grant(2, 2))}, "lease"},
		{"granted alone while one believes to share", durable, []Fact{shared(grant(1, 1)), shared(holds(1, 1)), quit(1), grant(2, 2)}, "lease"},
		{"granted to share while one believes to share", durable, []Fact{shared(grant(1, 1)), shared(holds(1, 1)), quit(1), shared(grant(2, 2)), shared(holds(2, 2))}, ""},
		{"a late answer to share", durable, []Fact{shared(grant(1, 1)), quit(1), shared(grant(2, 2)), shared(holds(1, 1))}, ""},
		{"the same client again", durable, []Fact{grant(1, 1), holds(1, 1), quit(1), session(8, grant(1, 2)), holds(1, 2)}, ""},
		{"broken", durable, []Fact{grant(1, 1), holds(1, 1), broken(1), grant(2, 2), drops(1), holds(2, 2)}, ""},
		{"broken, and the next one's lease", durable, []Fact{grant(1, 1), broken(1), grant(2, 2), holds(2, 2), quit(2), grant(3, 3)}, "lease"},
		{"asserted by another while one believes", forgets, []Fact{grant(1, 1), quit(1), grant(2, 2), holds(2, 2), perished, grant(3, 3)}, "lease"},
		{"lost with all that was in memory", volatile, []Fact{grant(1, 1), holds(1, 1), perished, grant(2, 2)}, ""},
	})
}

func TestFencing(t *testing.T) {
	run(t, []history{
		{"tokens grow", durable, []Fact{grant(1, 1), quit(1), grant(2, 5)}, ""},
		{"the same token", durable, []Fact{grant(1, 1), quit(1), grant(2, 1)}, "fencing"},
		{"a lesser token", durable, []Fact{grant(1, 7), quit(1), grant(2, 6)}, "fencing"},
		{"a lesser token of another lock", durable, []Fact{grant(1, 7), at(2, grant(2, 6))}, ""},
		{"the same token after a break", durable, []Fact{grant(1, 7), broken(7), grant(2, 7)}, "fencing"},
		{"a greater token after a break", durable, []Fact{grant(1, 7), broken(7), grant(2, 8), writes(1, 7), writes(2, 8)}, ""},
		{"one writes after another", durable, []Fact{grant(1, 1), writes(1, 1), quit(1), grant(2, 2), writes(2, 2), writes(2, 2)}, ""},
		{"the former writes late, and nobody has since", durable, []Fact{grant(1, 1), quit(1), grant(2, 2), writes(1, 1), writes(2, 2)}, ""},
		{"the former writes after the next", durable, []Fact{grant(1, 1), quit(1), grant(2, 2), writes(2, 2), writes(1, 1)}, "fencing"},
		{"broken, and writes after the next", durable, []Fact{grant(1, 1), broken(0), grant(2, 2), writes(2, 2), writes(1, 1)}, "fencing"},
		{"two share and write in any order", durable, []Fact{shared(grant(1, 1)), shared(grant(2, 2)), writes(2, 2), writes(1, 1)}, ""},
		{"one who shared writes after one alone", durable, []Fact{shared(grant(1, 1)), quit(1), grant(2, 2), writes(2, 2), writes(1, 1)}, "fencing"},
		{"one alone writes after one who shares", durable, []Fact{grant(1, 1), quit(1), shared(grant(2, 2)), writes(2, 2), writes(1, 1)}, "fencing"},
		{"a token that nobody was given", durable, []Fact{grant(1, 1), writes(1, 9)}, "fencing"},
		{"another's token", durable, []Fact{grant(1, 1), writes(2, 1)}, "fencing"},
		{"a belief in a token that nobody was given", durable, []Fact{grant(1, 1), holds(1, 9)}, "fencing"},
		{"a belief in another's token", durable, []Fact{grant(1, 1), holds(2, 1)}, "fencing"},
		{"grants are not told", durable, []Fact{holds(1, 1), writes(1, 1), drops(1), holds(2, 2), writes(2, 2)}, ""},
		{"asserted, and greater after", forgets, []Fact{grant(1, 4), perished, asserts(1, 4), quit(1), grant(2, 9)}, ""},
		{"tokens begin anew after a loss", forgets, []Fact{grant(1, 4), perished, grant(2, 1)}, "fencing"},
		{"asserted, and was broken", forgets, []Fact{grant(1, 4), broken(0), grant(2, 5), quit(2), perished, asserts(1, 4)}, ""},
		{"asserted, and was broken alone", forgets, []Fact{grant(1, 4), broken(4), grant(2, 5), quit(2), perished, asserts(1, 4)}, ""},
		{"asserted, and another was broken", forgets, []Fact{grant(1, 4), quit(1), grant(2, 5), broken(5), quit(2), perished, asserts(1, 4)}, "fencing"},
		{"of two that are asserted the greater token wins", forgets, []Fact{grant(1, 4), broken(4), grant(2, 5), perished, asserts(1, 4), on(Quit, 1, 4), asserts(2, 5)}, ""},
		{"of two that are asserted the lesser token wins", forgets, []Fact{grant(1, 4), broken(4), grant(2, 5), perished, asserts(2, 5), on(Quit, 2, 5), asserts(1, 4)}, "fencing"},
		{"asserted, and never given", forgets, []Fact{grant(1, 4), perished, asserts(2, 5)}, "fencing"},
		{"asserted after a greater one", forgets, []Fact{grant(1, 4), quit(1), grant(2, 5), quit(2), perished, asserts(1, 4)}, "fencing"},
		{"in memory only tokens may begin anew", volatile, []Fact{grant(1, 4), perished, grant(2, 1), quit(2), grant(3, 4), writes(3, 4), writes(1, 4)}, ""},
		{"but the resource remembers", volatile, []Fact{grant(1, 4), writes(1, 4), perished, grant(2, 1), writes(2, 1)}, "fencing"},
	})
}

func TestQueue(t *testing.T) {
	held := []Fact{grant(1, 1), waits(2), waits(3)}
	run(t, []history{
		{"first come, first served", durable, parts(held, []Fact{quit(1), grant(2, 2), quit(2), grant(3, 3)}), ""},
		{"the second is first", durable, parts(held, []Fact{quit(1), grant(3, 2)}), "queue"},
		{"one who never waited", durable, parts(held, []Fact{quit(1), grant(4, 2)}), "queue"},
		{"the first has gone", durable, parts(held, []Fact{quit(1), quit(2), grant(3, 2)}), ""},
		{"it asks again and keeps its place", durable, parts(held, []Fact{waits(2), quit(1), grant(2, 2), quit(2), grant(3, 3)}), ""},
		{"it went and came back behind", durable, parts(held, []Fact{quit(2), waits(2), quit(1), grant(2, 2)}), "queue"},
		{"a try that succeeds while others wait", durable, []Fact{shared(grant(1, 1)), waits(2), shared(grant(3, 2))}, "queue"},
		{"a try that succeeds while nobody waits", durable, []Fact{shared(grant(1, 1)), shared(grant(3, 2))}, ""},
		{"one who would share waits behind one who would not", durable, []Fact{shared(grant(1, 1)), waits(2), shared(waits(3)), shared(grant(3, 2))}, "queue"},
		{"all who share at once", durable, []Fact{grant(1, 1), shared(waits(2)), shared(waits(3)), quit(1), shared(grant(2, 2)), shared(grant(3, 3))}, ""},
		{"overtaken, and there is no order", lazy, parts(held, []Fact{quit(1), grant(3, 2)}), ""},
		{"broken, and the first is next", durable, parts(held, []Fact{broken(1), grant(2, 2)}), ""},
		{"broken, and another is next", durable, parts(held, []Fact{broken(1), grant(3, 2)}), "queue"},
		{"places are kept over a loss", forgets, parts(held, []Fact{perished, session(23, asserts(3, 0)), session(22, asserts(2, 0)), session(22, grant(2, 2))}), ""},
		{"places are mixed up after a loss", forgets, parts(held, []Fact{perished, session(23, asserts(3, 0)), session(22, asserts(2, 0)), session(23, grant(3, 2))}), "queue"},
		{"of two places of one client that comes back is which it had", forgets, []Fact{
			grant(1, 1), turn(5, waits(2)), turn(6, waits(3)), session(22, turn(7, waits(2))), perished,
			session(32, turn(7, asserts(2, 0))), session(33, turn(6, asserts(3, 0))), session(33, grant(3, 2))}, ""},
		{"who names its turn stands there, and not where it owned the lock without having waited", forgets, []Fact{
			grant(3, 1), turn(1, waits(1)), quit(3), grant(1, 3), {Kind: Closed, Session: 1}, session(22, grant(2, 4)), session(23, turn(5, waits(2))), perished,
			session(32, turn(5, asserts(2, 0))), session(31, turn(1, asserts(1, 0))), session(31, grant(1, 20))}, ""},
		{"an owner that was not told is before all", forgets, parts(held, []Fact{perished, session(22, asserts(2, 0)), session(21, asserts(1, 0)), session(21, grant(1, 2))}), ""},
		{"an owner whose session is over is before who came after the loss", forgets, []Fact{
			turn(5, waits(1)), grant(1, 1), {Kind: Closed, Session: 1}, perished, turn(9, waits(2)), session(21, turn(5, asserts(1, 0))), session(21, grant(1, 12))}, ""},
		{"an owner whose lock was broken, and who was told nothing of it all, is where it stood", forgets, []Fact{
			grant(1, 1), turn(5, waits(2)), turn(6, waits(3)), quit(1), grant(2, 7), broken(0), grant(3, 9), perished,
			session(33, turn(6, asserts(3, 0))), session(32, turn(5, asserts(2, 0))), session(32, grant(2, 20))}, ""},
		{"an owner that was not told is behind who was not back", forgets, parts([]Fact{grant(1, 1), turn(5, waits(2)), turn(6, waits(3))}, []Fact{
			perished, session(33, turn(6, asserts(3, 0))), session(33, grant(3, 10)), perished,
			session(43, turn(6, asserts(3, 0))), session(42, turn(5, asserts(2, 0))), session(42, grant(2, 20))}), ""},
		{"an owner that was told has no place besides", forgets, parts(held, []Fact{perished, session(21, asserts(1, 1)), session(22, asserts(2, 0)), session(21, on(Quit, 1, 1)), session(22, grant(2, 2))}), ""},
		{"who does not come back has no place", forgets, parts(held, []Fact{perished, session(23, asserts(3, 0)), session(23, grant(3, 2))}), ""},
		{"who asks anew after a loss is behind", forgets, parts(held, []Fact{perished, session(22, waits(2)), session(23, asserts(3, 0)), session(23, grant(3, 2))}), ""},
		{"lost with all that was in memory", volatile, parts(held, []Fact{perished, grant(3, 2)}), ""},
	})
}

func TestGone(t *testing.T) {
	closed := func(s uint64) Fact { return Fact{Kind: Closed, Session: s} }
	run(t, []history{
		{"over, and the next one has it", durable, []Fact{grant(1, 1), waits(2), closed(1), grant(2, 2)}, ""},
		{"granted after its end", durable, []Fact{grant(1, 1), waits(2), closed(2), quit(1), grant(2, 2)}, "gone"},
		{"it waits after its end", durable, []Fact{closed(2), waits(2)}, "gone"},
		{"it is believed after its end", forgets, []Fact{grant(1, 1), perished, closed(7), session(7, asserts(1, 1))}, "gone"},
		{"numbers of sessions come again after a loss", forgets, []Fact{grant(1, 1), closed(1), perished, waits(1)}, ""},
		{"over, and its place is free", durable, []Fact{grant(1, 1), waits(2), waits(3), closed(2), quit(1), grant(3, 2)}, ""},
	})
}

func TestPrompt(t *testing.T) {
	prompt := Setting{Prompt: true, Volatile: true, Reassert: true}
	later := func(facts []Fact) []Fact { return append(facts, calm) }
	// The first two facts of each are of different times, the third is of the time of the second.
	together := func(facts []Fact) []Fact {
		for i := range facts {
			facts[i].At = time.Duration(max(1, min(i, 2))) * time.Second
		}
		return later(facts)
	}
	for _, h := range []struct {
		name  string
		facts []Fact
		want  bool
	}{
		{"granted with the leave", together([]Fact{grant(1, 1), waits(2), quit(1), grant(2, 2)}), false},
		{"not granted", together([]Fact{grant(1, 1), waits(2), quit(1)}), true},
		{"its owner has ended", together([]Fact{grant(1, 1), waits(2), {Kind: Closed, Session: 1}}), true},
		{"an exclusive one gave up, and who would share waits", together([]Fact{shared(grant(1, 1)), waits(2), shared(waits(3)), quit(2)}), true},
		{"an exclusive one waits while others share", together([]Fact{shared(grant(1, 1)), waits(2)}), false},
		{"clients are heard", together([]Fact{grant(1, 1), perished, asserts(2, 0)}), false},
		{"they are not any more", together([]Fact{grant(1, 1), perished, asserts(2, 0), at(2, grant(3, 2))}), true},
	} {
		j := Prompt(Setting{})
		var err error
		for i := range h.facts {
			if h.facts[i].Kind == Calmed {
				h.facts[i].At = time.Minute
			}
			err = errors.Join(err, j.Hear(&h.facts[i]))
		}
		if got := err != nil; got != h.want {
			t.Errorf("%s: found %v, want %v: %v", h.name, got, h.want, err)
		}
	}
	begins := Prompt(prompt)
	for _, f := range together([]Fact{waits(1), waits(2)}) {
		if err := begins.Hear(&f); err != nil {
			t.Errorf("a service that hears its clients first: %v", err)
		}
	}
	if got := len(All(prompt)); got != len(All(Setting{Volatile: true, Reassert: true}))+1 {
		t.Errorf("%d judges with Prompt", got)
	}
}

func TestOvertaking(t *testing.T) {
	some := Setting{Overtakes: 2, Volatile: true, Reassert: true}
	passes := func(n int) (facts []Fact) {
		for i := range n {
			facts = append(facts, shared(grant(10+i, uint64(10+i))))
		}
		return facts
	}
	held := []Fact{shared(grant(1, 1)), waits(2)}
	run(t, []history{
		{"nobody passes", some, parts(held, []Fact{quit(1), grant(2, 2)}), ""},
		{"as often as may be", some, parts(held, passes(2)), ""},
		{"too often", some, parts(held, passes(3)), "overtaking"},
		{"the second may be passed more often", some, parts(held, passes(2), []Fact{waits(3), quit(2)}, passes(4)[2:]), ""},
		{"and not for ever", some, parts(held, []Fact{waits(3), quit(2)}, passes(5)), "overtaking"},
		{"one who shares waits, and only one before it alone", some, parts(held, []Fact{shared(waits(3))}, passes(3)), "overtaking"},
		{"it asks again, and is not counted anew", some, parts(held, passes(2), []Fact{waits(2)}, passes(3)[2:]), "overtaking"},
		{"gone from the queue", some, parts(held, []Fact{quit(2)}, passes(5)), ""},
		{"counted anew after a loss", some, parts(held, passes(2), []Fact{perished, asserts(2, 0)}, passes(4)[2:]), ""},
		{"who waited before a loss stands before who came since", some, parts(
			[]Fact{perished, shared(turn(9, waits(3))), shared(turn(5, asserts(4, 0))), turn(6, asserts(2, 0)), shared(grant(4, 1))}, passes(2)), ""},
		{"and is passed no more than others", some, parts(
			[]Fact{perished, shared(turn(9, waits(3))), shared(turn(5, asserts(4, 0))), turn(6, asserts(2, 0)), shared(grant(4, 1))}, passes(3)), "overtaking"},
		{"one more before it, and it may be passed more often", some, parts(
			[]Fact{perished, turn(9, waits(3)), turn(6, asserts(2, 0))}, passes(2), []Fact{quit(2)}, passes(4)[2:]), ""},
		{"and then too often", some, parts(held, []Fact{perished, asserts(2, 0)}, passes(3)), "overtaking"},
	})
}

func TestLiveness(t *testing.T) {
	end := []Fact{calm, ended}
	answered := parts([]Fact{swap(1, 1, 5)}, each(1, a, b), []Fact{get(1, 1, 0)})
	run(t, []history{
		{"answered", durable, parts(answered, end), ""},
		{"not answered", durable, parts([]Fact{swap(1, 1, 5)}, end), "liveness"},
		{"not answered, and no calm", durable, []Fact{swap(1, 1, 5), ended}, ""},
		{"told that not", durable, parts([]Fact{swap(1, 1, 5), told(Unexecuted, 1, 1)}, end), ""},
		{"told that nobody knows", durable, parts([]Fact{swap(1, 1, 5), told(Unknown, 1, 1)}, end), ""},
		{"its client is gone", durable, parts([]Fact{swap(1, 1, 5), gone(1)}, end), ""},
		{"its client is back and calls", durable, parts([]Fact{swap(1, 1, 5), gone(1), swap(1, 2, 5)}, end), "liveness"},
		{"the one before is not answered", durable, parts([]Fact{swap(1, 1, 5), swap(1, 2, 5), did(a, 1, 1, 2), get(1, 2, 0)}, end), "liveness"},
		{"a replica stays behind", durable, parts(answered, []Fact{restored(b, 0)}, end), "liveness"},
		{"a replica is down", durable, parts(answered, []Fact{fell(b)}, end), ""},
		{"a replica is behind what came after calm", durable, []Fact{calm, restored(b, 0), swap(1, 1, 5), did(a, 1, 1, 1), get(1, 1, 0), ended}, ""},
		{"all stop", durable, parts(each(1, a), []Fact{in(9, did(b, 1, 1, 1)), halts(a), halts(b), swap(1, 2, 5), told(Unexecuted, 1, 2), waits(4)}, end), ""},
		{"one waits for a lock that somebody has", durable, parts([]Fact{grant(1, 1), waits(2)}, end), ""},
		{"one waits for a free lock", durable, parts([]Fact{grant(1, 1), waits(2), quit(1)}, end), "liveness"},
		{"one waits for a broken lock", durable, parts([]Fact{grant(1, 1), waits(2), broken(0)}, end), "liveness"},
		{"one waits to share what others share", durable, parts([]Fact{grant(1, 1), shared(waits(2)), quit(1), shared(waits(3)), shared(grant(2, 2))}, end), "liveness"},
		{"one waits to share behind one who does not", durable, parts([]Fact{shared(grant(1, 1)), waits(2), shared(waits(3))}, end), ""},
		{"one wants a lock and has got it", durable, parts([]Fact{on(Wanted, 1, 0), grant(1, 1), holds(1, 1)}, end), ""},
		{"one wants a lock and hears nothing", durable, parts([]Fact{on(Wanted, 1, 0), grant(1, 1)}, end), "liveness"},
		{"one wants a lock no more", durable, parts([]Fact{on(Wanted, 1, 0), on(Waived, 1, 0)}, end), ""},
		{"one wants a lock and is gone", durable, parts([]Fact{on(Wanted, 1, 0), gone(1)}, end), ""},
		{"one wants two locks and has got one", durable, parts([]Fact{on(Wanted, 1, 0), at(2, on(Wanted, 1, 0)), grant(1, 1), holds(1, 1)}, end), "liveness"},
		{"one waited before a loss", forgets, parts([]Fact{grant(1, 1), waits(2), perished}, end), ""},
		{"one is back in the queue after a loss", forgets, parts([]Fact{grant(1, 1), waits(2), perished, asserts(2, 0)}, end), "liveness"},
	})
}
