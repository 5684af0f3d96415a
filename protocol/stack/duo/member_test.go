package duo

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// counter answers with the number of the call, and the body.
type counter struct{ n uint64 }

func (c *counter) Apply(q session.Command, reply []byte) []byte {
	c.n++
	return append(binary.BigEndian.AppendUint64(reply, c.n), q.Body...)
}
func (c *counter) Ended(time.Duration, session.ID) {}
func (c *counter) Passed(time.Duration)            {}
func (c *counter) Next() time.Duration             { return 0 }
func (c *counter) Digest() uint64                  { return c.n }
func (c *counter) Snapshot(w io.Writer) error      { return binary.Write(w, binary.BigEndian, c.n) }
func (c *counter) Restore(r io.Reader) error       { return binary.Read(r, binary.BigEndian, &c.n) }

const (
	cluster   = 77
	heartbeat = 20 * time.Millisecond
)

// host is one process of a rig.
type host struct {
	self   view.Member
	node   *cohort.Node
	out    cohort.Output
	member *Member // nil: the arbiter
	part   interface {
		Save() view.Epoch
		Output() *replica.Output
	}
	saved func(now time.Time, epoch view.Epoch, err error)
	dead  bool
	paper *paper   // under a log
	got   [][]byte // what clients of this process were answered
	told  []string // of members that are configured otherwise
}

// rig is two servers and their arbiter on a network without faults and delays.
type rig struct {
	t       testing.TB
	now     time.Time
	hosts   [3]*host
	apart   bool // the servers do not hear one another
	keep    bool // answers are kept
	logs    bool // servers log
	slow    bool // what is written is not synced
	request []byte
	number  uint64
	session session.ID
}

func newRig(t testing.TB) *rig { return newRigWith(t, false) }

// newRigWith is a rig whose servers log, or do not.
func newRigWith(t testing.TB, logs bool) *rig {
	r := newRigIn(t, logs, "alike", "alike")
	if s, o := r.hosts[0].member.Status(), r.hosts[1].member.Status(); !s.Whole || !o.Whole {
		t.Fatalf("the two are %+v and %+v", s, o)
	}
	return r
}

// newRigOf is a rig whose servers have terms of their own.
func newRigOf(t testing.TB, terms ...string) *rig { return newRigIn(t, false, terms...) }

func newRigIn(t testing.TB, logs bool, terms ...string) *rig {
	r := &rig{t: t, now: time.Unix(1_700_000_000, 0), keep: true, logs: logs}
	for i := range r.hosts {
		r.start(i, view.Incarnation(i+10), append(terms, "")[i])
	}
	r.carry()
	r.pass(20 * heartbeat)
	return r
}

// start begins a life of a process.
func (r *rig) start(i int, life view.Incarnation, terms string) {
	r.t.Helper()
	h := &host{self: view.Member{ID: view.ID(i + 1), Incarnation: life}}
	cfg := cohort.NodeConfig{Self: h.self, Fingerprint: cluster, Links: 1, Heartbeat: heartbeat, SuspectAfter: 5 * heartbeat}
	for k := range r.hosts {
		cfg.Candidates = append(cfg.Candidates, cohort.Candidate{ID: view.ID(k + 1), Name: string(rune('a' + k)), Votes: 1, Witness: k == 2})
	}
	var err error
	if h.node, err = cohort.New(cfg, rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
		r.t.Fatal(err)
	}
	h.node.Start(r.now, &h.out)
	if r.hosts[i] = h; i == 2 {
		a := Arbitrate(r.now, h.node, Referee{Name: "s", Self: h.self, Members: [2]view.ID{1, 2}, Fingerprint: cluster})
		h.part, h.saved = a, a.Saved
		return
	}
	exec := session.NewExecutor(&counter{})
	var log *Log
	if r.logs {
		h.paper, log = &paper{}, NewLog(exec, 0)
		log.Use(h.paper, 0)
	}
	h.member, err = JoinPair(r.now, h.node, PairConfig{
		Config: Config{
			Name: "s", Self: h.self, Peer: view.ID(2 - i), Preferred: 1, Terms: terms, Fingerprint: cluster, Heartbeat: heartbeat, SuspectAfter: 5 * heartbeat,
			Executor: exec,
		},
		Policy: pair.Arbitrate, Arbiter: 3, Disk: true, Log: log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	h.part, h.saved = h.member, h.member.Saved
}

// carry lets everything come to rest.
func (r *rig) carry() {
	for busy := true; busy; {
		busy = false
		for _, h := range r.hosts {
			if h == nil || h.dead {
				continue
			}
			if epoch := h.part.Save(); epoch != 0 {
				h.saved(r.now, epoch, nil)
				busy = true
			}
			r.write(h)
			out := h.part.Output()
			for _, a := range out.Replies {
				if r.keep {
					h.got = append(h.got, bytes.Clone(a.Data))
				}
			}
			out.Reset()
			h.node.Flush(r.now, &h.out)
			for i := range h.out.Send {
				busy = true
				r.send(h, &h.out.Send[i])
			}
			for i := range h.out.Deliver {
				if d := &h.out.Deliver[i]; d.Kind == cohort.Refused {
					h.told = append(h.told, d.Refusal)
				}
			}
			h.out.Reset()
		}
	}
}

// write lets the disk under a log do what it has to do.
func (r *rig) write(h *host) {
	if h.paper == nil {
		return
	}
	if !r.slow && (h.paper.synced < len(h.paper.records) || h.paper.fresh) {
		h.paper.sync()
		h.member.Written()
	}
	h.member.Act(r.now, &h.out)
}

func (r *rig) send(from *host, e *wire.Envelope) {
	for _, to := range r.hosts {
		if to == from || to.dead || e.To != view.Everyone && e.To != to.self.ID || r.apart && from.self.ID+to.self.ID == 3 {
			continue
		}
		to.node.Receive(r.now, from.self, 1, e.Frame, &to.out)
	}
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(time.Millisecond)
		for _, h := range r.hosts {
			if h.dead {
				continue
			}
			h.node.Tick(r.now, &h.out)
			if h.member != nil {
				h.member.Tick(r.now)
			}
		}
		r.carry()
	}
}

// call lets a client of a server ask.
func (r *rig) call(at *host, body []byte) {
	if r.session == 0 {
		q := session.Request{Verb: session.Open, Nonce: 5, Lease: time.Minute}
		at.member.Submit(r.now, 1, q.Append(nil))
		r.carry()
		r.pass(heartbeat)
		p, _ := session.ParseReply(at.got[len(at.got)-1])
		r.session = p.Session
	}
	r.number++
	q := session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: r.session, Nonce: 5, Number: r.number, Acked: r.number - 1, Body: body}
	r.request = q.Append(r.request[:0])
	at.member.Submit(r.now, 1, r.request)
	r.carry()
}

