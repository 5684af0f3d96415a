package service

import (
	"fmt"
	"slices"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// ballot is what each member replied to one call.
type ballot struct {
	nodes   []view.Member
	replies []uint64
}

// votes: an answer is that of a majority.
type votes struct {
	l       *Ledger
	ballots map[*call]*ballot
	index   map[view.Member]uint64 // of the state that it was given
}

// Votes judges each answer: more than half of the members that voted at some time between
// question and answer gave that reply, or one within the tolerance of it. Who was given the
// state after the call was executed has the reply in that state, and counts as agreeing with
// who executed it. If it is never told who votes, no more than half of those that executed
// it may disagree.
func Votes(l *Ledger) Judge {
	return &votes{l, map[*call]*ballot{}, map[view.Member]uint64{}}
}

// Promise names the promise.
func (j *votes) Promise() string { return "votes" }

// Hear judges an answer.
func (j *votes) Hear(f *Fact) error {
	switch f.Kind {
	case Executed:
		if c := j.l.of(f); c != nil {
			b := j.ballots[c]
			if b == nil {
				b = &ballot{}
				j.ballots[c] = b
			}
			b.add(f.Node, f.Value, c.semantics.single())
		}
	case Restored:
		j.index[f.Node] = f.Index
	case Fell:
		delete(j.index, f.Node)
	case Perished:
		clear(j.index)
	case Answered:
		if c := j.l.call(f); c.sent {
			return j.judge(c, f.Value)
		}
	}
	return nil
}

// add counts the latest reply of each member; of a call that may be executed several times, each.
func (b *ballot) add(node view.Member, reply uint64, single bool) {
	for i, n := range b.nodes {
		if n == node && (single || b.replies[i] == reply) {
			b.replies[i] = reply
			return
		}
	}
	b.nodes, b.replies = append(b.nodes, node), append(b.replies, reply)
}

func (j *votes) judge(c *call, value uint64) error {
	b := j.ballots[c]
	if b == nil {
		return fmt.Errorf("client %d is answered %d to call %d, and nobody has replied to it", c.client, value, c.number)
	}
	agree := 0
	for _, reply := range b.replies {
		if apart(reply, value) <= j.l.setting.Tolerance {
			agree++
		}
	}
	need := b.members()/2 + 1
	if len(j.l.seats) > 0 {
		least := j.l.seats[c.from]
		for _, s := range j.l.seats[c.from:] {
			least = min(least, s)
		}
		need = int(min(least, 1<<20))/2 + 1
	}
	inherited := 0
	if agree > 0 && c.index != 0 && c.indexLife == j.l.life {
		for node, index := range j.index { //tidy:unordered they are counted
			if index >= c.index && !b.has(node) {
				inherited++
			}
		}
	}
	if agree+inherited < need {
		return fmt.Errorf("client %d is answered %d to call %d, which is the reply of %d members; it takes %d", c.client, value, c.number, agree+inherited, need)
	}
	return nil
}

func (b *ballot) has(node view.Member) bool {
	for _, n := range b.nodes {
		if n == node {
			return true
		}
	}
	return false
}

// apart is how far two replies are apart.
func apart(x, y uint64) uint64 { return max(x, y) - min(x, y) }

// members is how many have replied.
func (b *ballot) members() int {
	n := 0
	for i, node := range b.nodes {
		if slices.Index(b.nodes, node) == i {
			n++
		}
	}
	return n
}
