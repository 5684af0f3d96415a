package services

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/wire"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// lockbox is the lock service, with an observer who writes down what it is told and what it
// says.
type lockbox struct {
	*lock.Service
	asked   func()
	fact    service.Fact
	steps   []step
	notices []told
}

// step is one thing that the service was told: a command, the end of a session, or that time has passed.
type step struct {
	ended       bool
	session     session.ID
	body, reply []byte
	notices     []told
}

// told is a notice to a session.
type told struct {
	session session.ID
	what    lock.Status
	number  uint64
	name    string
	body    []byte
}

// sight is what an observer has seen of one command.
type sight struct {
	at    time.Duration
	steps []step
}

// newLockbox makes the service that a member has before it is in a group.
func newLockbox(cfg lock.Config) *lockbox {
	s, err := lock.New(cfg)
	if err != nil {
		panic("services: a drawn lock service is refused: " + err.Error())
	}
	return &lockbox{Service: s}
}

// Apply executes a command. The executor has begun the reply already, with whose request it is.
func (b *lockbox) Apply(c session.Command, reply []byte) []byte {
	head, why := session.ParseReply(reply[max(0, len(reply)-replyHead):])
	from := len(reply)
	reply = b.Service.Apply(c, reply)
	b.step(step{session: c.Session, body: slices.Clone(c.Body), reply: slices.Clone(reply[from:])})
	if why == wire.OK {
		b.fact = service.Fact{Kind: service.Executed, Session: head.Nonce, Number: head.Number, Value: digest(reply[from:])}
	}
	return reply
}

const replyHead = session.ReplyMax - session.BodyMax

// digest is a number for bytes.
func digest(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b)
	return h.Sum64()
}

func (b *lockbox) Ended(at time.Duration, s session.ID) {
	b.Service.Ended(at, s)
	b.step(step{ended: true, session: s})
}

func (b *lockbox) Passed(at time.Duration) {
	b.Service.Passed(at)
	b.step(step{})
}

// step notes what was done, and what is to be told.
func (b *lockbox) step(s step) {
	b.Notices(func(n lock.Notice) {
		t := told{n.Session, n.What, n.Number, string(n.Name), n.Append(nil)}
		s.notices, b.notices = append(s.notices, t), append(b.notices, t)
	})
	b.steps = append(b.steps, s)
}

// Restore reads a state. What was to be told is not any more.
func (b *lockbox) Restore(r io.Reader) error {
	b.steps, b.notices = nil, nil
	return b.Service.Restore(r)
}

// Digest is asked for after each command.
func (b *lockbox) Digest() uint64 {
	if b.asked != nil {
		b.asked()
	}
	return b.Service.Digest()
}

func (b *lockbox) watch(asked func()) { b.asked = asked }

// took gives what the last command was, and forgets it.
func (b *lockbox) took() event {
	e := event{fact: b.fact, sight: &sight{steps: b.steps}}
	if e.fact.Kind == 0 {
		e.fact.Kind = service.Skipped
	}
	b.fact, b.steps = service.Fact{}, nil
	return e
}

// sum is the state as an observer sees it.
func (b *lockbox) sum() uint64 {
	h := fnv.New64a()
	_ = b.Snapshot(h)
	return h.Sum64()
}

// flip is for registers.
func (b *lockbox) flip(*rand.Rand) {}

// tell gives what sessions are to be told, and forgets it.
func (b *lockbox) tell(fn func(session.ID, []byte)) {
	for _, t := range b.notices {
		fn(t.session, t.body)
	}
	b.notices = nil
}

var _ subject = (*lockbox)(nil)
