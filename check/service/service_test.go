package service

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The replicas of the histories below.
var (
	a = view.Member{ID: 1, Incarnation: 1}
	b = view.Member{ID: 2, Incarnation: 1}
	c = view.Member{ID: 3, Incarnation: 1}
)

// The services under judgement.
var (
	durable  = Setting{FIFO: true, Majority: true}
	volatile = Setting{FIFO: true, Majority: true, Volatile: true}
	forgets  = Setting{FIFO: true, Volatile: true, Reassert: true} // a lock service without state
	primary  = Setting{FIFO: true}
	voted    = Setting{FIFO: true, Majority: true, Voted: true}
	roughly  = Setting{FIFO: true, Majority: true, Voted: true, Tolerance: 2}
	lazy     = Setting{Lazy: true}
)

// The words that histories are written in. Calls are of session = client, number = call
// and go to cell 1 unless another word says otherwise.

func ask(client int, number uint64, op Op, value uint64) Fact {
	return Fact{Kind: Called, Client: client, Call: number, Op: op, Key: 1, Value: value, Session: uint64(client), Number: number}
}
func swap(client int, number, value uint64) Fact { return ask(client, number, Swap, value) }
func add(client int, number, value uint64) Fact  { return ask(client, number, Add, value) }
func read(client int, number uint64) Fact        { return ask(client, number, Read, 0) }
func at(cell uint32, f Fact) Fact                { f.Key = cell; return f }
func with(s Semantics, f Fact) Fact              { f.Semantics = s; return f }

// bare makes a call without a session, of bytes with that sum.
func bare(sum uint64, f Fact) Fact {
	f.Session, f.Number, f.Sum = 0, 0, sum
	return f
}

// sent is the call gone out as another request.
func sent(client int, call, session, number uint64) Fact {
	return Fact{Kind: Sent, Client: client, Call: call, Session: session, Number: number}
}
func told(k Kind, client int, call uint64) Fact { return Fact{Kind: k, Client: client, Call: call} }
func get(client int, call, value uint64) Fact {
	return Fact{Kind: Answered, Client: client, Call: call, Value: value}
}
func gone(client int) Fact { return Fact{Kind: Crashed, Client: client} }

// did executes a request; the state after command i is i.
func did(n view.Member, index, session, number uint64) Fact {
	return Fact{Kind: Executed, Node: n, Index: index, Session: session, Number: number, State: index}
}
func didBare(n view.Member, index, sum uint64) Fact {
	return Fact{Kind: Executed, Node: n, Index: index, Sum: sum, State: index}
}
func skip(n view.Member, index uint64) Fact {
	return Fact{Kind: Skipped, Node: n, Index: index, State: index}
}
func in(state uint64, f Fact) Fact     { f.State = state; return f }
func saying(reply uint64, f Fact) Fact { f.Value = reply; return f }
func restored(n view.Member, index uint64) Fact {
	return Fact{Kind: Restored, Node: n, Index: index, State: index}
}
func fell(n view.Member) Fact { return Fact{Kind: Fell, Node: n} }
func of(k Kind, n, peer view.Member, index uint64) Fact {
	return Fact{Kind: k, Node: n, Peer: peer, Index: index}
}
func names(n, peer view.Member) Fact { return of(Named, n, peer, 0) }
func halts(n view.Member) Fact       { return Fact{Kind: Halted, Node: n} }
func seated(n uint64) Fact           { return Fact{Kind: Seated, Value: n} }

// Of lock 1; sessions are clients.
func on(k Kind, client int, token uint64) Fact {
	return Fact{Kind: k, Client: client, Session: uint64(client), Key: 1, Value: token}
}
func waits(client int) Fact               { return on(Asked, client, 0) }
func grant(client int, token uint64) Fact { return on(Granted, client, token) }
func quit(client int) Fact                { return on(Quit, client, 0) }
func holds(client int, token uint64) Fact { return on(Held, client, token) }
func drops(client int) Fact               { return on(Dropped, client, 0) }
func writes(client int, t uint64) Fact    { return on(Wrote, client, t) }
func asserts(client int, t uint64) Fact   { return on(Reasserted, client, t) }
func broken(token uint64) Fact            { return Fact{Kind: Broken, Key: 1, Value: token} }
func shared(f Fact) Fact                  { f.Shared = true; return f }
func session(s uint64, f Fact) Fact       { f.Session = s; return f }

