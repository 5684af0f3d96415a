package services

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/internal/sim/simnet"
	"github.com/holdfast-ha/holdfast/internal/sim/world"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// member is one replica of the service.
type member struct {
	world.Host
	w *services

	cohort  *cohort.Node
	out     cohort.Output
	replica *replicated.Replica
	state   subject
	exec    *session.Executor
	view    *view.View // nil: in none, or without the state
	damaged bool       // a bit of the state has flipped
	has     bool       // the state is in memory, in a view or out of it
	given   bool       // it is another's, and no view was told since
	voters  int        // of the view, if replies are voted on
	seen    uint64     // index of the last command that was looked at
	done    []event    // commands that the court is not told yet: they are not safe
	routes  map[session.ID]replica.Client
	notices []notice // that are not to be told yet
	disk    *simdisk.Disk
	log     *simdisk.Log           // nil: memory only
	era     view.Epoch             // of the state
	store   *replicated.Store      // nil: memory only
	proven  map[view.Member]uint64 // what the court has been told to be proven
	since   time.Duration          // when there was one for the first time; 0: there never was
	frames  wire.Outbox
}

// boot begins a life that knows nothing.
func (m *member) boot() {
	w := m.w
	m.Self.Incarnation = max(m.Self.Incarnation, view.Incarnation(w.Now.Microseconds()))
	if w.locks != nil {
		m.Self.Incarnation = max(m.Self.Incarnation, view.Incarnation(w.Now)) // as the daemon has it: tokens begin with it
	}
	w.Boot(&m.Host, w.opt.drift, true)
	w.Did("boots", m.Self, view.Member{})
	w.locks.linked(linkLate)
	m.out, m.view, m.damaged = cohort.Output{}, nil, false
	m.routes, m.notices = map[session.ID]replica.Client{}, nil
	cfg := cohort.NodeConfig{
		Self: m.Self, Fingerprint: fingerprint, Links: 1, Heartbeat: heartbeat,
		SuspectAfter: w.opt.suspectAfter, Recorder: trace.RecorderFunc(w.record),
	}
	for i := range w.members {
		cfg.Candidates = append(cfg.Candidates, cohort.Candidate{ID: view.ID(i + 1), Name: fmt.Sprint("node", i+1), Votes: 1})
	}
	var err error
	if m.cohort, err = cohort.New(cfg, rand.New(rand.NewPCG(w.Rng.Uint64(), 0))); err != nil {
		panic(fmt.Sprintf("services: a drawn configuration is refused: %v", err))
	}
	m.cohort.Start(w.Read(&m.Host), &m.out)
	m.fresh()
	m.store = nil
	if m.era = 0; w.opt.disk.on {
		m.store = m.recoverDisk()
		m.era = m.store.Era()
		m.renewed()
	}
	m.replica, err = replicated.Join(w.Read(&m.Host), m.cohort, replicated.Config{
		Self: m.Self, Group: cohort.GroupConfig{Name: "service"}, Executor: m.exec, Style: w.opt.style, Store: m.store, Recorder: trace.RecorderFunc(w.record),
	}, &m.out)
	if err != nil {
		panic(fmt.Sprintf("services: a drawn replica is refused: %v", err))
	}
	m.after()
}

// fresh makes a service that has executed nothing.
func (m *member) fresh() {
	m.exec, m.seen, m.done, m.voters, m.has, m.given = nil, 0, m.done[:0], 0, false, false
	m.state = m.w.subject()
	m.state.watch(m.look)
	m.exec = session.NewExecutor(m.state)
}

// crash ends the life; with the power, if so.
func (m *member) crash(what string, power bool) {
	m.w.Did(what, m.Self, view.Member{})
	m.hearOf(service.Fact{Kind: service.Fell, Node: m.Self}, nil)
	if m.log != nil && power {
		m.disk.Crash(m.w.Now)
	} else if m.log != nil {
		m.disk.Kill(m.w.Now)
	}
	m.log, m.Host.Work = nil, world.Never
	m.End()
	m.w.locks.linked(0)
	m.cohort, m.replica, m.view = nil, nil, nil
}

// bootLater begins the next life after a time.
func (m *member) bootLater() {
	m.w.After(m.w.UpTo(m.w.opt.downMost), func() {
		if !m.Up {
			m.boot()
		}
	})
}

