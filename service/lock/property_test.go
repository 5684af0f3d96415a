package lock

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// propertySeeds is how many random runs a test makes; the planted bugs must be found within them.
const propertySeeds = 3000

// run is a random run: a service, a twin that is now and then restored from its snapshot, and the model.
type run struct {
	rng           *rand.Rand
	crowd         bool // one lock and many sessions, most of them to share it
	at            time.Duration
	service, twin *Service
	model         *model
	tokens        map[spot]uint64 // what clients were told
	gone          map[session.ID]bool
	granted       uint64   // greatest token told
	fresh         []uint64 // tokens told in this step
	log           []logged
}

func newRun(seed uint64) *run {
	rng := rand.New(rand.NewPCG(seed, 15))
	cfg, epoch := Config{Order: Order(1 + rng.IntN(2))}, view.Epoch(0)
	if rng.IntN(3) == 0 {
		epoch, cfg.Window = 1<<50, time.Duration(1+rng.IntN(60))*time.Second
	}
	a, err := New(cfg)
	if err != nil {
		panic(err)
	}
	b, _ := New(cfg)
	a.Founded(epoch)
	b.Founded(epoch)
	m := &model{order: cfg.Order, floor: Floor(epoch), number: Floor(epoch), until: cfg.Window, window: cfg.Window}
	return &run{rng: rng, crowd: seed%4 == 3, service: a, twin: b, model: m, tokens: map[spot]uint64{}, gone: map[session.ID]bool{}, granted: Floor(epoch)}
}

// request draws what a client asks, most of it sensible.
func (r *run) request(id session.ID) *Request {
	rng := r.rng
	q := &Request{Kind: Enter, Name: string('a' + rune(rng.IntN(3))), Mode: Mode(rng.IntN(2)), Label: fmt.Sprint("host:", id)}
	kind := rng.IntN(20)
	if r.crowd {
		q.Name, q.Mode = "a", Shared
		if kind = rng.IntN(24) - 4; rng.IntN(10) == 0 {
			q.Mode = Exclusive
		}
	}
	if rng.IntN(8) == 0 {
		q.Order = Order(rng.IntN(3))
	}
	switch n := kind; {
	case n < 9:
		q.Try = rng.IntN(6) == 0
		q.Purpose = strings.Repeat("x", rng.IntN(4))
	case n < 15:
		q.Kind, q.Number = Leave, r.tokens[key(id, q.Name)]
		if rng.IntN(10) == 0 {
			q.Number -= uint64(rng.IntN(3))
		}
	case n < 16:
		q.Kind = Ask
	case n < 17:
		q.Kind = Cancel
	case n < 18 && rng.IntN(2) == 0:
		q.Kind, q.Purpose = Break, "because"
		if rng.IntN(2) == 0 {
			q.Number = r.tokens[key(id, q.Name)]
		}
	default:
		q.Kind, q.Waited = Reassert, rng.IntN(2) == 0
		q.Number = 1 + rng.Uint64N(12)
		if rng.IntN(20) == 0 {
			q.Number += r.model.floor
		}
	}
	return q
}

// spot is a session's place in a lock.
type spot struct {
	id   session.ID
	name string
}

func key(id session.ID, name string) spot { return spot{id, name} }

// logged is a step, for who has to read why.
type logged struct {
	at   time.Duration
	id   session.ID
	what string
	q    *Request
}

func (l logged) String() string {
	if l.q == nil {
		return fmt.Sprintf("%v %s %d", l.at, l.what, l.id)
	}
	return fmt.Sprintf("%v session %d: %v", l.at, l.id, l.q)
}

// step makes one step and says what is wrong; "" if nothing is.
func (r *run) step() string {
	rng := r.rng
	r.at += time.Duration(rng.IntN(3000)) * time.Millisecond
	id := session.ID(1 + rng.IntN(6))
	if r.crowd {
		id = session.ID(1 + rng.IntN(60))
	}
	for r.gone[id] {
		id += 100 // who comes back is another
	}
	switch n := rng.IntN(30); {
	case n == 0:
		r.log = append(r.log, logged{r.at, id, "ended", nil})
		r.gone[id] = true
		r.service.Ended(r.at, id)
		r.twin.Ended(r.at, id)
		r.model.ended(r.at, id)
	case n == 1:
		r.log = append(r.log, logged{r.at, 0, "restore", nil})
		if why := r.restore(); why != "" {
			return why
		}
	default:
		q := r.request(id)
		r.log = append(r.log, logged{r.at, id, "", q})
		if why := r.apply(id, q); why != "" {
			return why
		}
	}
	if why := r.heard(); why != "" {
		return why
	}
	if a, b, m := r.service.Digest(), r.twin.Digest(), r.model.digest(); a != b || a != m {
		return fmt.Sprintf("digests: service %016x, twin %016x, model %016x", a, b, m)
	}
	return r.invariants()
}