func turn(n uint64, f Fact) Fact { f.Number = n; return f }

var (
	perished = Fact{Kind: Perished}
	calm     = Fact{Kind: Calmed}
	ended    = Fact{Kind: Ended}
)

// parts joins pieces of a history.
func parts(pieces ...[]Fact) []Fact { return slices.Concat(pieces...) }

// each executes commands 1 to n, requests of session 1, at the members.
func each(n uint64, members ...view.Member) []Fact {
	var facts []Fact
	for i := uint64(1); i <= n; i++ {
		for _, m := range members {
			facts = append(facts, did(m, i, 1, i))
		}
	}
	return facts
}

// history is one history, the service it is of, and the promise that it breaks, or "".
type history struct {
	name    string
	setting Setting
	facts   []Fact
	broken  string
}

// verdict tells every judge a history; facts are a millisecond apart.
func verdict(h *history) (promise, text string) {
	court := NewCourt(All(h.setting)...)
	for i := range h.facts {
		f := h.facts[i]
		f.At = time.Duration(i+1) * time.Millisecond
		court.Hear(&f)
	}
	if v := court.Violation(); v != nil {
		return v.Promise, v.Error()
	}
	return "", ""
}

func run(t *testing.T, histories []history) {
	t.Helper()
	for i := range histories {
		h := &histories[i]
		switch promise, text := verdict(h); {
		case promise == "" && h.broken != "":
			t.Errorf("%s: nothing is found; %s is broken", h.name, h.broken)
		case promise != h.broken:
			t.Errorf("%s: %s; want %q", h.name, text, h.broken)
		case promise != "" && (!strings.HasPrefix(text, promise+": broken at ") || strings.Contains(text, "%!")):
			t.Errorf("%s: the violation says %q", h.name, text)
		case promise != "":
			t.Logf("%s: %s", h.name, text)
		}
	}
}

func TestHistory(t *testing.T) {
	run(t, []history{
		{"one call after another", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), get(1, 1, 0), swap(1, 2, 6), did(a, 2, 1, 2), get(1, 2, 5)}, ""},
		{"a client comes back and counts anew", durable, []Fact{swap(1, 1, 5), gone(1), sent0(swap(1, 1, 5))}, ""},
		{"an answer to nobody's call", durable, []Fact{get(1, 1, 0)}, "history"},
		{"an answer to a client that is gone", durable, []Fact{swap(1, 1, 5), gone(1), get(1, 1, 0)}, "history"},
		{"the same call twice", durable, []Fact{swap(1, 1, 5), sent0(swap(1, 1, 5))}, "history"},
		{"one request for two calls", durable, []Fact{swap(1, 1, 5), sent0(swap(1, 2, 5)), sent(1, 2, 1, 1)}, "history"},
		{"client 0", durable, []Fact{swap(0, 1, 5)}, "history"},
		{"command 0", durable, []Fact{did(a, 0, 1, 1)}, "history"},
		{"a durable state is lost", durable, []Fact{perished}, "history"},
		{"a fact after the end", durable, []Fact{ended, calm}, "history"},
	})
}

// sent0 is a call that has not gone out yet.
func sent0(f Fact) Fact { return bare(0, f) }

