package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// simple is what the table decides, written so that it is too simple to be wrong: all that ever happened is
// remembered.
type simple struct {
	at       time.Duration
	index    uint64
	given    ID
	opened   ID // by the last Open
	sessions map[ID]*simpleClient
}

type simpleClient struct {
	nonce, acked uint64
	index        uint64 // of the last request
	lease, last  time.Duration
	dead         bool
	replies      map[uint64]string
}

// status is what a request is answered; "" if it is to be executed.
func (s *simple) status(r Request) (Status, string) {
	gone := max(s.at, r.At) - s.at
	s.at += gone
	s.index++
	for id := ID(1); id <= s.given; id++ {
		c := s.sessions[id]
		if c.index > r.After {
			c.last += gone
		}
		c.dead = c.dead || c.last+c.lease <= s.at
	}
	if r.Verb == Open {
		for id := ID(1); id <= s.given; id++ {
			if c := s.sessions[id]; c.nonce == r.Nonce && !c.dead {
				c.last, c.index, s.opened = s.at, s.index, id
				return OK, ""
			}
		}
		s.given++
		s.opened = s.given
		s.sessions[s.given] = &simpleClient{nonce: r.Nonce, lease: r.Lease, last: s.at, index: s.index, replies: map[uint64]string{}}
		return OK, ""
	}
	if r.Session == 0 {
		if r.How.Remembered() {
			return Refused, ""
		}
		return OK, ""
	}
	c := s.sessions[r.Session]
	if c == nil || c.dead || c.nonce != r.Nonce {
		return StaleSession, ""
	}
	c.last, c.index, c.acked = s.at, s.index, max(c.acked, r.Acked)
	switch {
	case r.Verb == Close:
		c.dead = true
		return OK, ""
	case r.Verb == Renew || r.Verb == Call && !r.How.Remembered():
		return OK, ""
	case r.Number <= c.acked:
		return Forgotten, ""
	case c.replies[r.Number] != "":
		return 0, c.replies[r.Number]
	case r.Number-c.acked > Window:
		return TooMany, ""
	case r.Verb == Cancel:
		return Cancelled, ""
	}
	return OK, ""
}

// draw makes a request as some client would, or a late copy of one.
func draw(rng *rand.Rand, now *time.Duration, sent *[]Request, model *simple) Request {
	if len(*sent) > 0 && rng.IntN(3) == 0 {
		r := (*sent)[max(0, len(*sent)-1-rng.IntN(40))]
		r.At = *now - time.Duration(rng.IntN(100))*time.Millisecond
		r.At = max(r.At, 0)
		return r
	}
	*now += time.Duration(rng.IntN(100)) * time.Millisecond
	r := Request{At: *now, Number: uint64(1 + rng.IntN(40))}
	r.Session = model.given - ID(rng.IntN(10))
	if c := model.sessions[r.Session]; c != nil {
		r.Nonce, r.Number = c.nonce, c.acked+uint64(rng.IntN(12))+1
	} else {
		r.Session = 1 << 30
	}
	switch rng.IntN(16) {
	case 0, 1:
		r = Request{Verb: Open, At: *now, Nonce: uint64(1 + rng.IntN(12)), Number: 1, Lease: time.Duration(1+rng.IntN(4)) * time.Second}
		r.Lease = time.Duration(r.Nonce%4+1) * time.Second
	case 2:
		r.Verb = Close
	case 3:
		r.Verb, r.Acked = Renew, r.Number-1
	case 4:
		r.Verb = Cancel
	case 5:
		r.Verb, r.How, r.Session = Call, Maybe, 0
	case 6:
		r.Verb, r.How, r.Acked = Call, AtMostOnce, r.Number-1
		r.Number += uint64(rng.IntN(3)) * Window / 2
	default:
		r.Verb, r.How = Call, Semantics(1+rng.IntN(4))
	}
	if r.Verb == Call {
		r.Body = fmt.Appendf(nil, "%d/%d", r.Session, r.Number)
		if rng.IntN(8) == 0 {
			r.Body = []byte{'t', byte(rng.IntN(256))}
		}
		if !r.How.Remembered() {
			r.Body = []byte("anything")
		}
	}
	*sent = append(*sent, r)
	return r
}

