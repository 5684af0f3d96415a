// Package desk is where a member of a service takes jobs: calls that run long, here, outside of
// the replicated state. It starts them, tells their clients how they end, and does about the jobs of
// clients that have died what protocol/call decides ([call.Orphans]).
//
// A job ends with the process that runs it. What it has returned is kept until its client has
// heard it, for a client whose connection breaks comes back; a client that has begun a new life
// does not, so then it is forgotten.
package desk

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/call"
	"github.com/holdfast-ha/holdfast/protocol/job"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Job is what is to be done.
type Job struct {
	Client string // the name that the client has in all its lives
	Life   uint64 // of the client
	Number uint64 // of its jobs in that life
	Epoch  uint64 // of the view in which it is begun
	Body   []byte
}

// Config is what a desk needs.
type Config struct {
	Orphans call.OrphanConfig
	Most    int // jobs at once; 0: 64
	// Run does a job, on a goroutine of its own. When ctx is done it is to return soon: the cause is a *Stop.
	Run func(ctx context.Context, j Job) ([]byte, error)
	// Serves says whether this member serves now, and the epoch of its view.
	Serves func() (epoch uint64, serves bool)
	// Send sends a message to a client. It must not block, and any goroutine calls it.
	Send func(client uint64, b []byte)
	// Life is of this process: no other has it.
	Life uint64
}

// Stop is why a job was told to end.
type Stop struct {
	Cancelled bool      // its client does not want it any more
	Closed    bool      // the service ends here
	Parted    bool      // this member has lost its place among the others, who go on without it
	Fate      call.Fate // otherwise
}

// Error gives the reason in words.
func (s *Stop) Error() string {
	return "the job was stopped: " + s.Why()
}

// Why gives it without saying of what.
func (s *Stop) Why() string {
	switch {
	case s.Cancelled:
		return "its client has cancelled it"
	case s.Closed:
		return "the service ends here"
	case s.Parted:
		return "this member is cut off, or has been expelled, and another may do the work"
	}
	return s.Fate.String()
}

// Desk takes jobs. Its methods may be called by any goroutine.
type Desk struct {
	cfg     Config
	running sync.WaitGroup

	mu      sync.Mutex
	orphans *call.Orphans
	out     call.OrphanOutput
	timer   *time.Timer
	peers   map[uint64]*peer // by connection
	jobs    map[name]*task
	ended   []ended // that clients have not heard of, the oldest first
	bytes   int     // of these
	counts  Counts
	parted  uint64 // how often this member has lost its place
	closed  bool
}

// peer is a connection whose client has said who it is.
type peer struct {
	call.Owner
	name string
}

// name is a job among those of all clients.
type name struct {
	client uint64
	job.Name
}

func (n name) running() call.Running {
	return call.Running{Owner: call.Owner{Client: n.client, Life: view.Incarnation(n.Life)}, Number: n.Number}
}

func nameOf(r call.Running) name {
	return name{r.Client, job.Name{Life: uint64(r.Life), Number: r.Number}}
}

// task is a job that runs.
type task struct {
	cancel context.CancelCauseFunc
	to     uint64 // the connection that is told
	why    *Stop
}

// ended is the end of a job.
type ended struct {
	name
	message []byte
}

// Counts are what has become of jobs so far.
type Counts struct {
	Running int
	Done    uint64
	Failed  uint64
	Refused uint64
	Stopped [FateCount]uint64 // by fate; at 0 those that were cancelled, or ended with the service; last those whose member lost its place
}

// FateCount is how many reasons there are to stop a job.
const FateCount = parted + 1

// parted counts jobs that have ended since their member lost its place.
const parted = int(call.Expired) + 1

// Reason is that of a place in Counts.Stopped.
func Reason(i int) *Stop {
	if i == parted {
		return &Stop{Parted: true}
	}
	return &Stop{Cancelled: i == 0, Fate: call.Fate(i)}
}

// index is the place in Counts.Stopped.
func (s *Stop) index() int {
	if s.Parted {
		return parted
	}
	return int(s.Fate)
}

// New makes a desk. The error says what is wrong with the configuration.
func New(cfg Config) (*Desk, error) {
	orphans, err := call.NewOrphans(cfg.Orphans)
	if err != nil {
		return nil, err
	}
	if cfg.Most < 0 || cfg.Run == nil {
		return nil, fmt.Errorf("desk: at most %d jobs, and a function that does them: %v; give both", cfg.Most, cfg.Run != nil)
	}
	if cfg.Most == 0 {
		cfg.Most = jobsDefault
	}
	d := &Desk{cfg: cfg, orphans: orphans, peers: map[uint64]*peer{}, jobs: map[name]*task{}}
	d.timer = time.AfterFunc(time.Hour, d.tick)
	return d, nil
}

// Answer is what is done about orphans.
func (d *Desk) Answer() call.Answer { return d.cfg.Orphans.Answer }

// Counts gives the counts.
func (d *Desk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts
	c.Running = len(d.jobs)
	return c
}