func TestOnce(t *testing.T) {
	run(t, []history{
		{"by all, once", durable, parts([]Fact{swap(1, 1, 5)}, each(1, a, b, c), []Fact{get(1, 1, 0)}), ""},
		{"the repeat is skipped, and answered again", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), get(1, 1, 0), skip(a, 2), get(1, 1, 0)}, ""},
		{"the repeat is executed", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), did(a, 2, 1, 1)}, "once"},
		{"the repeat is executed by another after a takeover", durable, parts([]Fact{swap(1, 1, 5)}, each(1, a, b), []Fact{fell(a), did(b, 2, 1, 1)}), "once"},
		{"restored to an earlier state, it executes again", durable, parts([]Fact{swap(1, 1, 5)}, each(2, a, b), []Fact{restored(b, 1), did(b, 2, 1, 2)}), ""},
		{"restored to an earlier state, it executes as a later command", durable, parts(each(2, a, b), []Fact{restored(b, 2), did(b, 3, 1, 2)}), "once"},
		{"in another session, by a client that retries", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), sent(1, 1, 8, 1), did(a, 2, 8, 1)}, "once"},
		{"in another session, since the first was not executed", durable, []Fact{swap(1, 1, 5), skip(a, 1), sent(1, 1, 8, 1), did(a, 2, 8, 1), get(1, 1, 0)}, ""},
		{"another answer", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), get(1, 1, 0), get(1, 1, 5)}, "once"},
		{"another answer, at most once", durable, []Fact{with(AtMostOnce, swap(1, 1, 5)), did(a, 1, 1, 1), get(1, 1, 0), get(1, 1, 5)}, "once"},
		{"at least once, twice", durable, []Fact{with(AtLeastOnce, swap(1, 1, 5)), did(a, 1, 1, 1), did(a, 2, 1, 1), get(1, 1, 0), get(1, 1, 5)}, ""},
		{"maybe, without a session, twice", durable, []Fact{bare(9, with(Maybe, swap(1, 1, 5))), didBare(a, 1, 9), didBare(a, 2, 9)}, "maybe"},
		{"a request of no call, twice", durable, []Fact{did(a, 1, 4, 4), did(a, 2, 4, 4)}, "once"},
		{"again after the state was lost", volatile, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), fell(a), perished, did(b, 1, 1, 1), get(1, 1, 0)}, ""},
		{"twice after the state was lost", volatile, []Fact{swap(1, 1, 5), perished, did(b, 1, 1, 1), did(b, 2, 1, 1)}, "once"},
		{"a client that crashed calls again", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), gone(1), swap(1, 2, 5), did(a, 2, 1, 2), get(1, 2, 5)}, ""},
	})
}

func TestExecution(t *testing.T) {
	run(t, []history{
		{"executed and answered", durable, []Fact{add(1, 1, 5), did(a, 1, 1, 1), get(1, 1, 0)}, ""},
		{"answered and executed by nobody", durable, []Fact{add(1, 1, 5), get(1, 1, 0)}, "execution"},
		{"answered before it is executed", durable, []Fact{add(1, 1, 5), get(1, 1, 0), did(a, 1, 1, 1)}, "execution"},
		{"answered and skipped", durable, []Fact{add(1, 1, 5), skip(a, 1), get(1, 1, 0)}, "execution"},
		{"answered, and another was executed", durable, []Fact{add(1, 1, 5), add(2, 1, 5), did(a, 1, 2, 1), get(1, 1, 0)}, "execution"},
		{"at least once, by nobody", durable, []Fact{bare(9, with(AtLeastOnce, add(1, 1, 5))), get(1, 1, 0)}, "execution"},
		{"maybe, by nobody, and answered", durable, []Fact{bare(9, with(Maybe, add(1, 1, 5))), didBare(a, 1, 8), get(1, 1, 0)}, "execution"},
		{"at least once", durable, []Fact{bare(9, with(AtLeastOnce, add(1, 1, 5))), didBare(a, 1, 9), get(1, 1, 0)}, ""},
		{"at least once, the same bytes again", durable, []Fact{bare(9, with(AtLeastOnce, add(1, 1, 5))), didBare(a, 1, 9), bare(9, with(AtLeastOnce, add(1, 2, 5))),
			get(1, 1, 0), didBare(b, 1, 9), didBare(a, 2, 9), get(1, 2, 0)}, ""},
		{"a read that is answered by who has a lease", durable, []Fact{read(1, 1), get(1, 1, 0)}, ""},
		{"executed in the life before, answered late", volatile, []Fact{add(1, 1, 5), did(a, 1, 1, 1), perished, get(1, 1, 0)}, ""},
		{"as one of two requests", durable, []Fact{add(1, 1, 5), sent(1, 1, 8, 1), did(a, 1, 8, 1), get(1, 1, 0)}, ""},
		{"as which request, nobody knows", durable, []Fact{sent0(add(1, 1, 5)), get(1, 1, 0)}, ""},
		{"late, after all had given up", durable, []Fact{add(1, 1, 5), told(Unknown, 1, 1), did(a, 1, 1, 1), get(1, 1, 0)}, ""},
	})
}