// storm executes a schedule of duplicates, reorderings and restores, and complains of what is wrong.
func storm(seed uint64, complain func(string)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	mirror := NewExecutor(newLedger()) // never restored
	s := newLedger()
	e := NewExecutor(s)
	model := &simple{sessions: map[ID]*simpleClient{}}
	var sent []Request
	now := time.Duration(0)
	for i := range 300 {
		if rng.IntN(20) == 0 {
			s, e = moved(e, s, complain)
		}
		if rng.IntN(30) == 0 {
			now += time.Duration(rng.IntN(3000)) * time.Millisecond
			e.Pass(now)
			mirror.Pass(now)
			model.status(Request{Verb: Call, How: Maybe, At: now, After: e.Index() - 1})
		}
		r := draw(rng, &now, &sent, model)
		r.After = e.Index() - min(e.Index(), uint64(rng.IntN(6)))
		b := r.Append(nil)
		got, want := e.Execute(b, []byte("kept"))[4:], mirror.Execute(b, nil)
		if !bytes.Equal(got, want) {
			complain(fmt.Sprintf("seed %d, command %d: restored %x, never restored %x", seed, i, got, want))
		}
		if e.Digest() != mirror.Digest() || e.Index() != mirror.Index() || e.Time() != mirror.Time() {
			complain(fmt.Sprintf("seed %d, command %d: the digests differ", seed, i))
		}
		reply, _ := ParseReply(got)
		status, kept := model.status(r)
		if kept != "" && kept != string(got) || status != 0 && reply.Status != status {
			complain(fmt.Sprintf("seed %d, command %d: %+v is answered %v, the model says %v", seed, i, r, reply.Status, status))
		}
		if r.How.Remembered() || r.Verb == Cancel {
			if c := model.sessions[r.Session]; c != nil && (status == OK || status == Cancelled) {
				c.replies[r.Number] = string(got)
			}
		}
		if r.Verb == Open && reply.Session != model.opened {
			complain(fmt.Sprintf("seed %d, command %d: session %d is given, the model gives %d", seed, i, reply.Session, model.opened))
		}
	}
	judge(s, e, mirror, model, complain)
}

// moved gives another executor the state.
func moved(e *Executor, s *ledger, complain func(string)) (*ledger, *Executor) {
	var w, again bytes.Buffer
	if err := e.Snapshot(&w); err != nil {
		complain(err.Error())
	}
	fresh := newLedger()
	fresh.log = s.log
	to := NewExecutor(fresh)
	snapshot := bytes.Clone(w.Bytes())
	if err := to.Restore(&w); err != nil {
		complain(err.Error())
		return s, e
	}
	if err := to.Snapshot(&again); err != nil || !bytes.Equal(snapshot, again.Bytes()) {
		complain(fmt.Sprintf("a snapshot of what was restored differs: %v", err))
	}
	return fresh, to
}

// judge looks at the end of a storm: each remembered call was executed once if the model says so, and not at all
// otherwise.
func judge(s *ledger, e, mirror *Executor, model *simple, complain func(string)) {
	for id := ID(1); id <= model.given; id++ {
		for number, reply := range model.sessions[id].replies {
			body := fmt.Sprintf("%d/%d", id, number)
			r, _ := ParseReply([]byte(reply))
			if n := s.counts[body]; n > 1 || r.Status == Cancelled && n != 0 {
				complain(fmt.Sprintf("%s was executed %d times, and answered %v", body, n, r.Status))
			}
		}
	}
	live := 0
	for _, c := range model.sessions {
		if !c.dead {
			live++
		}
	}
	if e.Table().Len() != live {
		complain(fmt.Sprintf("%d sessions, the model has %d", e.Table().Len(), live))
	}
	for i := e.first; i <= e.Index(); i++ {
		a, knownA := e.At(i)
		b, knownB := mirror.At(i)
		if !knownA || !knownB || a != b {
			complain(fmt.Sprintf("at index %d the digests are %x and %x", i, a, b))
		}
	}
	xor, bytes := uint64(0), 0
	for _, c := range e.table.order {
		xor ^= c.digest
		bytes += c.kept.bytes
	}
	if xor != e.table.xor || bytes != e.table.bytes || len(e.table.due) != len(e.table.order) {
		complain("the table's sums are not those of its sessions")
	}
}

