package services

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// minutes are what a lock service has agreed upon in one life, by index: each command as the
// member saw it that had it first for good.
type minutes map[uint64]*sight

// minute writes down what a member has for good.
func (l *locks) minute(e *event) {
	m := l.lives[len(l.lives)-1]
	if had := m[e.fact.Index]; had != nil {
		had.at = min(had.at, e.sight.at)
		return
	}
	m[e.fact.Index] = e.sight
}

// clerk makes facts of what was agreed upon.
type clerk struct {
	facts   []service.Fact
	clients map[session.ID]int
	shared  map[seat]bool
	granted map[grant]bool
}

// seat is a session at a lock, grant what it was given.
type seat struct {
	session session.ID
	lock    string
}

type grant struct {
	session session.ID
	token   uint64
}

// read reads the minutes of one life. The error says that they make no sense.
func (r *clerk) read(m minutes) error {
	r.clients, r.shared, r.granted = map[session.ID]int{}, map[seat]bool{}, map[grant]bool{}
	order := make([]uint64, 0, len(m))
	for index := range m {
		order = append(order, index)
	}
	slices.Sort(order)
	for i := len(order) - 2; i >= 0; i-- {
		this, next := m[order[i]], m[order[i+1]]
		this.at = min(this.at, next.at) // who was first had it undone, or could not say so any more
	}
	for _, index := range order {
		for i := range m[index].steps {
			if err := r.step(m[index].at, &m[index].steps[i]); err != nil {
				return fmt.Errorf("command %d: %w", index, err)
			}
		}
	}
	return nil
}

func (r *clerk) add(at time.Duration, k service.Kind, s seat, value uint64) {
	r.facts = append(r.facts, service.Fact{
		At: at, Kind: k, Client: r.clients[s.session], Session: uint64(s.session), Key: keyOf(s.lock), Value: value, Shared: r.shared[s],
	})
}

// place is add for a place in a queue.
func (r *clerk) place(at time.Duration, k service.Kind, s seat, turn uint64) {
	r.add(at, k, s, 0)
	r.facts[len(r.facts)-1].Number = turn
}

// step reads one thing: whom it has put out, what was done, and who has got something.
func (r *clerk) step(at time.Duration, s *step) error {
	for _, n := range s.notices {
		if n.what == lock.Lost {
			r.add(at, service.Quit, seat{n.session, n.name}, n.number)
		}
	}
	if s.ended {
		r.facts = append(r.facts, service.Fact{At: at, Kind: service.Closed, Client: r.clients[s.session], Session: uint64(s.session)})
	} else if s.body != nil {
		if err := r.command(at, s); err != nil {
			return err
		}
	}
	for _, n := range s.notices {
		if n.what == lock.Granted {
			r.grant(at, seat{n.session, n.name}, n.number)
		}
	}
	return nil
}

// grant tells of a token, unless its session has been told it already.
func (r *clerk) grant(at time.Duration, s seat, token uint64) {
	if g := (grant{s.session, token}); !r.granted[g] {
		r.granted[g] = true
		r.add(at, service.Granted, s, token)
	}
}

func (r *clerk) command(at time.Duration, s *step) error {
	q, err := lock.ParseRequest(s.body)
	if err != nil {
		return err
	}
	p, err := lock.ParseReply(s.reply)
	if err != nil {
		return err
	}
	here := seat{s.session, q.Name}
	if q.Kind == lock.Enter || q.Kind == lock.Reassert {
		if r.clients[s.session], err = strconv.Atoi(q.Label); err != nil {
			return err
		}
		if p.Status == lock.Granted || p.Status == lock.Queued {
			r.shared[here] = q.Mode == lock.Shared
		}
	}
	switch {
	case q.Kind == lock.Enter && p.Status == lock.Granted:
		r.grant(at, here, p.Number)
	case q.Kind == lock.Enter && p.Status == lock.Queued:
		r.place(at, service.Asked, here, p.Number)
	case q.Kind == lock.Reassert && p.Status == lock.Granted:
		r.granted[grant{s.session, p.Number}] = true
		r.add(at, service.Reasserted, here, p.Number)
	case q.Kind == lock.Reassert && p.Status == lock.Queued:
		r.place(at, service.Reasserted, here, q.Number)
	case p.Status != lock.Done:
	case q.Kind == lock.Leave:
		r.add(at, service.Quit, here, q.Number)
	case q.Kind == lock.Cancel:
		r.add(at, service.Quit, here, 0)
	case q.Kind == lock.Break:
		r.add(at, service.Broken, here, q.Number)
	}
	return nil
}

// judge lets the judges of locks hear all that has happened.
func (l *locks) judge() {
	facts := l.all()
	court := service.NewCourt(l.judges()...)
	for i := range facts {
		if court.Hear(&facts[i]); court.Violation() != nil {
			break
		}
	}
	l.violation = court.Violation()
}

// all gives everything that has happened, in the order of the true time.
func (l *locks) all() []service.Fact {
	var r clerk
	for i, m := range l.lives {
		if i > 0 {
			r.facts = append(r.facts, service.Fact{At: l.losses[i-1], Kind: service.Perished})
		}
		if err := r.read(m); err != nil {
			panic("services: the minutes of a lock service cannot be read: " + err.Error())
		}
	}
	facts := append(r.facts, l.facts...)
	slices.SortStableFunc(facts, func(a, b service.Fact) int { return cmp.Compare(a.At, b.At) })
	return append(facts, service.Fact{At: l.w.Now, Kind: service.Ended})
}