func TestAgreement(t *testing.T) {
	run(t, []history{
		{"all the same", durable, each(3, a, b, c), ""},
		{"one is behind", durable, parts(each(2, a, b, c), []Fact{did(a, 3, 1, 3)}), ""},
		{"in another order", durable, []Fact{did(a, 1, 1, 1), did(a, 2, 2, 1), did(b, 1, 2, 1)}, "agreement"},
		{"other bytes", durable, []Fact{didBare(a, 1, 7), didBare(b, 1, 8)}, "agreement"},
		{"one executes what another skips", durable, []Fact{did(a, 1, 1, 1), skip(b, 1)}, "agreement"},
		{"one is left out", durable, parts(each(1, a, b), []Fact{did(a, 3, 1, 3)}), "agreement"},
		{"one comes again", durable, parts(each(2, a, b), []Fact{did(b, 2, 1, 2)}), "agreement"},
		{"a joiner has the state and goes on", durable, parts(each(2, a, b), []Fact{restored(c, 2), did(a, 3, 1, 3), did(c, 3, 1, 3)}), ""},
		{"a joiner executes what is in its state", durable, parts(each(2, a, b), []Fact{restored(c, 2), did(c, 2, 1, 2)}), "agreement"},
		{"a joiner misses what came before its state", durable, parts(each(3, a, b), []Fact{restored(c, 1), did(c, 3, 1, 3)}), "agreement"},
		{"back from a crash with nothing", durable, parts(each(2, a, b), []Fact{fell(b), did(b, 3, 1, 3)}), "agreement"},
		{"back from a crash it executes its log", durable, parts(each(2, a, b), []Fact{fell(b), restored(b, 1), did(b, 2, 1, 2)}), ""},
		{"restored to a later state", durable, parts(each(1, a, b), []Fact{did(a, 2, 1, 2), did(a, 3, 1, 3), restored(b, 3)}), ""},
		{"another life, another order", volatile, parts(each(2, a, b), []Fact{fell(a), fell(b), perished, did(a, 1, 7, 7), did(b, 1, 7, 7)}), ""},
		{"another life, other orders", volatile, parts(each(2, a, b), []Fact{fell(a), fell(b), perished, did(a, 1, 7, 7), did(b, 1, 7, 8)}), "agreement"},
		{"a former life goes on", volatile, parts(each(2, a, b), []Fact{fell(a), perished, did(a, 1, 7, 7), did(b, 3, 1, 3)}), "agreement"},
	})
}