func TestStorm(t *testing.T) {
	for seed := range uint64(500) {
		storm(seed, func(what string) { t.Fatal(what) })
	}
}

// TestDigests: the ring knows the last 4096 and no other.
func TestDigests(t *testing.T) {
	e := NewExecutor(newLedger())
	var all []uint64
	for range 5000 {
		all = append(all, e.Digest())
		e.Pass(e.Time() + 1)
	}
	all = append(all, e.Digest())
	for i, want := range all {
		got, ok := e.At(uint64(i))
		if known := len(all)-1-i < digestsMax; ok != known || ok && got != want {
			t.Fatalf("at %d: %x %v, want %x %v", i, got, ok, want, known)
		}
	}
	if _, ok := e.At(5001); ok {
		t.Error("a digest from the future")
	}
}

// TestDigestTellsApart: whatever differs in a command or its effect changes the digest.
func TestDigestTellsApart(t *testing.T) {
	seen := map[uint64]int{}
	for i, r := range []Request{
		{Verb: Pass},
		{Verb: Pass, At: 1},
		{Verb: Call, How: Maybe},
		{Verb: Call, How: AtLeastOnce},
		{Verb: Call, How: Maybe, Number: 1},
		{Verb: Call, How: Maybe, Body: []byte{0}},
		{Verb: Call, How: Maybe, Body: []byte{0, 0}},
		{Verb: Open, Nonce: 1, Lease: time.Second},
		{Verb: Open, Nonce: 1, Lease: time.Second, Label: []byte("a")},
	} {
		e := NewExecutor(newLedger())
		e.Execute(r.Append(nil), nil)
		if j, twice := seen[e.Digest()]; twice {
			t.Errorf("requests %d and %d have one digest", i, j)
		}
		seen[e.Digest()] = i
	}
}

// TestFull: the table and its replies have an end, and room again afterwards.
func TestFull(t *testing.T) {
	e := NewExecutor(newLedger())
	for n := range uint64(sessionsMax) {
		if r := do(e, Request{Verb: Open, Nonce: n + 1, Lease: time.Second}); r.Status != OK {
			t.Fatalf("session %d: %v", n, r.Status)
		}
	}
	if r := do(e, Request{Verb: Open, Nonce: 1 << 40, Lease: time.Second}); r.Status != Full {
		t.Errorf("one more: %v", r.Status)
	}
	do(e, Request{Verb: Close, Session: 5, Nonce: 5})
	if r := do(e, Request{Verb: Open, Nonce: 1 << 40, Lease: time.Hour}); r.Status != OK || r.Session != sessionsMax+1 {
		t.Errorf("after one ended: %v, %d", r.Status, r.Session)
	}
	e.Pass(time.Second)
	if e.Table().Len() != 1 {
		t.Errorf("%d sessions are left", e.Table().Len())
	}
}

// TestApplied: only what the service executed is said to be.
func TestApplied(t *testing.T) {
	e := NewExecutor(newLedger())
	for i, c := range []struct {
		r    Request
		want bool
	}{
		{Request{Verb: Open, Nonce: 1, Lease: time.Second}, false},
		{Request{Verb: Call, How: ExactlyOnce, Session: 1, Nonce: 1, Number: 1}, true},
		{Request{Verb: Call, How: ExactlyOnce, Session: 1, Nonce: 1, Number: 1}, false},
		{Request{Verb: Call, How: Maybe}, true},
		{Request{Verb: Renew, Session: 1, Nonce: 1}, false},
		{Request{Verb: Pass}, false},
	} {
		if e.Execute(c.r.Append(nil), nil); e.Applied() != c.want {
			t.Errorf("command %d: applied %v", i+1, e.Applied())
		}
	}
}
