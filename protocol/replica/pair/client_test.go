package pair

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

const cellCount = 4

// register is the service that is replicated: cells with numbers.
type register struct {
	cells   [cellCount]uint64
	digest  uint64 // of the cells
	past    uint64 // of all that was answered, so that who answered otherwise has another state
	index   func() uint64
	applied map[uint64]applied // by index
	latest  uint64
	first   uint64 // the sum of the state before the first that was applied
	led     int    // it was the primary's when the court was last told
	fill    int    // bytes more of a snapshot
	random  bool   // it is not deterministic
	rng     *rand.Rand
}

type applied struct {
	what request
	had  uint64
	sum  uint64 // of the state after it
}

// request is what a client asks. Client and call tell the observer whose it is.
type request struct {
	client int
	call   uint64
	op     service.Op
	key    uint32
	value  uint64
}

func (r request) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.client))
	b = binary.BigEndian.AppendUint64(b, r.call)
	b = append(b, byte(r.op))
	b = binary.BigEndian.AppendUint32(b, r.key)
	return binary.BigEndian.AppendUint64(b, r.value)
}

func parse(b []byte) (request, bool) {
	if len(b) != 25 {
		return request{}, false
	}
	return request{
		int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint64(b[4:]), service.Op(b[12]),
		binary.BigEndian.Uint32(b[13:]) % cellCount, binary.BigEndian.Uint64(b[17:]),
	}, true
}

// Apply executes a request and answers what there was before.
func (s *register) Apply(c session.Command, reply []byte) []byte {
	r, ok := parse(c.Body)
	if !ok {
		return reply
	}
	if s.applied == nil {
		s.applied, s.first = map[uint64]applied{}, s.sum()
	}
	had := s.cells[r.key]
	value := r.value
	if s.random {
		value += s.rng.Uint64N(1 << 20)
	}
	switch r.op {
	case service.Swap:
		s.set(r.key, value)
	case service.Add:
		s.set(r.key, had+value)
	}
	s.past = bits.RotateLeft64((s.past^had)*0x9e3779b97f4a7c15, 29)
	if s.index != nil {
		s.latest = s.index()
		s.applied[s.latest] = applied{r, had, s.sum()}
	}
	return binary.BigEndian.AppendUint64(reply, had)
}

func (s *register) set(key uint32, value uint64) {
	s.digest ^= term(key, s.cells[key]) ^ term(key, value)
	s.cells[key] = value
}

func term(key uint32, value uint64) uint64 {
	return bits.RotateLeft64(value*0x9e3779b97f4a7c15, int(key)*13) * 0xff51afd7ed558ccd
}

func (s *register) Ended(time.Duration, session.ID) {}
func (s *register) Passed(time.Duration)            {}
func (s *register) Next() time.Duration             { return 0 }
func (s *register) Digest() uint64                  { return s.digest ^ s.past }

func (s *register) Snapshot(w io.Writer) error {
	if err := binary.Write(w, binary.BigEndian, append(s.cells[:], s.past)); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, s.fill))
	return err
}

func (s *register) Restore(r io.Reader) error {
	var all [cellCount + 1]uint64
	if err := binary.Read(r, binary.BigEndian, all[:]); err != nil {
		return fmt.Errorf("a state has less than %d cells: %w", cellCount, err)
	}
	fill, err := io.Copy(io.Discard, r)
	if s.fill = int(fill); err != nil {
		return err
	}
	for key := range s.cells {
		s.set(uint32(key), all[key])
	}
	s.past = all[cellCount]
	s.applied, s.latest = nil, 0
	return nil
}

// sum is the state as an observer sees it.
func (s *register) sum() uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, append(s.cells[:], s.past))
	return h.Sum64()
}

// fact is what an observer is told of a command that a member has for good: which request was
// executed by it, or none.
func (s *register) fact(node view.Member, index uint64) service.Fact {
	f := service.Fact{Kind: service.Skipped, Node: node, Index: index, State: s.sumAt(index)}
	if a, is := s.applied[index]; is {
		h := fnv.New64a()
		_, _ = h.Write(a.what.append(nil))
		f.Kind, f.Session, f.Number, f.Sum, f.Value = service.Executed, uint64(a.what.client), a.what.call, h.Sum64(), a.had
	}
	return f
}

// sumAt is that of the state after a command, which was the last or was followed by what was
// applied.
func (s *register) sumAt(index uint64) uint64 {
	if index >= s.latest {
		return s.sum()
	}
	for ; index > 0; index-- {
		if a, is := s.applied[index]; is {
			return a.sum
		}
	}
	return s.first
}