func TestRetention(t *testing.T) {
	done := parts([]Fact{swap(1, 1, 5)}, each(1, a, b), []Fact{get(1, 1, 0)})
	unsure := parts([]Fact{swap(1, 1, 5)}, each(1, a, b), []Fact{told(Unknown, 1, 1)})
	run(t, []history{
		{"it is there", durable, parts(done, []Fact{calm, ended}), ""},
		{"all are down at once and have it on disk", durable, parts(done, []Fact{fell(a), fell(b), restored(a, 0), did(a, 1, 1, 1), restored(b, 1), calm, ended}), ""},
		{"all are down at once and have lost it", durable, parts(done, []Fact{fell(a), fell(b), restored(a, 0), restored(b, 0), calm, ended}), "retention"},
		{"nobody has a state", durable, parts(done, []Fact{fell(a), fell(b), calm, ended}), "retention"},
		{"another is in its place", durable, parts(done, []Fact{fell(a), fell(b), restored(a, 0), did(a, 1, 2, 1)}), "retention"},
		{"nothing is in its place", durable, parts(done, []Fact{fell(a), restored(a, 0), skip(a, 1)}), "retention"},
		{"an earlier state is restored everywhere", durable, parts(done, []Fact{restored(a, 0), restored(b, 0), calm, ended}), "retention"},
		{"an answer that came late is kept, too", durable, parts(unsure, []Fact{get(1, 1, 0), restored(a, 0), restored(b, 0), calm, ended}), "retention"},
		{"what was not answered may be lost", durable, parts(unsure, []Fact{restored(a, 0), restored(b, 0), calm, ended}), ""},
		{"a read may be lost", durable, []Fact{read(1, 1), did(a, 1, 1, 1), get(1, 1, 0), restored(a, 0), calm, ended}, ""},
		{"one is behind, and may be", lazy, parts(done, []Fact{restored(a, 0), calm, ended}), ""},
		{"lost with all that was in memory", volatile, parts(done, []Fact{fell(a), fell(b), perished, did(a, 1, 2, 1), calm, ended}), ""},
		{"lost after that", volatile, parts(done, []Fact{perished, swap(2, 1, 5), did(a, 1, 2, 1), get(2, 1, 0), restored(a, 0), calm, ended}), "retention"},
		{"in memory, and not all were down", volatile, parts(done, []Fact{fell(a), restored(b, 0), calm, ended}), "retention"},
		{"without calm some are down", durable, parts(done, []Fact{fell(a), fell(b), ended}), ""},
		{"the same bytes again", durable, []Fact{bare(9, with(AtLeastOnce, add(1, 1, 5))), didBare(a, 1, 9), get(1, 1, 0), bare(9, with(AtLeastOnce, add(1, 2, 5))),
			didBare(b, 1, 9), didBare(a, 2, 9), get(1, 2, 5), didBare(b, 2, 9), calm, ended}, ""},
	})
}

func TestKnowledge(t *testing.T) {
	run(t, []history{
		{"not executed", durable, []Fact{swap(1, 1, 5), told(Unexecuted, 1, 1)}, ""},
		{"not executed, but skipped", durable, []Fact{swap(1, 1, 5), skip(a, 1), told(Unexecuted, 1, 1)}, ""},
		{"executed, and told that not", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), told(Unexecuted, 1, 1)}, "knowledge"},
		{"told that not, and executed", durable, []Fact{swap(1, 1, 5), told(Unexecuted, 1, 1), did(a, 1, 1, 1)}, "knowledge"},
		{"told that not, and executed as another request", durable, []Fact{swap(1, 1, 5), sent(1, 1, 8, 1), told(Unexecuted, 1, 1), did(a, 1, 8, 1)}, "knowledge"},
		{"maybe: told that not, and executed", durable, []Fact{bare(9, with(Maybe, swap(1, 1, 5))), told(Unexecuted, 1, 1), didBare(a, 1, 9)}, "knowledge"},
		{"nobody knows, and executed", durable, []Fact{swap(1, 1, 5), told(Unknown, 1, 1), did(a, 1, 1, 1)}, ""},
		{"executed, and nobody knows", durable, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), told(Unknown, 1, 1)}, ""},
		{"answered, and told that not", durable, []Fact{sent0(swap(1, 1, 5)), get(1, 1, 0), told(Unexecuted, 1, 1)}, "knowledge"},
		{"told that not, and answered", durable, []Fact{sent0(swap(1, 1, 5)), told(Unexecuted, 1, 1), get(1, 1, 0)}, "knowledge"},
		{"told that not, and it calls again", durable, []Fact{swap(1, 1, 5), told(Unexecuted, 1, 1), swap(1, 2, 5), did(a, 1, 1, 2), get(1, 2, 0)}, ""},
		{"it crashed, and was executed", durable, []Fact{swap(1, 1, 5), gone(1), did(a, 1, 1, 1)}, ""},
		{"executed in a life that is lost", volatile, []Fact{swap(1, 1, 5), did(a, 1, 1, 1), perished, told(Unexecuted, 1, 1)}, ""},
		{"told in this life that not", volatile, []Fact{swap(1, 1, 5), perished, told(Unexecuted, 1, 1), did(a, 1, 1, 1)}, "knowledge"},
	})
}

