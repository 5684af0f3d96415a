package duo

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Referee is what an arbiter needs.
type Referee struct {
	Name        string // of the service
	Self        view.Member
	Members     [2]view.ID // who may ask
	Fingerprint uint32
	Granted     view.Epoch // the last epoch that was granted in a former life; 0: none
	Recorder    trace.Recorder
}

// Arbiter says which of two servers may go on alone. It keeps the last epoch that it has granted, and grants one if that is at
// most the last epoch of both members, or is the same. It answers when the epoch is saved, so that it does not
// forget it. To who asks it for a service it is one that never serves.
type Arbiter struct {
	cfg     Referee
	key     [keySize]byte
	node    *cohort.Node
	out     replica.Output
	box     wire.Outbox
	granted view.Epoch // saved
	saving  view.Epoch // 0: none is
	who     view.ID    // for whom
	save    view.Epoch
	left    bool
}

// Arbitrate makes an arbiter of a node.
func Arbitrate(now time.Time, node *cohort.Node, cfg Referee) *Arbiter {
	a := &Arbiter{cfg: cfg, node: node, granted: cfg.Granted}
	binary.BigEndian.PutUint32(a.key[:], cohort.Key(cfg.Name))
	node.Attach(now, a)
	return a
}

// Receive takes a question. What makes no sense, or comes while an epoch is being saved, is not
// answered: it is asked again.
func (a *Arbiter) Receive(now time.Time, from view.Member, c wire.Channel, payload []byte) bool {
	if c != wire.Duo || len(payload) <= keySize || [keySize]byte(payload) != a.key {
		return false
	}
	q, ok := parseAsk(payload[keySize:])
	switch {
	case !ok:
		a.drop(now, from.ID, wire.Malformed)
	case from.ID != a.cfg.Members[0] && from.ID != a.cfg.Members[1]:
		a.drop(now, from.ID, wire.UnknownSender)
	case a.saving != 0:
	case a.granted == q.epoch:
		a.answer(from.ID, verdict{q.epoch, true})
	case a.granted <= q.base || canary == GrantsBoth:
		a.saving, a.who, a.save = q.epoch, from.ID, q.epoch
		if canary == GrantsUnsaved {
			a.granted = q.epoch
			a.answer(from.ID, verdict{q.epoch, true})
		}
	default:
		a.answer(from.ID, verdict{q.epoch, false})
	}
	return true
}

// Save is an epoch to be kept on the disk; 0: none. Saved tells that it is.
func (a *Arbiter) Save() view.Epoch {
	epoch := a.save
	a.save = 0
	return epoch
}

// Saved tells that an epoch is on the disk, or that it cannot be: then it is not granted, and what the disk has
// nobody knows, so nothing is granted any more.
func (a *Arbiter) Saved(now time.Time, epoch view.Epoch, err error) {
	a.node.Begin(now)
	if err != nil {
		a.out.Do = append(a.out.Do, replica.Command{Verb: replica.Halted, Epoch: epoch, Err: err})
		return // saving stays
	}
	a.granted, a.saving = epoch, 0
	a.answer(a.who, verdict{epoch, true})
}

func (a *Arbiter) answer(to view.ID, v verdict) {
	b := append(a.box.Begin(wire.Header{Channel: wire.Duo, Fingerprint: a.cfg.Fingerprint}), a.key[:]...)
	a.box.End(to, wire.AllLinks, v.append(b))
}

func (a *Arbiter) drop(now time.Time, from view.ID, why wire.Reason) {
	if r := a.cfg.Recorder; r != nil {
		r.Record(trace.Event{At: now, Node: a.cfg.Self.ID, Peer: from, Kind: trace.Dropped, A: uint64(why), B: uint64(wire.Duo)})
	}
}

// Submit refuses.
func (a *Arbiter) Submit(_ time.Time, from replica.Client, request []byte) {
	a.out.Refuse(from, request, session.Elsewhere, view.Nobody)
}

// Suspect has nothing to do.
func (a *Arbiter) Suspect(time.Time, view.Member, bool) {}

// Flush appends the frames to be sent.
func (a *Arbiter) Flush(out *cohort.Output) { out.Send = append(out.Send, a.box.Send...) }

// Reset forgets the frames that were sent.
func (a *Arbiter) Reset() { a.box.Reset() }

// Tick has nothing to do.
func (a *Arbiter) Tick(time.Time) {}

// Deadline is never.
func (a *Arbiter) Deadline() time.Time { return time.Time{} }

// Group is nil.
func (a *Arbiter) Group() *cohort.Group { return nil }

// Heed has nothing to do.
func (a *Arbiter) Heed(time.Time, *cohort.Delivery) {}

// Act says whether there are frames to be sent: the node does it.
func (a *Arbiter) Act(time.Time, *cohort.Output) bool { return len(a.box.Send) > 0 }

// Output is what is said.
func (a *Arbiter) Output() *replica.Output { return &a.out }

// Stable is 0.
func (a *Arbiter) Stable() uint64 { return 0 }

// Present says that it can be asked.
func (a *Arbiter) Present() bool { return !a.left }

// Failed is nil.
func (a *Arbiter) Failed() error { return nil }

// Written has nothing to do.
func (a *Arbiter) Written() {}

// Leave takes the arbiter off its node.
func (a *Arbiter) Leave(time.Time, *cohort.Output) (left bool) {
	a.left = true
	a.node.Detach(a)
	return true
}

// Status is what there is to say.
func (a *Arbiter) Status() Status {
	return Status{Style: "pair", Role: "arbiter", Epoch: a.granted, Whole: true}
}

var _ cohort.Guest = (*Arbiter)(nil)