// ask is call for a client of the first server, whose answer may be long in coming.
func (r *rig) ask(i int) {
	if r.session == 0 {
		was := r.slow
		r.slow = false
		r.call(r.hosts[i], nil)
		r.pass(heartbeat)
		r.slow = was
		r.hosts[i].got = r.hosts[i].got[:0]
	}
	r.number++
	q := session.Request{Verb: session.Call, How: session.ExactlyOnce, Session: r.session, Nonce: 5, Number: r.number, Acked: r.number - 1}
	r.hosts[i].member.Submit(r.now, 1, q.Append(nil))
}

// last is the number and the body that a client was answered last.
func (r *rig) last(at *host) (uint64, []byte) {
	r.t.Helper()
	if len(at.got) == 0 {
		r.t.Fatalf("%v has answered nothing", at.self)
	}
	p, why := session.ParseReply(at.got[len(at.got)-1])
	if why != wire.OK || p.Status != session.OK {
		r.t.Fatalf("the answer is %+v, %v", p, why)
	}
	return binary.BigEndian.Uint64(p.Body), p.Body[8:]
}

// TestClientsOfBothAreAnswered: by their own server, whoever executes and whoever answers, however long the answer is.
func TestClientsOfBothAreAnswered(t *testing.T) {
	r := newRig(t)
	want := uint64(0)
	for _, size := range []int{0, 100, pieceMax, 5 * pieceMax, session.BodyMax - 8} {
		for i := range 2 {
			body := bytes.Repeat([]byte{byte(size)}, size)
			r.call(r.hosts[i], body)
			r.pass(200 * time.Millisecond)
			want++
			if n, b := r.last(r.hosts[i]); n != want || !bytes.Equal(b, body) {
				t.Fatalf("a client of server %d asks with %d bytes, and is answered %d with %d bytes; want %d", i+1, size, n, len(b), want)
			}
		}
	}
}

// TestTheArbiterLetsOneGoOn when the servers do not hear one another, and both are whole again when they do.
func TestTheArbiterLetsOneGoOn(t *testing.T) {
	r := newRig(t)
	for round := range 4 {
		r.call(r.hosts[round%2], nil)
		r.apart = true
		r.pass(20 * heartbeat)
		alone := 0
		for _, h := range r.hosts[:2] {
			if h.member.Status().Role == "alone" {
				alone++
			}
		}
		if alone != 1 {
			t.Fatalf("%d servers go on: %+v and %+v", alone, r.hosts[0].member.Status(), r.hosts[1].member.Status())
		}
		r.apart = false
		r.pass(20 * heartbeat)
		if s, o := r.hosts[0].member.Status(), r.hosts[1].member.Status(); !s.Whole || !o.Whole || s.Index != o.Index {
			t.Fatalf("the two are %+v and %+v", s, o)
		}
	}
}