// Receive takes a datagram: a member's, or a client's request.
func (m *member) Receive(d *simnet.Datagram) {
	w := m.w
	m.wrote()
	if int(d.From.ID) > len(w.members) {
		if h, request, why := wire.Open(d.Frame); why == wire.OK && h.Channel == wire.Call && m.connected(h.Fingerprint, request) {
			m.route(d.From.ID, request)
			m.replica.Submit(w.Read(&m.Host), replica.Client(d.From.ID), request)
		}
	} else {
		m.cohort.Receive(w.Read(&m.Host), d.From, d.Link, d.Frame, &m.out)
	}
	m.after()
}

// Tick lets the process do what is due.
func (m *member) Tick() {
	m.wrote()
	now := m.w.Read(&m.Host)
	m.cohort.Tick(now, &m.out)
	m.replica.Tick(now)
	m.after()
}

// Work lets a bit of the state flip, in worlds in which that happens.
func (m *member) Work() {
	m.Host.Work = world.Never
	if m.log != nil {
		m.wrote()
		m.after()
		return
	}
	m.flip()
}

// flip lets a bit of the state flip.
func (m *member) flip() {
	if m.view == nil || len(m.done) > 0 || !m.w.mayFlip(m) {
		return
	}
	m.w.Did("has a bit that flips", m.Self, view.Member{})
	m.damaged = true
	m.state.flip(m.w.Rng)
	m.renewed()
}

// resume ends a pause.
func (m *member) resume() {
	m.w.Resume(&m.Host)
	m.wrote()
	if m.w.Rng.IntN(2) == 0 {
		m.w.Tick(&m.Host)
	}
	m.w.Drain(&m.Host)
	if m.Runs() {
		m.after()
	}
}

// after ends a step: deliveries go to the replica, which may ask for more.
func (m *member) after() {
	w := m.w
	for m.Runs() {
		w.Report.Steps++
		m.cohort.Flush(w.Read(&m.Host), &m.out)
		deliver := m.out.Deliver
		for i := range m.out.Send {
			if m.send(&m.out.Send[i]) {
				return
			}
		}
		m.out = cohort.Output{}
		for i := range deliver {
			m.heed(&deliver[i])
		}
		m.replica.Act(w.Read(&m.Host), &m.out)
		m.tell()
		m.answer()
		if len(deliver) == 0 && len(m.out.Send) == 0 && len(m.out.Deliver) == 0 {
			break
		}
	}
	if m.Runs() {
		d := m.cohort.Deadline()
		if r := m.replica.Deadline(); d.IsZero() || !r.IsZero() && r.Before(d) {
			d = r
		}
		w.Schedule(&m.Host, d)
		if err := m.replica.Void(); err != nil {
			m.crash("ends: "+err.Error(), false)
			m.bootLater()
			return
		}
		m.watchDisk()
	}
}

// look notes what a command has done.
func (m *member) look() {
	if m.exec == nil || m.exec.Index() != m.seen+1 {
		return // somebody else wants to know
	}
	m.seen++
	e := m.state.took()
	e.fact.Node, e.fact.Index, e.fact.State = m.Self, m.seen, m.state.sum()
	if e.sight != nil {
		e.sight.at = m.w.Now
	}
	m.done = append(m.done, e)
}

// confess tells the court which commands are safe at this member.
func (m *member) confess() {
	safe := 0
	for safe < len(m.done) && m.done[safe].fact.Index <= m.replica.Machine().Settled() {
		m.hearOf(m.done[safe].fact, m.done[safe].sight)
		safe++
	}
	m.done = append(m.done[:0], m.done[safe:]...)
}

// renewed tells the court that the member has a state that it did not make command by command.
func (m *member) renewed() {
	m.state.took()
	m.seen, m.done = m.exec.Index(), m.done[:0]
	m.hearOf(service.Fact{Kind: service.Restored, Node: m.Self, Index: m.seen, State: m.state.sum()}, nil)
}

// regained tells the court of the state with which a member comes into a view: another's, or its own if the
// group is founded anew with it. Then what it was ahead of the others is safe.
func (m *member) regained() {
	m.hearOf(service.Fact{Kind: service.Restored, Node: m.Self, Index: m.seen - uint64(len(m.done)), State: m.basis()}, nil)
	m.confess()
}

// basis is the state before what is not safe; 0 if nobody can see it any more.
func (m *member) basis() uint64 {
	if len(m.done) > 0 {
		return 0
	}
	return m.state.sum()
}