// apply gives all three a request and compares the replies.
func (r *run) apply(id session.ID, q *Request) string {
	c := session.Command{At: r.at, Session: id, Body: q.Append(nil)}
	a, b := r.service.Apply(c, nil), r.twin.Apply(c, nil)
	if !bytes.Equal(a, b) {
		return fmt.Sprintf("the service replies %x and its twin %x", a, b)
	}
	p, err := ParseReply(a)
	if err != nil {
		return fmt.Sprintf("reply %x: %v", a, err)
	}
	status, number, place := r.model.apply(r.at, id, q)
	if p.Status != status || p.Number != number || p.Place != place || p.Now != r.at {
		return fmt.Sprintf("replied %v number %d place %d, the model %v number %d place %d", p.Status, p.Number, p.Place, status, number, place)
	}
	if p.Status == Granted && q.Kind == Enter && p.Number != r.tokens[key(id, q.Name)] {
		r.fresh = append(r.fresh, p.Number)
	}
	if p.Status == Granted {
		r.tokens[key(id, q.Name)] = p.Number
	}
	return ""
}

// restore puts the twin in the place of the service, and a copy of it in the place of the twin.
func (r *run) restore() string {
	var a, b bytes.Buffer
	if err := r.service.Snapshot(&a); err != nil {
		return err.Error()
	}
	_ = r.twin.Snapshot(&b)
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		return "equal states have unequal snapshots"
	}
	fresh, _ := New(Config{Order: r.service.order, Window: r.service.window})
	if err := fresh.Restore(&b); err != nil {
		return err.Error()
	}
	r.twin.Notices(func(Notice) {})
	r.service, r.twin = r.twin, fresh
	r.model.notices = nil
	return ""
}

// heard compares the notices.
func (r *run) heard() string {
	var got []Notice
	why := ""
	r.service.Notices(func(n Notice) {
		got = append(got, Notice{n.Session, n.What, n.Number, bytes.Clone(n.Name)})
		if n.What != Granted {
			return
		}
		r.tokens[key(n.Session, string(n.Name))] = n.Number
		r.fresh = append(r.fresh, n.Number)
	})
	slices.Sort(r.fresh)
	for _, token := range slices.Compact(r.fresh) { // who asked again is told by reply and notice
		if token <= r.granted {
			why = fmt.Sprintf("token %d after %d", token, r.granted)
		}
		r.granted = token
	}
	r.fresh = r.fresh[:0]
	r.twin.Notices(func(Notice) {})
	want := r.model.notices
	r.model.notices = nil
	if why == "" && !slices.EqualFunc(got, want, func(a, b Notice) bool {
		return a.Session == b.Session && a.What == b.What && a.Number == b.Number && bytes.Equal(a.Name, b.Name)
	}) {
		why = fmt.Sprintf("notices %v, the model's %v", got, want)
	}
	return why
}

// invariants are the promises, without the model.
func (r *run) invariants() string {
	s := r.service
	entries := 0
	for _, l := range s.all {
		exclusive := 0
		for e := l.owners.head; e != nil; e = e.next {
			if entries++; e.mode == Exclusive {
				exclusive++
			}
			if r.gone[e.client.id] {
				return fmt.Sprintf("lock %s is held by session %d, which has ended", l.name, e.client.id)
			}
		}
		if exclusive > 1 || exclusive == 1 && l.owners.n > 1 {
			return fmt.Sprintf("lock %s has %d owners, %d of them exclusive", l.name, l.owners.n, exclusive)
		}
		turn := uint64(0)
		for e := l.waiters.head; e != nil; e = e.next {
			entries++
			if r.gone[e.client.id] {
				return fmt.Sprintf("session %d waits for lock %s and has ended", e.client.id, l.name)
			}
			if e.number <= turn {
				return fmt.Sprintf("in the queue of lock %s turn %d comes after %d", l.name, e.number, turn)
			}
			turn = e.number
		}
		if s.until == 0 && l.waiters.n > 0 && l.compatible(l.waiters.head.mode) {
			return fmt.Sprintf("session %d waits for lock %s, which it could have", l.waiters.head.client.id, l.name)
		}
	}
	if entries != s.entries {
		return fmt.Sprintf("%d entries counted as %d", entries, s.entries)
	}
	return ""
}

