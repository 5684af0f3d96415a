package driver

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

const (
	// openMost is how long an Open may take until the session is in the state. It counts meanwhile.
	openMost = 10 * time.Second

	// lookEvery is how often it is found out at most which sessions of a process that has its fill are over: who asks
	// for more all the time costs nothing.
	lookEvery = 100 * time.Millisecond

	// openersMax is how many sessions may be counted, over all processes, before those that are over are taken out: twice
	// as many as there can be.
	openersMax = 32 * session.ProcessMax
)

// openers counts the sessions that each process of this machine has opened at this member, so that one which opens them
// and forgets them does not take up the room of all. It is this member's own rule, before the request gets into the agreed
// order, and no part of the state.
type openers struct {
	by    map[uint64]*opener // by process
	total int
	sweep time.Time // when all may be gone through again
}

// opener is a process.
type opener struct {
	until map[uint64]time.Time // by nonce: until when a session counts, even if the state does not have it
	look  time.Time            // when it may be gone through again
}

// admit says whether a process may ask for a session. Asked for again it is the same one. without says that this member has
// no state in which to look: then a session counts for as long as its lease.
func (o *openers) admit(now time.Time, process uint64, q *opening, t *session.Table, without bool) bool {
	if o.by == nil {
		o.by = map[uint64]*opener{}
	}
	if o.total >= openersMax && !now.Before(o.sweep) {
		o.sweep = now.Add(lookEvery)
		for p, at := range o.by { //tidy:unordered all are gone through
			o.total -= at.prune(now, t)
			if len(at.until) == 0 {
				delete(o.by, p)
			}
		}
	}
	at := o.by[process]
	if at == nil {
		at = &opener{until: map[uint64]time.Time{}}
		o.by[process] = at
	}
	if _, is := at.until[q.nonce]; is {
		return true
	}
	if len(at.until) >= session.ProcessMax && !now.Before(at.look) {
		at.look = now.Add(lookEvery)
		o.total -= at.prune(now, t)
	}
	if len(at.until) >= session.ProcessMax {
		return false
	}
	until := now.Add(openMost)
	if without {
		until = until.Add(q.lease)
	}
	at.until[q.nonce] = until
	o.total++
	return true
}

// closed notes that a process closes a session: it counts until the state does not have it.
func (o *openers) closed(process, nonce uint64) {
	if at := o.by[process]; at != nil {
		if _, is := at.until[nonce]; is {
			at.until[nonce] = time.Time{}
		}
	}
}

// prune takes out the sessions that are over, and says how many.
func (at *opener) prune(now time.Time, t *session.Table) (gone int) {
	for nonce, until := range at.until { //tidy:unordered each by itself
		if !now.Before(until) && !t.Opened(nonce) {
			delete(at.until, nonce)
			gone++
		}
	}
	return gone
}

// opening is what matters here of a request that opens a session or closes it; verb is 0 for all others.
type opening struct {
	verb    session.Verb
	process uint64
	nonce   uint64
	lease   time.Duration
}

// openingOf reads it of a request. Any goroutine may call it.
func (r *Replica) openingOf(client uint64, q *session.Request) opening {
	if q.Verb != session.Open && q.Verb != session.Close {
		return opening{}
	}
	process := client
	if r.cfg.Process != nil {
		process = r.cfg.Process(client)
	}
	return opening{q.Verb, process, q.Nonce, q.Lease}
}

// admits says whether a request may go into the agreed order; who may not is told so. The owner calls it.
func (r *Replica) admits(now time.Time, s *submission, request []byte) bool {
	switch s.opening.verb {
	case session.Close:
		r.openers.closed(s.opening.process, s.opening.nonce)
	case session.Open:
		if !r.openers.admit(now, s.opening.process, &s.opening, r.exec.Table(), !r.replica.Present()) {
			r.refusal = session.AppendRefusal(r.refusal[:0], request, session.Crowded, view.Nobody)
			r.cfg.Answer(s.client, r.refusal)
			return false
		}
	}
	return true
}
