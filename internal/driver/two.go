package driver

import (
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Two is how a service is replicated by two servers.
type Two struct {
	Members   [2]view.ID // who has the state
	Preferred view.ID    // of them
	Policy    pair.Policy
	Arbiter   view.ID // with pair.Arbitrate; this process, if it is none of Members
	Terms     string  // what both must have alike, in words

	// Mark opens the file in which the epoch is saved, at a witness, and at a server without a log; nil: there is none.
	Mark func(cluster uint32, member view.ID) (Mark, error)

	// Store opens the store that both reach, and makes them a process pair; nil: the backup answers, and there is none. Every is
	// how often the state is saved there; 0: the default.
	Store func(cluster uint32, member view.ID) (Store, error)
	Every time.Duration
}

// Mark is a file in which an epoch is saved. internal/edge/disk has it.
type Mark interface {
	Found() (epoch uint64, ok bool) // what was saved; false: nothing was
	Save(epoch uint64) error        // it waits for the disk
	Close() error
}

// keeping saves epochs, one at a time. Whoever owns the turn does not wait for the disk.
type keeping struct {
	mark    Mark
	running sync.WaitGroup

	mu   sync.Mutex
	next view.Epoch // 0: none waits
	busy bool
	done []saved
}

type saved struct {
	epoch view.Epoch
	err   error
}

// saver is who has epochs to be saved.
type saver interface {
	Save() view.Epoch
}

// keep opens the file in which epochs are saved.
func (r *Replica) keep() error {
	if r.cfg.Two.Store != nil {
		return r.openStore()
	}
	if r.cfg.Two.Mark == nil {
		return nil
	}
	mark, err := r.cfg.Two.Mark(r.clusterKey(), r.c.cfg.Node.Self.ID)
	if err != nil {
		return full(r.cfg.Group.Name, err)
	}
	r.keeping = &keeping{mark: mark}
	return nil
}

// pairUp makes this process's part. The owner calls it.
func (r *Replica) pairUp() {
	c, two := r.c, r.cfg.Two
	node := &c.cfg.Node
	var found pair.Recovered
	if r.keeping != nil {
		epoch, ok := r.keeping.mark.Found()
		found = pair.Recovered{Known: ok, Epoch: view.Epoch(epoch)}
	}
	recorder := trace.RecorderFunc(c.journal.record)
	peer := two.Members[0]
	switch node.Self.ID {
	case two.Members[0]:
		peer = two.Members[1]
	case two.Members[1]:
	default:
		r.replica = duo.Arbitrate(c.time, c.node, duo.Referee{
			Name: r.cfg.Group.Name, Self: node.Self, Members: two.Members, Fingerprint: node.Fingerprint, Granted: found.Epoch, Recorder: recorder,
		})
		c.replicas = append(c.replicas, r)
		return
	}
	if r.storing != nil {
		r.takeOver(peer)
		return
	}
	var log *duo.Log
	if r.lasting != nil {
		if err := r.watchDisk(); err != nil {
			r.end(err)
			return
		}
		log = r.lasting.pair
	}
	m, err := duo.JoinPair(c.time, c.node, duo.PairConfig{
		Config: duo.Config{
			Name: r.cfg.Group.Name, Self: node.Self, Peer: peer, Preferred: two.Preferred, Terms: two.Terms, Fingerprint: node.Fingerprint,
			Heartbeat: node.Heartbeat, SuspectAfter: node.SuspectAfter, Executor: r.exec, Recorder: recorder,
		},
		Policy: two.Policy, Arbiter: two.Arbiter, Recovered: found, Disk: r.keeping != nil, Log: log,
	})
	if err != nil {
		r.end(err)
		return
	}
	r.replica = m
	c.replicas = append(c.replicas, r)
}

// differs says in what the other of two servers, which is there, is configured otherwise; "" if it is not.
func (r *Replica) differs() string {
	m, is := r.replica.(*duo.Member)
	if !is || m.Refused() == "" {
		return ""
	}
	theirs, ours := difference(m.Refused(), r.cfg.Two.Terms)
	two := r.cfg.Two.Members
	other := two[0]
	if other == r.c.cfg.Node.Self.ID {
		other = two[1]
	}
	return fmt.Sprintf("at %s the service is %q, and here %q; make them equal", r.c.nameOf(other), theirs, ours)
}

// tellDiffers logs it, once.
func (r *Replica) tellDiffers() {
	m, is := r.replica.(*duo.Member)
	if !is || m.Refused() == r.refused {
		return
	}
	if r.refused = m.Refused(); r.refused != "" && r.c.cfg.Log != nil {
		r.c.cfg.Log.Warn("refused", "service", r.cfg.Group.Name, "reason", r.differs())
	}
}

// save has the disk do what is to be done. The owner calls it.
func (r *Replica) save() {
	r.store()
	s, is := r.replica.(saver)
	k := r.keeping
	if !is || k == nil {
		return
	}
	epoch := s.Save()
	if epoch == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = max(k.next, epoch)
	if !k.busy {
		k.busy = true
		k.running.Go(func() { r.write(k) })
	}
}

// write saves until nothing waits.
func (r *Replica) write(k *keeping) {
	for {
		k.mu.Lock()
		epoch := k.next
		if k.next = 0; epoch == 0 {
			k.busy = false
			k.mu.Unlock()
			return
		}
		k.mu.Unlock()
		err := k.mark.Save(uint64(epoch))
		k.mu.Lock()
		k.done = append(k.done, saved{epoch, err})
		k.mu.Unlock()
		r.c.notify(dueDisk)
	}
}

// kept tells what was saved. The owner calls it.
func (r *Replica) kept() {
	r.stored()
	k := r.keeping
	if k == nil {
		return
	}
	k.mu.Lock()
	done := k.done
	k.done = nil
	k.mu.Unlock()
	for _, d := range done {
		switch at := r.replica.(type) {
		case *duo.Member:
			at.Saved(r.c.time, d.epoch, d.err)
		case *duo.Arbiter:
			at.Saved(r.c.time, d.epoch, d.err)
		}
	}
}

// Proceed is a person's word that the other of two servers is gone, and will not come back with what it has
// answered alone: this one goes on.
func (r *Replica) Proceed() error {
	var err error
	if !r.c.Do(func() { err = r.proceed() }) {
		return ErrClosed
	}
	return err
}

func (r *Replica) proceed() error {
	m, is := r.replica.(*duo.Member)
	if !is {
		return duo.ErrNoWord
	}
	return m.Proceed(r.c.time)
}

// Proceed is the same word for the service of a name.
func (c *Cohort) Proceed(service string) error {
	err := fmt.Errorf("no service %q is replicated here", service)
	if !c.Do(func() {
		for _, r := range c.replicas {
			if r.cfg.Group.Name == service {
				err = r.proceed()
			}
		}
	}) {
		return ErrClosed
	}
	return err
}

// ofTwo gives where one of two servers stands.
func (r *Replica) ofTwo(s duo.Status) census.Group {
	alone := ""
	if two := r.cfg.Two; two.Store == nil {
		switch two.Policy {
		case pair.Arbitrate:
			alone = "witness " + r.c.journal.name(two.Arbiter)
		case pair.Prefer:
			alone = "prefer " + r.c.journal.name(two.Preferred)
		case pair.Freeze:
			alone = "freeze"
		}
	}
	return census.Group{
		Refused: r.differs(),
		Name:    r.cfg.Group.Name, Terms: "style " + s.Style, State: "in", Seats: []census.Seat{}, Views: []census.View{},
		Two: &census.Two{Role: s.Role, Epoch: uint64(s.Epoch), Silent: s.Silent, Index: s.Index, Stable: s.Stable, Whole: s.Whole, Serves: r.replica.Present(), Alone: alone},
	}
}