// check makes the run of a seed and says what is wrong.
func check(seed uint64) (verdict string) {
	r := newRun(seed)
	defer func() {
		if p := recover(); p != nil {
			verdict = fmt.Sprint(p)
		}
		if verdict != "" {
			verdict = fmt.Sprintf("seed %d, %s after\n%v", seed, verdict, r.log)
		}
	}()
	for range 120 {
		if why := r.step(); why != "" {
			return why
		}
	}
	return r.drain()
}

// drain lets everybody leave; everybody who waits must be granted in the end.
func (r *run) drain() string {
	r.at += time.Hour
	r.service.Passed(r.at)
	for range 1000 {
		if r.service.entries == 0 {
			if r.service.Digest() == r.deserted().digest() {
				return ""
			}
			return "an empty service has not the digest of one"
		}
		l := r.service.all[slices.IndexFunc(r.service.all, func(l *lock) bool { return !l.unused() })]
		e := l.owners.head
		if e == nil {
			return fmt.Sprintf("lock %s has waiters and no owner", l.name)
		}
		q := &Request{Kind: Leave, Name: string(l.name), Number: e.number}
		r.service.Apply(session.Command{At: r.at, Session: e.client.id, Body: q.Append(nil)}, nil)
	}
	return "locks do not come free"
}

// deserted is a model of a service that nobody uses: who broke what is all that there is to know.
func (r *run) deserted() *model {
	m := &model{order: r.model.order, window: r.model.window, floor: r.model.floor, number: r.service.number}
	for _, l := range r.service.broken {
		b := Breaking{l.broken.number, l.broken.at, string(l.broken.by), string(l.broken.reason)}
		m.locks = append(m.locks, &modelLock{name: string(l.name), order: l.order, broken: b})
	}
	return m
}

func TestRandomRuns(t *testing.T) {
	for seed := range uint64(propertySeeds) {
		if verdict := check(seed); verdict != "" {
			t.Fatal(verdict)
		}
	}
}

// assertion is what a client remembers of a service that lost its state.
type assertion struct {
	id     session.ID
	mode   Mode
	number uint64
	waited bool
}

// recovered gives the assertions in the order perm, closes the window, and says who owns the lock and who waits.
func recovered(list []assertion, perm []int) (owners, waiters []uint64) {
	s, _ := New(Config{Floor: 1 << 40, Window: time.Minute})
	for _, i := range perm {
		a := list[i]
		q := Request{Kind: Reassert, Name: "x", Mode: a.mode, Number: a.number, Waited: a.waited}
		s.Apply(session.Command{Session: a.id, Body: q.Append(nil)}, nil)
	}
	l, _ := s.lookup([]byte("x"))
	if l == nil {
		return nil, nil
	}
	for e := l.owners.head; e != nil; e = e.next {
		owners = append(owners, e.number)
	}
	for e := l.waiters.head; e != nil; e = e.next {
		waiters = append(waiters, e.number)
	}
	return owners, waiters
}

// checkRecovery: whatever is asserted, in whatever order, the greatest token wins, shared
// ones stand if no exclusive one is greater, and the queue is in the order of turns.
func checkRecovery(seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 16))
	var list []assertion
	for i, number := range rng.Perm(12)[:1+rng.IntN(8)] {
		list = append(list, assertion{session.ID(i + 1), Mode(rng.IntN(2)), uint64(number + 1), rng.IntN(3) == 0})
	}
	var want, turns []uint64
	var exclusive, greatest uint64
	for _, a := range list {
		if a.waited {
			turns = append(turns, a.number)
			continue
		}
		greatest = max(greatest, a.number)
		if a.mode == Exclusive {
			exclusive = max(exclusive, a.number)
		}
	}
	for _, a := range list {
		if !a.waited && (a.mode == Shared && a.number > exclusive || a.number == exclusive && exclusive == greatest) {
			want = append(want, a.number)
		}
	}
	slices.Sort(want)
	slices.Sort(turns)
	for range 5 {
		perm := rng.Perm(len(list))
		owners, waiters := recovered(list, perm)
		if !slices.Equal(owners, want) || !slices.Equal(waiters, turns) {
			return fmt.Sprintf("seed %d: %v in order %v: owners %v waiters %v, want %v and %v", seed, list, perm, owners, waiters, want, turns)
		}
	}
	return ""
}

func TestAssertionsInAnyOrderEndAlike(t *testing.T) {
	for seed := range uint64(propertySeeds) {
		if verdict := checkRecovery(seed); verdict != "" {
			t.Fatal(verdict)
		}
	}
}
