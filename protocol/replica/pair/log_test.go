package pair

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// book is a member's log, and a disk under it that has a part of it.
type book struct {
	entries   []entry
	durable   int // entries that the disk has
	told      int // of which the member knows
	syncing   bool
	witnessed uint64 // the last command whose state was noted
	comes     bool   // a state that the court is told of when the disk has it
	pending   [][]byte
	held      []heldReply
}

// entry is a command, or an epoch with whom it is of, and with a state if that takes the place of all before.
type entry struct {
	request []byte
	epoch   view.Epoch
	mate    view.Incarnation
	born    view.Incarnation
	state   []byte
	index   uint64 // of the last command up to it
}

type heldReply struct {
	at   int
	to   replica.Client
	data []byte
}

// recover executes what the disk has.
func (n *node) recover() Recovered {
	b := &n.book
	b.fall(n.c)
	var from Recovered
	first := 0
	for i := range b.entries {
		if b.entries[i].state != nil {
			first = i
		}
	}
	for _, e := range b.entries[first:] {
		switch {
		case e.state != nil:
			if err := n.exec.Restore(bytes.NewReader(e.state)); err != nil {
				n.c.t.Fatal(err)
			}
		case e.request != nil:
			n.exec.Execute(e.request, nil)
		}
		if e.epoch != 0 {
			from = Recovered{true, e.epoch, e.mate, from.Born}
		}
		from.Born = max(from.Born, e.born)
	}
	if len(b.entries) == 0 {
		b.entries = append(b.entries, entry{born: n.Life})
	}
	n.exec.Watch(func(request []byte) { b.pending = append(b.pending, slices.Clone(request)) })
	return from
}

// fall loses what the disk does not have, or a part of it.
func (b *book) fall(c *cluster) {
	if n := len(b.entries) - b.durable; n > 0 {
		b.entries = b.entries[:b.durable+c.Rng.IntN(n+1)]
	}
	*b = book{entries: b.entries, durable: len(b.entries), told: len(b.entries)}
}

// saved is the index of the last command of which a member knows that the disk has it.
func (b *book) saved() uint64 {
	if b.told == 0 {
		return 0
	}
	return b.entries[b.told-1].index
}

// write takes what a step has executed, and keeps back what must not leave yet.
func (c *cluster) write(n *node) {
	b, out := &n.book, &n.out
	n.witness()
	defer c.sync(n)
	if !n.m.Follows() {
		b.pending, b.held, out.Save = nil, nil, 0
		return
	}
	if out.Save != 0 && out.Anew {
		var state bytes.Buffer
		if err := n.exec.Snapshot(&state); err != nil {
			c.t.Fatal(err)
		}
		b.entries, b.pending = append(b.entries, entry{epoch: out.Save, mate: out.Mate, state: state.Bytes(), index: n.exec.Index()}), nil
	}
	for i, request := range b.pending {
		b.entries = append(b.entries, entry{request: request, index: n.exec.Index() - uint64(len(b.pending)-i-1)})
	}
	b.pending = nil
	if out.Save != 0 && !out.Anew {
		b.entries = append(b.entries, entry{epoch: out.Save, mate: out.Mate, index: n.exec.Index()})
	}
	out.Save = 0
	for _, r := range out.Replies {
		b.held = append(b.held, heldReply{len(b.entries), r.To, slices.Clone(r.Data)})
	}
	out.Replies = out.Replies[:0]
	for len(b.held) > 0 && b.held[0].at <= b.told {
		out.Replies = append(out.Replies, replica.Reply{To: b.held[0].to, Data: b.held[0].data})
		b.held = b.held[1:]
	}
}

// sync brings all that is written to the disk, if it is idle.
func (c *cluster) sync(n *node) {
	b := &n.book
	if b.syncing || b.durable == len(b.entries) {
		return
	}
	b.syncing = true
	upto, life := len(b.entries), n.Life
	c.After(c.Delay+time.Duration(c.Rng.Int64N(int64(5*time.Millisecond))), func() {
		if !n.Up || n.Life != life {
			return
		}
		b.durable = upto
		c.Later(&n.Host, func() {
			from := b.told
			b.told, b.syncing = upto, false
			c.step(n, func(out *Output) {
				for _, e := range b.entries[from:upto] {
					if e.born != 0 {
						n.m.Begun()
					}
					if e.epoch != 0 {
						n.m.Persisted(c.Now, e.epoch, nil, out)
					}
				}
			})
		})()
	})
}

// written tells the court of a state that came from the other when the disk has it.
func (n *node) written() {
	b := &n.book
	if n.m.role == Empty {
		b.comes = false
	}
	if !b.comes || n.m.kept != n.m.epoch {
		return
	}
	b.comes, n.reports = false, true
	n.restored(n.m.base)
}

// step is what brought a state about.
type step struct {
	fact   service.Fact
	before uint64 // the state before
	from   uint64 // the digest of all that was executed before
}

// witness notes what a member has executed: who finds it in a log later tells the court.
func (n *node) witness() {
	c := n.c
	if c.story == nil {
		c.story = map[uint64]step{}
	}
	for n.book.witnessed = min(n.book.witnessed, n.exec.Index()); n.book.witnessed < n.exec.Index(); {
		n.book.witnessed++
		from, seen := n.exec.At(n.book.witnessed - 1)
		if at, _ := n.exec.At(n.book.witnessed); seen { // who was given a state has not seen what led to it
			c.story[at] = step{n.state.Fact(n.Self(), n.book.witnessed), n.state.SumAt(n.book.witnessed - 1), from}
		}
	}
}

// restored tells the court of a state as of a command, and of the commands before of which it was not told.
func (n *node) restored(index uint64) {
	var untold []service.Fact
	c, state := n.c, n.state.SumAt(index)
	digest, _ := n.exec.At(index)
	for n.last = index; n.last > c.most; n.last-- {
		s, is := c.story[digest]
		if !is {
			break
		}
		s.fact.Node = n.Self()
		untold, state, digest = append(untold, s.fact), s.before, s.from
	}
	c.Hear(&service.Fact{Kind: service.Restored, Node: n.Self(), Index: n.last, State: state})
	for _, f := range slices.Backward(untold) {
		c.Hear(&f)
	}
	n.last, c.most = index, max(c.most, index)
}

// newLogTrial is a random schedule in which members have logs, and may fall both at once.
func newLogTrial(t testing.TB, seed uint64) *trial {
	r := newTrial(t, seed)
	r.flips, r.careful, r.logged = 0, false, true
	r.Court = service.NewCourt(service.All(service.Setting{})...)
	return r
}

// cutPower lets both fall.
func (r *trial) cutPower() {
	for _, n := range r.nodes {
		if n.Up {
			r.Crash(&n.Host)
		}
	}
}

// TestRandomPowerCuts: whatever happens, both falling at once included, nothing that was answered is lost; and at peace
// two have the same state.
func TestRandomPowerCuts(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		r := newLogTrial(t, seed)
		if wrong := r.run1(); wrong != "" {
			t.Fatal(r.failure(wrong))
		}
	}
}