func TestVotes(t *testing.T) {
	say := func(reply uint64, m view.Member) Fact { return saying(reply, did(m, 1, 1, 1)) }
	asked := []Fact{seated(3), read(1, 1)}
	run(t, []history{
		{"all say it", voted, parts(asked, []Fact{say(0, a), say(0, b), say(0, c), get(1, 1, 0)}), ""},
		{"two of three say it", voted, parts(asked, []Fact{say(0, a), say(9, b), say(0, c), get(1, 1, 0)}), ""},
		{"two of three, and the third has not replied", voted, parts(asked, []Fact{say(0, a), say(0, b), get(1, 1, 0)}), ""},
		{"one says it", voted, parts(asked, []Fact{say(0, a), get(1, 1, 0)}), "votes"},
		{"one of three says it", voted, parts(asked, []Fact{say(0, a), say(9, b), say(9, c), get(1, 1, 0)}), "votes"},
		{"nobody says it", voted, parts(asked, []Fact{say(7, a), say(8, b), say(9, c), get(1, 1, 0)}), "votes"},
		{"nobody says anything", voted, parts(asked, []Fact{get(1, 1, 0)}), "votes"},
		{"another call's reply", voted, parts(asked, []Fact{read(2, 1), say(0, a), say(0, b), get(2, 1, 0)}), "votes"},
		{"two of five", voted, parts([]Fact{seated(5), read(1, 1)}, []Fact{say(0, a), say(0, b), get(1, 1, 0)}), "votes"},
		{"one is left", voted, parts(asked, []Fact{seated(1), say(0, a), get(1, 1, 0)}), ""},
		{"two were enough before others came", voted, []Fact{seated(3), seated(2), read(1, 1), say(0, a), say(0, b), seated(5), get(1, 1, 0)}, ""},
		{"they were enough before the question", voted, []Fact{seated(1), seated(3), read(1, 1), say(0, a), get(1, 1, 0)}, "votes"},
		{"a spare has the reply with the state", voted, parts(asked, []Fact{say(0, a), fell(b), restored(c, 1), get(1, 1, 0)}), ""},
		{"a spare has an earlier state", voted, parts(asked, []Fact{say(0, a), fell(b), restored(c, 0), get(1, 1, 0)}), "votes"},
		{"nobody tells who votes: most", voted, []Fact{read(1, 1), say(0, a), say(0, b), say(9, c), get(1, 1, 0)}, ""},
		{"nobody tells who votes: not most", voted, []Fact{read(1, 1), say(0, a), say(9, b), get(1, 1, 0)}, "votes"},
		{"about the same", roughly, parts(asked, []Fact{say(2, a), say(1, b), say(9, c), get(1, 1, 0)}), ""},
		{"not about the same", roughly, parts(asked, []Fact{say(2, a), say(3, b), say(9, c), get(1, 1, 0)}), "votes"},
	})
}

// TestKindsHaveNames: a history is printed for people.
func TestKindsHaveNames(t *testing.T) {
	for k := Called; k <= Ended; k++ {
		if k.String() == "unknown kind" {
			t.Errorf("kind %d has no name", k)
		}
	}
	if got := (Ended + 1).String(); got != "unknown kind" {
		t.Errorf("what is none is called %q", got)
	}
}