// Receive takes a message of a client; what is none is dropped. It may wait until the member knows whether it
// serves.
func (d *Desk) Receive(client uint64, b []byte) {
	m, why := job.Parse(b)
	if why != wire.OK {
		return
	}
	var epoch, parted uint64
	var serves bool
	if m.Verb == job.Start {
		d.mu.Lock()
		parted = d.parted
		d.mu.Unlock()
		epoch, serves = d.cfg.Serves() // not under the lock: the owner of the turn may want it
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.peers[client]
	switch {
	case d.closed:
		return
	case m.Verb == job.Hello:
		d.hello(client, &m)
	case p == nil: // whose should it be?
	case m.Verb == job.Start:
		d.start(client, p, &m, epoch, serves && parted == d.parted) // or nobody would stop it
	case m.Verb == job.Names:
		d.exterminate(client, p, &m)
	default:
		d.about(client, name{p.Client, m.Name}, m.Verb)
	}
	d.act()
}

// hello takes who the client is.
func (d *Desk) hello(client uint64, m *job.Message) {
	h := fnv.New64a()
	_, _ = h.Write(m.Body)
	p := &peer{call.Owner{Client: h.Sum64(), Life: view.Incarnation(m.Life)}, string(m.Body)}
	d.peers[client] = p
	d.orphans.Reborn(time.Now(), p.Owner, &d.out)
	if d.cfg.Orphans.Answer != call.Gentle { // with it another life may want them
		d.drop(func(e *ended) bool { return e.client == p.Client && e.Life < m.Life })
	}
	d.say(client, job.Message{Verb: job.Welcome, Why: uint8(d.cfg.Orphans.Answer), Name: job.Name{Life: d.cfg.Life}, Time: d.cfg.Orphans.Quantum})
}

// start begins a job, if it may.
func (d *Desk) start(client uint64, p *peer, m *job.Message, epoch uint64, serves bool) {
	n := name{p.Client, m.Name}
	if d.known(client, n) {
		return
	}
	r := n.running()
	if m.Time > 0 {
		r.Deadline = time.Now().Add(m.Time)
	}
	declined := uint8(0)
	switch {
	case m.Life != uint64(p.Life):
		return // nobody begins jobs for another
	case !serves:
		declined = job.Elsewhere
	case len(d.jobs) >= d.cfg.Most:
		declined = job.Full
	case !d.orphans.Started(time.Now(), r):
		declined = job.Orphaned
	}
	if declined != 0 {
		d.counts.Refused++
		d.say(client, job.Message{Verb: job.Declined, Why: declined, Name: m.Name})
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &task{cancel: cancel, to: client}
	d.jobs[n] = t
	j := Job{Client: p.name, Life: m.Life, Number: m.Number, Epoch: epoch, Body: append([]byte(nil), m.Body...)}
	d.running.Go(func() {
		body, err := d.cfg.Run(ctx, j)
		cancel(nil)
		d.finish(n, t, body, err)
	})
}

// known tells a connection what becomes of a job that has been begun, and reports whether it has.
func (d *Desk) known(client uint64, n name) bool {
	if t := d.jobs[n]; t != nil {
		t.to = client
		return true
	}
	for i := range d.ended {
		if e := &d.ended[i]; e.name == n {
			d.cfg.Send(client, e.message)
			return true
		}
	}
	return false
}

// about takes what a client says of one job.
func (d *Desk) about(client uint64, n name, v job.Verb) {
	switch v {
	case job.Attach:
		if !d.known(client, n) {
			d.say(client, job.Message{Verb: job.Lost, Name: n.Name})
		}
	case job.Cancel:
		if t := d.jobs[n]; t != nil {
			d.stop(t, &Stop{Cancelled: true})
		}
	case job.Heard:
		d.drop(func(e *ended) bool { return e.name == n })
	case job.Found:
		d.orphans.Found(time.Now(), n.running())
	case job.Missing:
		if d.peers[client].Life == view.Incarnation(n.Life) { // who began it must know; others have not been told, perhaps
			d.orphans.Missing(n.running(), &d.out)
		}
	}
}

// exterminate ends jobs of a client's former lives.
func (d *Desk) exterminate(client uint64, p *peer, m *job.Message) {
	var all []call.Running
	for _, n := range m.Named() {
		if n.Life < uint64(p.Life) {
			all = append(all, name{p.Client, n}.running())
		}
	}
	d.orphans.Exterminate(all, &d.out)
	d.say(client, job.Message{Verb: job.Ended})
}

// stop tells a job to end, once.
func (d *Desk) stop(t *task, why *Stop) {
	if t.why == nil {
		t.why = why
		t.cancel(why)
	}
}

// finish notes that a job has ended, and tells its client.
func (d *Desk) finish(n name, t *task, body []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := job.Message{Verb: job.Done, Name: n.Name, Body: body}
	switch {
	case err != nil && t.why != nil:
		m.Verb, m.Why, m.Body = job.Stopped, uint8(t.why.Fate), nil
		if t.why.Cancelled {
			m.Why = job.Cancelled
		} else if t.why.Closed {
			m.Why = job.Closing
		} else if t.why.Parted {
			m.Why = job.Parted
		}
		d.counts.Stopped[t.why.index()]++
	case err == nil && len(body) > session.BodyMax:
		err = fmt.Errorf("it has returned %d bytes, and %d are possible", len(body), session.BodyMax)
		fallthrough
	case err != nil:
		m.Verb, m.Body = job.Failed, []byte(short(err))
		d.counts.Failed++
	default:
		d.counts.Done++
	}
	delete(d.jobs, n)
	d.orphans.Finished(n.running())
	b := m.Append(nil)
	d.cfg.Send(t.to, b)
	d.keep(ended{n, b})
	d.act()
}

// short is an error's text, of a length that is no burden.
func short(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), textMax)], "")
}

