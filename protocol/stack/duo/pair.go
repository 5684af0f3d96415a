package duo

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// PairConfig is what a member of a pair needs beside.
type PairConfig struct {
	Config
	Policy    pair.Policy
	Arbiter   view.ID        // with pair.Arbitrate: who is asked
	Recovered pair.Recovered // what was saved
	Disk      bool           // Save is carried out; without, what is to be saved counts as saved

	// Log is where all that is executed is kept, in use, and with that all that is to be saved; nil: the state is in memory only.
	// Then Recovered and Disk have no meaning. Both members have one, or none has.
	Log *Log
}

// JoinPair makes a member of a pair, of which the backup answers.
func JoinPair(now time.Time, node *cohort.Node, cfg PairConfig) (*Member, error) {
	if cfg.Policy == pair.Arbitrate && (cfg.Arbiter == view.Nobody || cfg.Arbiter == cfg.Self.ID || cfg.Arbiter == cfg.Peer) {
		return nil, fmt.Errorf("duo: service %q: its arbiter is %v; name a member that is none of the two", cfg.Name, cfg.Arbiter)
	}
	m, err := newMember(node, &cfg.Config)
	if err != nil {
		return nil, err
	}
	if cfg.Log != nil {
		cfg.Recovered, cfg.Disk = cfg.Log.Recovered(), false
	}
	machine, err := pair.New(pair.Config{
		Self: cfg.Self, Peer: cfg.Peer, Preferred: cfg.Preferred, Policy: cfg.Policy, Fingerprint: cfg.Fingerprint, Head: m.key[:],
		Heartbeat: cfg.Heartbeat, SuspectAfter: cfg.SuspectAfter, Executor: cfg.Executor, Recorder: cfg.Recorder, Logged: cfg.Log != nil,
	}, cfg.Recovered)
	if err != nil {
		return nil, err
	}
	p := &pairing{m: m, machine: machine, kept: cfg.Recovered.Epoch, disk: cfg.Disk}
	if cfg.Log != nil {
		p.lasting = &lasting{log: cfg.Log}
	}
	if cfg.Log != nil {
		cfg.Log.begin(cfg.Self.Incarnation)
	}
	m.style, m.arbiter, m.known = p, cfg.Arbiter, cfg.Recovered.Known
	m.begin(now)
	return m, nil
}

// pairing is the style in which the backup answers.
type pairing struct {
	m       *Member
	machine *pair.Machine
	out     pair.Output
	kept    view.Epoch // the highest that was saved
	disk    bool
	now     time.Time
	lasting *lasting // nil: there is no log
}

func (p *pairing) start(now time.Time) { p.machine.Start(p.at(now), &p.out) }

func (p *pairing) submit(now time.Time, from caller, request []byte) {
	if p.lasting.busy() {
		p.m.reply(from, session.AppendRefusal(nil, request, session.Busy, view.Nobody))
		return
	}
	p.machine.Submit(p.at(now), replica.Client(from), request, &p.out)
}

func (p *pairing) receive(now time.Time, from view.Member, payload []byte) {
	if p.lasting.busy() && pair.IsPiece(payload) {
		return // it is sent again
	}
	p.machine.Receive(p.at(now), from, payload, &p.out)
}

func (p *pairing) tick(now time.Time)    { p.machine.Tick(p.at(now), &p.out) }
func (p *pairing) deadline() time.Time   { return p.machine.Deadline() }
func (p *pairing) server() view.ID       { return p.machine.Server() }
func (p *pairing) doubt(now time.Time)   { p.machine.Doubt(now) }
func (p *pairing) channel() wire.Channel { return wire.Pair }
func (p *pairing) outbox() *wire.Outbox  { return &p.out.Outbox }

// reset forgets frames; all else was reaped.
func (p *pairing) reset() { p.out.Reset() }

func (p *pairing) at(now time.Time) time.Time {
	p.now = now
	return now
}

func (p *pairing) present() bool {
	switch p.machine.State().Role {
	case pair.Backup, pair.Primary, pair.Single:
		return true
	}
	return false
}

func (p *pairing) status() Status {
	s := p.machine.State()
	return Status{
		Style: "pair", Role: s.Role.String(), Epoch: s.Epoch, Silent: s.Silent, Index: s.Index, Stable: s.Stable, Going: s.Going,
		Whole: (s.Role == pair.Primary || s.Role == pair.Backup) && !s.Silent && p.lasting.kept(),
	}
}

// reap hands over what was put out. Without a disk what is to be saved is said to be, which makes more.
func (p *pairing) reap(reply func(to caller, data []byte), do func(*replica.Command)) {
	for {
		p.log()
		for i := range p.out.Replies {
			if to, data := caller(p.out.Replies[i].To), p.out.Replies[i].Data; !p.lasting.hold(to, data) {
				reply(to, data)
			}
		}
		p.out.Replies = p.out.Replies[:0]
		for i := range p.out.Do {
			if p.out.Do[i].Verb == replica.Paired {
				p.paired()
			}
			do(&p.out.Do[i])
		}
		p.out.Do = p.out.Do[:0]
		p.ask()
		epoch := p.out.Save
		if epoch == 0 {
			return
		}
		p.out.Save = 0
		if p.disk {
			p.m.save = epoch
			return
		}
		p.machine.Persisted(p.now, epoch, nil, &p.out)
	}
}

// paired has it saved that this member was in a pair, if nothing is saved yet: from here on what the disk says is all there is
// to say.
func (p *pairing) paired() {
	if m := p.m; p.disk && !m.known && m.save == 0 {
		m.save = max(p.kept, 1)
	}
}

// ask carries a question to the arbiter.
func (p *pairing) ask() {
	if q := p.out.Ask; q != (pair.Question{}) {
		a := ask{q.Base, q.Epoch}
		p.m.box.End(p.m.arbiter, wire.AllLinks, a.append(p.m.open()))
		p.out.Ask = pair.Question{}
	}
}

// Save is an epoch to be kept on the disk, in place of the one that is kept; 0: none. Saved tells that it is.
func (m *Member) Save() view.Epoch {
	epoch := m.save
	m.save = 0
	return epoch
}

// Saved tells that an epoch that was to be saved is on the disk, or that it cannot be.
func (m *Member) Saved(now time.Time, epoch view.Epoch, err error) {
	p := m.style.(*pairing)
	now = m.node.Begin(now)
	if err == nil {
		p.kept, m.known = max(p.kept, epoch), true
	}
	p.machine.Persisted(p.at(now), epoch, err, &p.out)
	m.reap()
}

// judged takes what the arbiter has said.
func (m *Member) judged(now time.Time, from view.Member, payload []byte) {
	v, ok := parseVerdict(payload)
	p, is := m.style.(*pairing)
	switch {
	case !ok:
		m.drop(now, from.ID, wire.Malformed)
	case !is || from.ID != m.arbiter:
		m.drop(now, from.ID, wire.UnknownSender)
	default:
		p.machine.Arbitrated(p.at(now), v.epoch, v.granted, &p.out)
		m.reap()
	}
}

// ErrNoWord is what Proceed says where no person's word is needed.
var ErrNoWord = errors.New("duo: only a pair of which the backup answers ever waits for a person's word")

// Proceed is a person's word that the other member is gone: see [pair.Machine.Proceed].
func (m *Member) Proceed(now time.Time) error {
	p, is := m.style.(*pairing)
	if !is {
		return ErrNoWord
	}
	now = m.node.Begin(now)
	err := p.machine.Proceed(p.at(now), &p.out)
	m.reap()
	return err
}
