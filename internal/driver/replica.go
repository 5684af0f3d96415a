package driver

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// ReplicaConfig is a service that this process keeps a replica of.
type ReplicaConfig struct {
	Group   cohort.GroupConfig
	Service session.Service

	Terms    replicated.Terms // how it is replicated
	Comparer voted.Comparer   // of replies; nil: none

	// Two is how it is replicated by two servers, in place of Terms; nil: by a group.
	Two *Two

	// Disk is where its log is; nil: memory only.
	Disk *Disk

	// Answer gives a client what it is answered, an encoded session.Reply, and Notice what the
	// service tells it unasked, both valid during the call. They are called by the owner of
	// the turn and must not block; Flush tells that nothing more comes for now.
	Answer func(client uint64, reply []byte)
	Notice func(client uint64, body []byte)
	Flush  func()

	// Process names the process behind a connection, of which no more than session.ProcessMax sessions are opened here;
	// nil: each connection is one of its own. Any goroutine calls it.
	Process func(client uint64) uint64

	// Jobs tells of the calls that run long beside the replica; nil, or nil of it: there are none.
	Jobs func() *census.Jobs

	// Parted tells that this member has lost its place: it is out of its view, or the group does not go on, or the other of
	// two servers may serve. What it runs beside the state must end, for others may go on without its knowledge. As
	// Answer; nil for nothing.
	Parted func()

	// Happened tells what the replica says of itself; nil for nothing. As Answer.
	Happened func(replica.Command)
}

// part is this process's part in a service, whatever the style: what the driver needs of
// protocol/stack/replicated and of protocol/stack/duo.
type part interface {
	Submit(now time.Time, from replica.Client, request []byte)
	Tick(now time.Time)
	Deadline() time.Time
	Heed(now time.Time, d *cohort.Delivery)
	Act(now time.Time, out *cohort.Output) (called bool)
	Output() *replica.Output
	Group() *cohort.Group // nil: it is in none
	Stable() uint64
	Present() bool // the state is here, and it serves or could
	Written()
	Failed() error
	Leave(now time.Time, out *cohort.Output) (left bool)
}

var (
	_ part = (*replicated.Replica)(nil)
	_ part = (*duo.Member)(nil)
	_ part = (*duo.Arbiter)(nil)
)

// Replica is this process's replica of a service.
type Replica struct {
	c   *Cohort
	cfg ReplicaConfig

	replica part                // nil before it is joined; the owner's
	grouped *replicated.Replica // the same, if it is of a group; nil: it is one of two servers
	group   *Group              // what status tells of its group; nobody else has it
	exec    *session.Executor   // the replica's
	lasting *lasting            // nil: memory only
	keeping *keeping            // of two servers: what saves epochs; nil: nothing does
	storing *storing            // and the store that they reach; nil: there is none
	notices []notice            // that wait for the disks
	gone    chan struct{}

	tenure  tenure  // the owner's, and the next
	openers openers // who has opened sessions here
	refusal []byte  // what is written to one too many
	refused string  // the terms of the other of two servers, as they were logged last

	underWay int         // requests that were handed to the replica and are not answered; the owner's
	sent     time.Time   // when the last were
	waiting  atomic.Bool // there is something in filling

	mu      sync.Mutex
	routes  map[claim]uint64   // over which connection a session has last spoken
	spoken  map[uint64][]claim // the other way round, and sessions that have moved on
	filling *inbox
	taking  *inbox // the owner's
	err     error
}

// inbox is some requests in one piece of memory.
type inbox struct {
	requests []submission
	bytes    []byte
}

type submission struct {
	client   uint64
	from, to int
	opening  opening
}

// inboxMax is how many bytes of requests wait for the owner of the turn. A client whose
// request finds no room is not answered, and asks again.
const inboxMax = 16 << 20

// notice is what the service tells a client unasked.
type notice struct {
	index  uint64 // of the last command when it was told
	client uint64
	body   []byte
}

// claim is what a connection says to speak for: only who has opened a session knows its nonce, so nobody is told,
// or keeps another from being told, what is for somebody else.
type claim struct {
	session session.ID
	nonce   uint64
}

