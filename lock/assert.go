package lock

import (
	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// assert tells a service that has lost its state that this client holds a lock, for as long as the lease of the former
// session lasts; if it is believed, the lease of the new one counts. The caller has the client's lock.
func (k *Client) assert(l *Lock) {
	if l.anew != nil {
		return // it is under way, and notices that there is another session
	}
	anew := make(chan struct{})
	l.anew = anew
	k.running.Go(func() {
		defer close(anew)
		for !k.asserted(l) {
		}
	})
}

// asserted asserts a lock once, and reports whether it is known what became of it: then it is held in the present
// session, or its context is cancelled.
func (k *Client) asserted(l *Lock) bool {
	q := request(lock.Reassert, l.name, l.shared, l.loose)
	q.Number, q.Label, q.Purpose = l.token, k.cfg.Label, l.why
	session := k.current()
	p, err := k.ask(l.ctx, client.ExactlyOnce, q)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.c.Now()
	phase := l.holder.Tick(now)
	switch {
	case phase == lock.Held && (sessionEnded(err) || err == nil && session != k.session):
		return false // it has lost its state once more
	case phase != lock.Held:
		// Too late: the work was told to stop. If the lock is ours again, or may be since no answer has come, Leave gives
		// it back.
		if err != nil || p.Status == lock.Granted {
			l.session = session
		}
	case err != nil:
		l.session = session
		l.end(lock.SessionOver) // there is none, or the service makes no sense
	case p.Status == lock.Granted && p.Number == l.token:
		l.session = session
		l.holder.Renewed(now, k.sent, k.cfg.Lease)
	case p.Status == lock.Late:
		l.end(lock.TooLate)
	case p.Status == lock.Lost:
		l.end(lock.LostTo)
	default:
		l.end(lock.Disbelieved)
	}
	l.look()
	l.anew = nil
	k.arm()
	return true
}
