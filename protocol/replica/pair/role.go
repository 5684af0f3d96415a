package pair

import (
	"errors"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// going is a member on its way to going on alone.
type going struct {
	epoch  view.Epoch       // 0: it is not
	saving bool             // it was decided; the epoch is being saved
	mate   view.Incarnation // which life of the other is to be the backup in it; 0: none
	askAt  time.Time        // when the arbiter is asked again
}

// next is the epoch in which this member may do something by itself: above all that are known, and of those
// two numbers that are its own. So two who go on at once never do so in the same epoch, and
// in one round the preferred one's is higher.
func (m *Machine) next() view.Epoch {
	round := m.highest/2 + 1
	if m.cfg.Preferred == m.cfg.Self.ID {
		return 2*round + 1
	}
	return 2 * round
}

// goOn lets this member go on alone, if it is sure that the other does not, or else if the policy says so.
func (m *Machine) goOn(now time.Time, sure bool, out *Output) {
	if m.going.saving || m.role == Halting {
		return
	}
	preferred := m.cfg.Policy == Prefer && m.cfg.Preferred == m.cfg.Self.ID
	switch {
	case sure || preferred || canary == BothGoOn:
		m.save(m.next(), out)
	case m.cfg.Policy == Arbitrate:
		if m.going.epoch == 0 {
			m.going = going{epoch: m.next()}
			m.ask(now, out)
		}
	default:
		m.stop(out)
	}
}

// stop tells that this member does not go on, once.
func (m *Machine) stop(out *Output) {
	if !m.stopped {
		m.stopped = true
		out.Do = append(out.Do, replica.Command{Verb: replica.Stopped, Epoch: m.epoch, Index: m.exec.Index(), Sure: true})
	}
}

func (m *Machine) ask(now time.Time, out *Output) {
	m.going.askAt = now.Add(m.cfg.SuspectAfter)
	out.Ask = Question{m.epoch, m.going.epoch}
}

// Arbitrated tells what the arbiter has said to a Question.
func (m *Machine) Arbitrated(now time.Time, epoch view.Epoch, granted bool, out *Output) {
	m.enter(now)
	switch {
	case m.going.epoch != epoch || m.going.saving || epoch == 0:
	case granted:
		m.save(epoch, out) // even if the other is heard again: the arbiter gives it nothing any more
	default:
		m.going = going{}
		if m.parted() { // the arbiter has granted the other something: it is heard one day, or a person decides
			m.stop(out)
		}
	}
}

// save decides that this member goes on in an epoch of its own: the epoch is saved first, so that
// it cannot be forgotten that it may have answered in it.
func (m *Machine) save(epoch view.Epoch, out *Output) {
	m.going = going{epoch: epoch, saving: true}
	m.highest = max(m.highest, epoch)
	m.put(epoch, 0, out)
}

// Persisted tells that an epoch that was to be saved is on the disk, or that it cannot be.
func (m *Machine) Persisted(now time.Time, epoch view.Epoch, err error, out *Output) {
	m.enter(now)
	if err != nil {
		if m.role != Halting {
			m.halt(now, 0, err, out) // what a disk has that failed once, nobody knows
		}
		return
	}
	m.kept = max(m.kept, epoch)
	if m.going.epoch != epoch || !m.going.saving || m.role == Halting {
		return // it was overruled meanwhile
	}
	if m.going.mate != 0 {
		m.wed(now, out)
		return
	}
	m.alone(now, out)
}

// alone begins to serve without a backup.
func (m *Machine) alone(now time.Time, out *Output) {
	first := m.role == Empty && !(m.cfg.Logged && m.exec.Index() > 0)
	m.role, m.epoch, m.base, m.going, m.differs = Single, m.going.epoch, m.exec.Index(), going{}, 0
	m.stopped = false
	m.out.stop()
	m.in = receiver{}
	m.rebase(now) // while nobody served, the agreed time stood still
	verb := replica.Alone
	if first {
		verb = replica.Founded
		if !m.cfg.Logged { // a log does not have it
			m.exec.Found(m.fresh(now))
		}
	}
	out.Do = append(out.Do, replica.Command{Verb: verb, Epoch: m.epoch, Index: m.base, Sure: true})
	m.record(now, trace.Activated, uint64(m.epoch), 0, 0)
	for ; m.owed.Len() > 0; m.owed.Pop() {
		owes := m.owed.At(0)
		out.Answer(owes.Client, append(out.Answers.Begin(), owes.Data...))
	}
	m.tell(now, out)
}

// fresh is what a service that begins with nothing is told: what this life's clock shows, which began as its incarnation, in
// nanoseconds. So it is greater than in any life of the service that is over, unless wall clocks of the two are further apart than
// it takes for both to fall and to begin anew.
func (m *Machine) fresh(now time.Time) view.Epoch {
	return view.Epoch(m.cfg.Self.Incarnation) + view.Epoch(max(0, now.Sub(m.born)))
}

// ErrServing is what Proceed says to a member that needs no such word.
var ErrServing = errors.New("pair: this member goes on already")

// ErrWorthless is what Proceed says to a member whose state is none.
var ErrWorthless = errors.New("pair: this member's state was broken while another was copied; restart it, or let the other proceed")

// Proceed is a person's word that the other member is gone: this one goes on alone, whatever the policy says,
// with the state it has. What the other has answered alone is lost, and if the other lives it is overruled, or
// overrules this one.
func (m *Machine) Proceed(now time.Time, out *Output) error {
	m.enter(now)
	switch {
	case m.role == Halting || m.role == Single || m.going.saving || (m.role == Primary || m.role == Backup) && !m.parted():
		return ErrServing
	case m.in.broken:
		return ErrWorthless
	}
	m.save(m.next(), out)
	return nil
}

// pair makes the other, which has all but the last few commands, the backup: it is told so in its
// stream, and from there on it answers. Who logs has noted before that it is not alone any more.
func (m *Machine) pair(now time.Time, epoch view.Epoch, out *Output) {
	m.role, m.epoch, m.base, m.mate = Primary, epoch, m.exec.Index(), m.peer.life
	m.highest = m.epoch
	m.out.add(&record{kind: recordPaired, index: m.base, epoch: m.epoch})
	m.pump(now, out)
	out.Do = append(out.Do, replica.Command{Verb: replica.Paired, Epoch: m.epoch, Index: m.base, Sure: true})
	m.record(now, trace.SyncDone, uint64(m.epoch), 0, 0)
	m.tell(now, out)
}

// yield gives the state up: the other goes on, or went on, in a later epoch.
func (m *Machine) yield(now time.Time, out *Output) {
	s := &m.peer.said
	from, answered := s.base+1, uint64(0)
	if m.role == Single {
		from = min(m.base, s.base) + 1
		answered = m.base + 1
	}
	if last := m.exec.Index(); from <= last {
		c := replica.Command{Verb: replica.Lost, Epoch: s.epoch, Index: from, Sure: true, Last: last, Request: m.heads.Of(from)}
		if answered <= last {
			c.Answered = answered
		}
		out.Do = append(out.Do, c)
		m.record(now, trace.Contested, uint64(m.epoch), uint64(s.epoch), 0)
	}
	m.record(now, trace.Yielded, uint64(m.epoch), 0, 0)
	m.empty()
	m.tell(now, out)
}

// empty gives up role and state.
func (m *Machine) empty() {
	if m.role != Empty {
		m.rest = m.exec.Index()
	}
	m.follows, m.wasLone = false, false
	m.role, m.epoch, m.base, m.going, m.stopped = Empty, 0, 0, going{}, false
	m.in.useless = true
	m.out.stop()
	m.owed.Clear()
}

// halt ends it all.
func (m *Machine) halt(now time.Time, index uint64, err error, out *Output) {
	m.role, m.going, m.differs = Halting, going{}, index
	m.out.stop()
	m.owed.Clear()
	m.halted = &replica.Command{Verb: replica.Halted, Epoch: m.epoch, Index: index, Sure: true, Request: m.heads.Of(index), Err: err}
	out.Do = append(out.Do, *m.halted)
	m.tell(now, out)
}