// keep keeps the end of a job for a client that has not heard it.
func (d *Desk) keep(e ended) {
	d.ended, d.bytes = append(d.ended, e), d.bytes+len(e.message)
	for len(d.ended) > endedMax || d.bytes > bytesMax {
		d.bytes -= len(d.ended[0].message)
		d.ended = d.ended[1:]
	}
}

// drop forgets ends.
func (d *Desk) drop(which func(*ended) bool) {
	kept := d.ended[:0]
	for i := range d.ended {
		if e := d.ended[i]; which(&e) {
			d.bytes -= len(e.message)
		} else {
			kept = append(kept, e)
		}
	}
	clear(d.ended[len(kept):])
	d.ended = kept
}

// Gone tells that a connection has ended. Its jobs go on: the client may come back, and if it
// does not, that is what the answers to orphans are for.
func (d *Desk) Gone(client uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.peers[client]
	delete(d.peers, client)
	if p == nil {
		return
	}
	for _, other := range d.peers { //tidy:unordered whether there is any
		if other.Client == p.Client {
			return
		}
	}
	for n := range d.jobs { //tidy:unordered whether there is any
		if n.client == p.Client {
			return
		}
	}
	d.orphans.Forget(p.Client) // nothing of its is on the way
}

// tick does what is due.
func (d *Desk) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.orphans.Tick(time.Now(), &d.out)
		d.act()
	}
}

// act does what the decision about orphans asks for.
func (d *Desk) act() {
	for _, s := range d.out.Stop {
		if t := d.jobs[nameOf(s.Running)]; t != nil {
			d.stop(t, &Stop{Fate: s.Why})
		}
	}
	for _, r := range d.out.Ask {
		d.ask(r)
	}
	d.out.Reset()
	if next := d.orphans.Deadline(); !next.IsZero() && !d.closed {
		d.timer.Reset(max(0, time.Until(next)))
	}
}

// ask asks a job's owner whether it wants it; where the owner is not, and owners are looked for, its
// latest life.
func (d *Desk) ask(r call.Running) {
	asked, latest := false, view.Incarnation(0)
	for c, p := range d.peers { //tidy:unordered each is asked
		if p.Client != r.Client {
			continue
		}
		latest = max(latest, p.Life)
		if p.Life == r.Life {
			asked = true
			d.say(c, job.Message{Verb: job.Ask, Name: nameOf(r).Name})
		}
	}
	if asked || d.cfg.Orphans.Answer != call.Gentle {
		return
	}
	for c, p := range d.peers { //tidy:unordered each is asked
		if p.Client == r.Client && p.Life == latest {
			d.say(c, job.Message{Verb: job.Ask, Name: nameOf(r).Name})
		}
	}
}

func (d *Desk) say(client uint64, m job.Message) { d.cfg.Send(client, m.Append(nil)) }

// Part tells that this member has lost its place: it must not do anything in the name of the others any more. What
// runs is told to end, and what is asked for from now on depends on what Serves says then. It does not block.
func (d *Desk) Part() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parted++
	for _, t := range d.jobs { //tidy:unordered all are stopped
		d.stop(t, &Stop{Parted: true})
	}
}

// errClosed is what a desk that is closed closes once more with.
var errClosed = errors.New("desk: it is closed")

// Close stops all jobs, and waits for them for as long as most. The error says how many go on.
func (d *Desk) Close(most time.Duration) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return errClosed
	}
	d.closed = true
	d.timer.Stop()
	for _, t := range d.jobs { //tidy:unordered all are stopped
		d.stop(t, &Stop{Closed: true})
	}
	d.mu.Unlock()
	over := make(chan struct{})
	go func() {
		d.running.Wait()
		close(over)
	}()
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case <-over:
		return nil
	case <-late.C:
		return fmt.Errorf("desk: %d jobs have not ended within %v of being told to", d.Counts().Running, most)
	}
}

// Refuse answers a client of a service that takes no jobs.
func Refuse(b []byte, send func(b []byte)) {
	m, why := job.Parse(b)
	if why != wire.OK {
		return
	}
	switch m.Verb {
	case job.Hello:
		m = job.Message{Verb: job.Welcome}
	case job.Start:
		m = job.Message{Verb: job.Declined, Why: job.Unsupported, Name: m.Name}
	case job.Attach:
		m = job.Message{Verb: job.Lost, Name: m.Name}
	case job.Names:
		m = job.Message{Verb: job.Ended}
	default:
		return
	}
	send(m.Append(nil))
}