// Serve begins to keep a replica of a service. It returns when what is on the disk, if any, is read.
func (c *Cohort) Serve(cfg ReplicaConfig) (*Replica, error) {
	r := &Replica{
		c: c, cfg: cfg, exec: session.NewExecutor(cfg.Service), routes: map[claim]uint64{}, spoken: map[uint64][]claim{},
		filling: &inbox{}, taking: &inbox{}, gone: make(chan struct{}),
	}
	r.group = &Group{c: c, cfg: GroupConfig{Group: cfg.Group}, submits: newSubmits()}
	if cfg.Disk != nil {
		if err := r.recoverFrom(cfg.Disk); err != nil {
			return nil, err
		}
	}
	if cfg.Two != nil {
		if err := r.keep(); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	err := c.failed
	if err == nil && c.isClosed() {
		err = ErrClosed
	}
	if err == nil {
		c.serves = append(c.serves, r)
	}
	c.mu.Unlock()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	c.notify(dueWork)
	return r, nil
}

// Submit takes a client's request, an encoded session.Request, and copies it. It reports
// false if there is no room.
func (r *Replica) Submit(client uint64, request []byte) bool {
	q, why := session.ParseRequest(request)
	var of opening
	if why == wire.OK {
		of = r.openingOf(client, &q)
	}
	r.mu.Lock()
	in := r.filling
	if len(in.bytes)+len(request) > inboxMax {
		r.mu.Unlock()
		return false
	}
	if why == wire.OK && q.Session != 0 {
		if c := (claim{q.Session, q.Nonce}); r.routes[c] != client {
			r.route(c, client)
		}
	}
	from := len(in.bytes)
	in.bytes = append(in.bytes, request...)
	in.requests = append(in.requests, submission{client, from, len(in.bytes), of})
	r.waiting.Store(true)
	r.mu.Unlock()
	r.c.notify(dueWork)
	return true
}

// sessionsMax is over how many sessions a connection is told notices: more than a program
// has, and few enough that nobody can fill the memory with sessions that are none.
const sessionsMax = 64

// route notes that a session speaks over a connection. The caller has the lock.
func (r *Replica) route(c claim, client uint64) {
	spoken := append(r.spoken[client], c)
	if len(spoken) > sessionsMax {
		if r.routes[spoken[0]] == client {
			delete(r.routes, spoken[0])
		}
		spoken = append(spoken[:0], spoken[1:]...)
	}
	r.spoken[client] = spoken
	r.routes[c] = client
}

// Gone is closed when the replica has ended; then Err says why.
func (r *Replica) Gone() <-chan struct{} { return r.gone }

// Err says why the replica has ended; nil while it has not.
func (r *Replica) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Serves says whether this member has the state and serves, or could; ok is false if the node is closed.
func (r *Replica) Serves() (serves, ok bool) {
	ok = r.c.Do(func() {
		serves = r.replica != nil && r.replica.Present()
		if m, is := r.replica.(*duo.Member); is && !serves {
			serves = m.Waits()
		}
	})
	return serves, ok
}

// join makes the replica. The owner calls it.
func (r *Replica) join() {
	c := r.c
	if r.cfg.Two != nil {
		r.pairUp()
		return
	}
	var store *replicated.Store
	if r.lasting != nil {
		store = r.lasting.store
		if err := r.watchDisk(); err != nil {
			r.end(err)
			return
		}
	}
	at, err := replicated.Join(c.time, c.node, replicated.Config{
		Self: c.cfg.Node.Self, Group: r.cfg.Group, Executor: r.exec, Style: r.cfg.Terms.Style, Voters: r.cfg.Terms.Voters, Comparer: r.cfg.Comparer,
		Store: store, Recorder: trace.RecorderFunc(c.journal.record),
	}, c.out)
	if err != nil {
		r.end(err)
		return
	}
	r.replica, r.grouped, r.group.place = at, at, at.Group()
	c.replicas = append(c.replicas, r)
}

// drain gives the replica what clients have asked, and lets it do what is due. The owner
// calls it.
func (r *Replica) drain() {
	r.feed()
	r.replica.Tick(r.c.time)
	r.act()
}

// feed gives the replica what clients have asked, and reports whether there was something. While
// requests are under way the next wait for the answers, and then go together: they could
// not be executed before those, and every sending wakes all members twice.
func (r *Replica) feed() bool {
	now := r.c.time
	if !r.waiting.Load() {
		return false
	}
	if r.underWay > 0 && now.Sub(r.sent) < holdMax {
		return false
	}
	r.mu.Lock()
	r.filling, r.taking = r.taking, r.filling
	r.waiting.Store(false)
	r.mu.Unlock()
	in := r.taking
	refused := 0
	for i := range in.requests {
		s := &in.requests[i]
		if request := in.bytes[s.from:s.to]; r.admits(now, s, request) {
			r.replica.Submit(now, replica.Client(s.client), request)
		} else {
			refused++
		}
	}
	if refused > 0 {
		r.cfg.Flush()
	}
	r.underWay, r.sent = len(in.requests)-refused, now
	in.requests, in.bytes = in.requests[:0], in.bytes[:0]
	return true
}

// deadline is when the replica has something to do, zero: never.
func (r *Replica) deadline() time.Time {
	d := r.replica.Deadline()
	if r.underWay > 0 && r.waiting.Load() {
		if held := r.sent.Add(holdMax); d.IsZero() || held.Before(d) {
			d = held
		}
	}
	return d
}

// heed takes a delivery. The owner calls it.
func (r *Replica) heed(d *cohort.Delivery) {
	r.group.remember(d)
	if d.Kind == cohort.Refused || d.Kind == cohort.Viewed {
		before := r.group.notes.refused
		r.group.note(d)
		if why := r.group.notes.refused; why != before && why != "" && r.c.cfg.Log != nil {
			r.c.cfg.Log.Warn("refused", "service", r.cfg.Group.Name, "reason", why)
		}
	}
	r.reign(d)
	r.replica.Heed(r.c.time, d)
	if d.Kind == cohort.Departed {
		r.c.withdraw(r)
		r.end(ErrDeparted)
	}
}

// act does what followed, and tells clients. It reports whether there was anything.
func (r *Replica) act() (acted bool) {
	for {
		out := r.replica.Output()
		acted = r.replica.Act(r.c.time, r.c.out) || acted
		r.save()
		if r.broken() {
			return r.grouped != nil && r.grouped.Void() != nil // the others are to be told
		}
		for i := range out.Replies {
			r.cfg.Answer(uint64(out.Replies[i].To), out.Replies[i].Data)
		}
		r.underWay = max(0, r.underWay-len(out.Replies)-out.Repeats)
		if told := r.notify(); told || len(out.Replies) > 0 {
			r.cfg.Flush()
		}
		r.resign(out.Do)
		r.tellDiffers()
		for _, c := range out.Do {
			if r.cfg.Happened != nil {
				r.cfg.Happened(c)
			}
		}
		out.Reset()
		if !r.feed() {
			return acted
		}
	}
}

// notify passes on what the service tells those of its clients that speak with this member.
func (r *Replica) notify() (told bool) {
	n, is := r.cfg.Service.(session.Notifier)
	if !is {
		return false
	}
	if !r.replica.Present() {
		r.notices = nil // clients ask again where the service goes on
		n.Notify(func(session.ID, []byte) {})
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	index, stable := r.exec.Index(), r.replica.Stable()
	n.Notify(func(to session.ID, body []byte) {
		nonce, _ := r.exec.Table().Nonce(to)
		client, here := r.routes[claim{to, nonce}]
		switch {
		case here && index <= stable:
			r.cfg.Notice(client, body)
			told = true
		case here: // as an answer, it must not be of what may be undone
			r.notices = append(r.notices, notice{index, client, bytes.Clone(body)})
		}
	})
	for len(r.notices) > 0 && r.notices[0].index <= stable {
		r.cfg.Notice(r.notices[0].client, r.notices[0].body)
		r.notices, told = r.notices[1:], true
	}
	return told
}

// Forget tells that a client's connection is gone.
func (r *Replica) Forget(client uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.spoken[client] {
		if r.routes[c] == client {
			delete(r.routes, c)
		}
	}
	delete(r.spoken, client)
}

// Why says in words what this member waits for and from whom, beginning with a colon; "" if nothing
// is known.
func (r *Replica) Why() string { return r.group.why() }

// Leave takes this member out of the service.
func (r *Replica) Leave() {
	r.c.Do(func() {
		if r.replica != nil && r.replica.Leave(r.c.time, r.c.out) {
			r.c.withdraw(r)
			r.end(ErrDeparted)
		}
	})
}

func (r *Replica) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		close(r.gone)
	}
}
