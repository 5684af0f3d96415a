package peers

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// watch is what the world has told the court of the agreed order: each thing once, when the first
// replica does it.
type watch struct {
	floor  uint64
	place  place
	teller view.Member // who came to the place first
	given  map[uint64]bool
	alive  []session.ID // of this founding
}

// place is a place in the agreed order of a founding.
type place struct {
	epoch view.Epoch
	index uint64
}

func (p place) less(o place) bool {
	return p.epoch < o.epoch || p.epoch == o.epoch && p.index < o.index
}

// witness is a replica that tells the court what it does.
type witness struct {
	*lock.Service
	p *peer
}

// first says whether this replica is the first that comes to where it is.
func (s *witness) first() bool {
	w, m := s.p.w, s.p.machine
	at := place{s.p.epoch, m.Index()}
	switch {
	case m.Floor() < w.watch.floor:
		return false
	case m.Floor() > w.watch.floor:
		for _, id := range w.watch.alive { // nobody has anything of the founding before
			s.quit(id)
		}
		w.watch = watch{floor: m.Floor(), place: at, teller: s.p.Self, given: map[uint64]bool{}}
		return true
	case w.watch.place.less(at):
		w.watch.place, w.watch.teller = at, s.p.Self
		return true
	}
	return at == w.watch.place && w.watch.teller == s.p.Self
}

func (s *witness) quit(id session.ID) {
	for key := range lockCount {
		s.p.w.hear(&service.Fact{Kind: service.Quit, Session: uint64(id), Key: uint32(key)})
	}
}

// Apply executes a command.
func (s *witness) Apply(c session.Command, reply []byte) []byte {
	from := len(reply)
	reply = s.Service.Apply(c, reply)
	if !s.first() {
		return reply
	}
	kind, shared, number, key := readRequest(c.Body)
	p, err := lock.ParseReply(reply[from:])
	if err != nil || key < 0 {
		panic("peers: the witness cannot read what is said")
	}
	who, _, _ := s.p.machine.Member(c.Session)
	w := s.p.w
	f := service.Fact{Client: int(who.ID), Session: uint64(c.Session), Key: uint32(key), Shared: shared}
	if !slices.Contains(w.watch.alive, c.Session) {
		w.watch.alive = append(w.watch.alive, c.Session)
	}
	switch {
	case kind == lock.Enter && p.Status == lock.Queued:
		f.Kind = service.Asked
	case kind == lock.Enter && p.Status == lock.Granted && !w.watch.given[p.Number]:
		f.Kind, f.Value = service.Granted, p.Number
		w.watch.given[p.Number] = true
	case kind == lock.Leave && p.Status == lock.Done:
		f.Kind, f.Value = service.Quit, number
	default:
		return reply
	}
	w.hear(&f)
	return reply
}

// Ended ends a session.
func (s *witness) Ended(at time.Duration, id session.ID) {
	s.Service.Ended(at, id)
	if s.first() {
		s.quit(id)
		s.p.w.watch.alive = slices.DeleteFunc(s.p.w.watch.alive, func(o session.ID) bool { return o == id })
	}
}

// Abandon takes a session out of the queues.
func (s *witness) Abandon(at time.Duration, id session.ID) {
	before := s.waits(id)
	s.Service.Abandon(at, id)
	if s.first() {
		for key, waited := range before {
			if waited {
				s.p.w.hear(&service.Fact{Kind: service.Quit, Session: uint64(id), Key: uint32(key)})
			}
		}
	}
}

// waits says in which queues a session is.
func (s *witness) waits(id session.ID) (in [lockCount]bool) {
	for key := range in {
		q := lock.Request{Kind: lock.Ask, Name: lockName(key)}
		if p, err := lock.ParseReply(s.Service.Apply(session.Command{Session: id, Body: q.Append(nil)}, nil)); err == nil {
			in[key] = p.Status == lock.Queued
		}
	}
	return in
}

// Notify tells what was granted to those who waited.
func (s *witness) Notify(tell func(to session.ID, body []byte)) {
	s.Service.Notify(func(to session.ID, body []byte) {
		n, err := lock.ParseNotice(body)
		if err != nil {
			panic("peers: the witness cannot read a notice")
		}
		if w := s.p.w; n.What == lock.Granted && s.first() && !w.watch.given[n.Number] {
			w.watch.given[n.Number] = true
			who, _, _ := s.p.machine.Member(to)
			f := service.Fact{Kind: service.Granted, Client: int(who.ID), Session: uint64(to), Value: n.Number}
			for key := range lockCount {
				if lockName(key) == string(n.Name) {
					f.Key = uint32(key)
				}
			}
			f.Shared = s.shared(to, string(n.Name))
			w.hear(&f)
		}
		tell(to, body)
	})
}

// shared says for what a session has a lock.
func (s *witness) shared(id session.ID, name string) bool {
	q := lock.Request{Kind: lock.Explain, Name: name}
	p, err := lock.ParseReply(s.Service.Apply(session.Command{Body: q.Append(nil)}, nil))
	if err != nil {
		panic("peers: the witness cannot read who has a lock")
	}
	for _, h := range p.Holders {
		if h.Session == id {
			return h.Mode == lock.Shared
		}
	}
	return false
}

// readRequest reads what the users here ask for.
func readRequest(body []byte) (kind lock.Kind, shared bool, number uint64, key int) {
	kind, rest := lock.Kind(body[0]), body[1:]
	if kind == lock.Enter {
		shared, rest = rest[0]&1 != 0, rest[1:]
	}
	n, size := binary.Uvarint(rest)
	name := string(rest[size : size+int(n)])
	rest = rest[size+int(n):]
	if kind == lock.Leave {
		number = binary.BigEndian.Uint64(rest)
	}
	key = -1
	for k := range lockCount {
		if lockName(k) == name {
			key = k
		}
	}
	return kind, shared, number, key
}