// client is a program that asks the service, one call at a time, each to be executed exactly
// once.
type client struct {
	c       *cluster
	number  int
	server  view.ID
	session session.ID
	nonce   uint64
	calls   uint64
	open    request
	sent    uint64          // number of the present call; 0: none
	number2 uint64          // of the last call in the session
	serial  int             // of what was sent last, so that an older timer does nothing
	fixed   bool            // it asks only whom it is told
	said    map[string]bool // of the present call
	wants   *request
}

const repeatAfter = 60 * time.Millisecond

// call begins a call, when the last is answered.
func (x *client) call(op service.Op, key uint32, value uint64) {
	x.calls++
	x.said = map[string]bool{}
	r := request{x.number, x.calls, op, key, value}
	if x.session == 0 {
		x.wants = &r
		x.ask()
		return
	}
	x.number2++
	x.sent, x.open = x.number2, r
	x.c.hear(&service.Fact{
		Kind: service.Called, Client: x.number, Call: r.call, Op: op, Key: key, Value: value,
		Semantics: service.ExactlyOnce, Session: uint64(x.number), Number: r.call,
	})
	x.ask()
}

// ask sends what has no answer, and again until it has one.
func (x *client) ask() {
	c := x.c
	r := session.Request{Verb: session.Open, Nonce: x.nonce, Lease: c.lease}
	if x.session != 0 {
		r = session.Request{
			Verb: session.Call, How: session.ExactlyOnce, Session: x.session, Nonce: x.nonce,
			Number: x.sent, Acked: x.sent - 1, Body: x.open.append(nil),
		}
	}
	x.serial++
	serial, n, data := x.serial, c.nodes[x.server-1], r.Append(nil)
	x.say(fmt.Sprintf("asks %v", x.server))
	c.post(2+x.number, int(x.server), func() {
		if n.up {
			c.later(n, func() {
				c.step(n, func(out *Output) { n.m.Submit(c.now, Client(x.number), data, out) })
			})()
		}
	})
	c.after(repeatAfter, func() {
		if x.serial == serial && (x.sent != 0 || x.session == 0) {
			x.elsewhere()
			x.ask()
		}
	})
}

// say tells what the client does, if it has not done so for this call.
func (x *client) say(what string) {
	if !x.said[what] {
		x.said[what] = true
		x.c.tell(fmt.Sprintf("c%d", x.number), what)
	}
}

func (x *client) elsewhere() {
	if !x.fixed {
		x.server = 3 - x.server
	}
}

func (x *client) receive(data []byte) {
	c := x.c
	r, why := session.ParseReply(data)
	who := fmt.Sprintf("c%d", x.number)
	switch {
	case why != wire.OK || r.Nonce != x.nonce:
	case r.Status.Later():
		if x.sent != 0 && r.Number == x.sent || x.session == 0 {
			x.say(fmt.Sprintf("is told %v, %v", r.Status, r.Server))
			serial := x.serial
			c.after(repeatAfter/6, func() {
				if x.serial == serial && (x.sent != 0 || x.session == 0) {
					x.elsewhere()
					x.ask()
				}
			})
		}
	case x.session == 0:
		if r.Status == session.OK && r.Number == 0 {
			x.session, x.number2, x.sent = r.Session, 0, 0
			if x.wants != nil {
				w := *x.wants
				x.wants = nil
				x.calls--
				x.call(w.op, w.key, w.value)
			}
		}
	case r.Status == session.StaleSession && r.Session == x.session:
		if x.sent != 0 {
			c.hear(&service.Fact{Kind: service.Unknown, Client: x.number, Call: x.open.call})
		}
		x.session, x.sent = 0, 0
		x.nonce += 1000
		c.tell(who, "has no session any more")
	case r.Session == x.session && x.sent != 0 && r.Number == x.sent && r.Status == session.OK:
		x.sent = 0
		c.tell(who, fmt.Sprintf("has call %d answered: %d", x.open.call, binary.BigEndian.Uint64(r.Body)))
		c.hear(&service.Fact{Kind: service.Answered, Client: x.number, Call: x.open.call, Value: binary.BigEndian.Uint64(r.Body)})
	case r.Session == x.session && x.sent == 0 && x.number2 != 0 && r.Number == x.number2 && r.Status == session.OK: // once more
		c.hear(&service.Fact{Kind: service.Answered, Client: x.number, Call: x.open.call, Value: binary.BigEndian.Uint64(r.Body)})
	}
}