// TestTheArbiterAnswersWhatItsDiskHas: not before, and after a failure not any more.
func TestTheArbiterAnswersWhatItsDiskHas(t *testing.T) {
	r := newRig(t)
	w := r.hosts[2]
	var failed bool
	w.saved = func(time.Time, view.Epoch, error) { failed = true } // nobody tells it
	r.apart = true
	r.pass(40 * heartbeat)
	for _, h := range r.hosts[:2] {
		if s := h.member.Status(); !failed || s.Role == "alone" {
			t.Fatalf("%v is %+v, and the arbiter's disk has nothing", h.self, s)
		}
	}
	w.part.(*Arbiter).Saved(r.now, 9, io.ErrShortWrite)
	if do := w.part.Output().Do; len(do) != 1 || do[0].Verb != replica.Halted || do[0].Err == nil {
		t.Errorf("it says %+v", do)
	}
	r.pass(40 * heartbeat)
	for _, h := range r.hosts[:2] {
		if s := h.member.Status(); s.Role == "alone" {
			t.Fatalf("%v is %+v, and the arbiter's disk has failed", h.self, s)
		}
	}
}

// TestOthersAreNotHeard: who is not of the two carries nothing here, and is not judged.
func TestOthersAreNotHeard(t *testing.T) {
	r := newRig(t)
	h, w := r.hosts[0], r.hosts[2].part.(*Arbiter)
	key := h.member.key[:]
	for _, c := range []struct {
		name string
		from view.Member
		body []byte
		want wire.Reason
	}{
		{"a piece of the arbiter", r.hosts[2].self, (&piece{kindRequest, nameCaller(r.hosts[2].self, 1), 1, 1, 0, []byte{1}}).append(nil), wire.UnknownSender},
		{"a request in another's name", r.hosts[1].self, (&piece{kindRequest, nameCaller(h.self, 1), 1, 1, 0, []byte{1}}).append(nil), wire.WrongDestination},
		{"an answer to a former life", r.hosts[1].self, (&piece{kindReply, nameCaller(view.Member{ID: 1, Incarnation: 9}, 1), 1, 1, 0, []byte{1}}).append(nil), wire.WrongDestination},
		{"a verdict of the other server", r.hosts[1].self, (&verdict{9, true}).append(nil), wire.UnknownSender},
		{"nothing that makes sense", r.hosts[1].self, []byte{9}, wire.Malformed},
	} {
		before := h.member.Dropped(c.want)
		if !h.member.Receive(r.now, c.from, wire.Duo, append(bytes.Clone(key), c.body...)) || h.member.Dropped(c.want) != before+1 {
			t.Errorf("%s is not dropped as %v", c.name, c.want)
		}
	}
	if h.member.Receive(r.now, r.hosts[1].self, wire.Duo, []byte{0, 0, 0, 0, 1}) {
		t.Error("a message for another service is taken")
	}
	if w.Receive(r.now, view.Member{ID: 9, Incarnation: 1}, wire.Duo, append(bytes.Clone(key), (&ask{0, 99}).append(nil)...)); w.Save() != 0 || len(w.box.Send) != 0 {
		t.Error("a stranger is judged")
	}
}

// TestACarriedCallAllocatesNothing in the stack and in the machine.
func TestACarriedCallAllocatesNothing(t *testing.T) {
	r := newRig(t)
	for range 1000 { // until each place for an answer that waits for the backup was used once
		r.call(r.hosts[1], nil)
	}
	r.keep = false
	body := []byte("x")
	if n := testing.AllocsPerRun(500, func() { r.call(r.hosts[1], body) }); n > 0.5 {
		t.Errorf("a call allocates %v times", n)
	}
}

// FuzzReceive gives a server and the arbiter frames that nobody has sent.
func FuzzReceive(f *testing.F) {
	r := newRig(f)
	key := r.hosts[0].member.key[:]
	p, a, v := piece{kindRequest, nameCaller(r.hosts[1].self, 1), 300, 5, 2, []byte("cde")}, ask{5, 9}, verdict{9, true}
	for _, b := range [][]byte{p.append(nil), a.append(nil), v.append(nil), {1}} {
		f.Add(uint8(wire.Duo), append(bytes.Clone(key), b...))
		f.Add(uint8(wire.Pair), append(bytes.Clone(key), b...))
	}
	f.Fuzz(func(t *testing.T, c uint8, b []byte) {
		r.hosts[0].member.Receive(r.now, r.hosts[1].self, wire.Channel(c), b)
		r.hosts[2].part.(*Arbiter).Receive(r.now, r.hosts[1].self, wire.Channel(c), b)
		r.carry()
	})
}