// heed gives the replica a delivery, and the court what came of it.
func (m *member) heed(d *cohort.Delivery) {
	w, began, with := m.w, m.view == nil, place{m.era, m.exec.Index()}
	if m.store != nil {
		with.era = m.store.Era() // a state that was given and never written was undone, and its era with it
	}
	m.replica.Heed(w.Read(&m.Host), d)
	m.undone()
	switch d.Kind {
	case cohort.Viewed:
		m.view = d.View
		if w.tentative != nil && d.Era != m.era {
			if first := d.View.Seats[0].Member; first == m.Self {
				w.tentative.founded(d.Era, with)
			}
			m.era = d.Era
			m.since = cmp.Or(m.since, w.Now)
		}
		if w.latest == nil || w.latest.Name.Less(d.View.Name) {
			w.latest = d.View
		}
		if began {
			w.lose(m)
			m.regained()
		}
		m.has, m.given = true, false
	case cohort.Expelled, cohort.Departed, cohort.StateBegan:
		m.view, m.has = nil, m.has && d.Kind != cohort.StateBegan
		m.hearOf(service.Fact{Kind: service.Fell, Node: m.Self}, nil)
	case cohort.StateDone:
		m.given = true
		if m.damaged = false; w.tentative == nil {
			m.renewed()
		} else {
			m.seen, m.done = m.exec.Index(), m.done[:0] // it is told with the view, which knows the era
		}
	}
	m.confess()
	if v, is := m.replica.Machine().(interface{ Voters() int }); is && v.Voters() != m.voters {
		m.voters = v.Voters()
		m.hearOf(service.Fact{Kind: service.Seated, Node: m.Self, Value: uint64(m.voters)}, nil)
	}
}

// undone forgets what the replica has taken back, outside of views. It has executed other commands again.
func (m *member) undone() {
	if m.w.tentative == nil || m.replica.Machine().View() != nil {
		return
	}
	m.state.took()
	m.seen = min(m.seen, m.exec.Index())
	for len(m.done) > 0 && m.done[len(m.done)-1].fact.Index > m.seen {
		m.done = m.done[:len(m.done)-1]
	}
}

// tell tells the court what the replica says.
func (m *member) tell() {
	for _, c := range m.replica.Output().Do {
		switch c.Verb {
		case replica.Diverged:
			for _, peer := range c.Members {
				m.hearOf(service.Fact{Kind: service.Named, Node: m.Self, Peer: peer, Index: c.Index}, nil)
			}
		case replica.Halted:
			m.hearOf(service.Fact{Kind: service.Halted, Node: m.Self, Index: c.Index}, nil)
			if life := m.Self; m.log != nil {
				// What is on its disk is right; somebody sees that it has stopped.
				m.w.After(m.w.UpTo(500*time.Millisecond), func() {
					if m.Up && m.Self == life {
						m.crash("is restarted by hand", false)
						m.boot()
					}
				})
			}
		}
	}
	m.replica.Output().Do = m.replica.Output().Do[:0]
	if m.w.tentative == nil && m.w.opt.flip == 0 {
		m.prove()
	}
}

// prove tells the court what the replica shows as proven. What decays after a command is not seen in its digest, but in that of
// the next, so it does not where bits flip.
func (m *member) prove() {
	proofs, _ := m.replica.Proofs()
	for _, p := range proofs {
		if p.Told && !p.Diverged && m.proven[p.Member] != p.Index {
			if m.proven == nil {
				m.proven = map[view.Member]uint64{}
			}
			m.proven[p.Member] = p.Index
			m.hearOf(service.Fact{Kind: service.Proven, Node: m.Self, Peer: p.Member, Index: p.Index}, nil)
		}
	}
}

// answer sends the replica's answers to clients.
func (m *member) answer() {
	out := m.replica.Output()
	if m.w.tentative != nil && len(out.Replies) > 0 {
		m.w.tentative.stable(m.era, m.replica.Stable())
	}
	m.frames.Reset()
	for _, r := range out.Replies {
		b := m.frames.Begin(wire.Header{Channel: wire.Call, Fingerprint: fingerprint})
		m.frames.End(view.ID(r.To), 1, append(b, r.Data...))
	}
	out.Reset()
	m.notify()
	for _, e := range m.frames.Send {
		m.w.Net.Send(m.w.Now, m.Self, e.To, e.Link, e.Frame)
	}
}

// send gives an envelope to the network, and says whether the process crashed at it.
func (m *member) send(e *wire.Envelope) bool {
	w := m.w
	if w.trapped(m, e) {
		m.crash("crashes in the middle of a step", w.Rng.IntN(2) == 0)
		m.bootLater()
		return true
	}
	if e.To != view.Everyone {
		w.Net.Send(w.Now, m.Self, e.To, e.Link, e.Frame)
		return w.forgotten(m, e)
	}
	for _, id := range e.Members {
		w.Net.Send(w.Now, m.Self, id, e.Link, e.Frame)
	}
	return w.forgotten(m, e)
}
