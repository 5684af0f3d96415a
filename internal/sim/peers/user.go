package peers

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	machine "github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// user is the program in a process: for each lock it does one thing after the other.
type user struct {
	p       *peer
	calls   uint64
	at      [lockCount]visit
	wants   [lockCount]bool // after calm: is still to have it once
	sent    time.Time       // from when the lease counts; zero: there is no session
	lease   time.Duration
	resting bool
}

// visit is how a user stands to a lock.
type visit struct {
	state  state
	call   uint64        // that is under way; 0: none
	again  time.Duration // when to ask again
	until  time.Duration // when to leave
	shared bool
	holder *lock.Holder // holding
	token  uint64
}

type state uint8

const (
	idle state = iota
	entering
	waiting
	holding
	leaving
)

func lockName(key int) string { return fmt.Sprint("lock", key+1) }

// margin is that of the holders: a part of the lease.
func (u *user) margin() time.Duration { return u.p.w.opt.lease / 8 }

func (u *user) boot(p *peer) {
	*u = user{p: p, wants: u.wants, resting: u.resting}
	p.Host.Work = p.w.Now + p.w.Interval(p.w.opt.every)
}

// die ends the user with its process.
func (u *user) die() { u.at, u.sent = [lockCount]visit{}, time.Time{} }

// work lets the user do something at one lock, and look after the others.
func (u *user) work() {
	w := u.p.w
	for key := range u.at {
		v := &u.at[key]
		u.tick(key)
		switch {
		case v.call != 0:
		case v.state == idle && u.would(key):
			w.enters++
			v.shared = w.Rng.Float64() < w.opt.shared
			q := lock.Request{Kind: lock.Enter, Name: lockName(key), Order: lock.Strict}
			if v.shared {
				q.Mode = lock.Shared
			}
			v.state = entering
			u.ask(key, &q)
		case v.state == waiting && w.Now >= v.again:
			u.ask(key, &lock.Request{Kind: lock.Ask, Name: lockName(key)})
		case v.state == holding && (w.Now >= v.until || w.Calm): // after calm everybody is waited for
			u.leave(key)
		case v.state == leaving:
			u.leave(key)
		case v.state == holding:
			if v.holder.Holds(u.p.read()) {
				w.hear(&service.Fact{Kind: service.Wrote, Client: u.p.client, Key: uint32(key), Value: v.token, Shared: v.shared})
			}
		}
	}
}

// would says whether the user wants a lock now.
func (u *user) would(key int) bool {
	w := u.p.w
	if w.Calm {
		return u.wants[key]
	}
	return !u.resting && w.enters < entersMax && w.Rng.IntN(3) == 0
}

func (u *user) ask(key int, q *lock.Request) {
	u.calls++
	u.at[key].call = u.calls
	u.p.machine.Submit(u.p.read(), u.calls, q.Append(nil), &u.p.put)
}

// leave gives a lock back: first the user ceases to believe, then the others hear of it.
func (u *user) leave(key int) {
	v := &u.at[key]
	u.drop(key)
	v.state = leaving
	u.ask(key, &lock.Request{Kind: lock.Leave, Name: lockName(key), Number: v.token})
}

// drop tells the court that the user does not believe any more.
func (u *user) drop(key int) {
	if v := &u.at[key]; v.holder != nil {
		v.holder = nil
		u.p.w.tell(&service.Fact{Kind: service.Dropped, Client: u.p.client, Key: uint32(key)})
	}
}

// expire ends beliefs by the true time: who stands still does not do anything, either, and looks at the clock first.
func (u *user) expire() {
	for key := range u.at {
		v := &u.at[key]
		if v.holder == nil {
			continue
		}
		if end := v.holder.Ends(); end.IsZero() || u.p.w.Now >= u.p.Clock.When(end) {
			u.drop(key)
			v.state = leaving
		}
	}
}

// tick looks at the clock. If the session goes on all the same, the lock is its own until it is left.
func (u *user) tick(key int) {
	if v := &u.at[key]; v.holder != nil && v.holder.Tick(u.p.read()) == lock.Over {
		u.drop(key)
		v.state = leaving
	}
}

// quit ceases to believe in anything.
func (u *user) quit() {
	for key := range u.at {
		u.drop(key)
		u.at[key] = visit{}
	}
}

// heed takes what the machine puts out, and says whether there was anything.
func (u *user) heed(put *machine.Output) bool {
	for _, e := range put.Events {
		switch e {
		case machine.SessionEnded:
			u.ended()
		case machine.Shut:
			u.p.group.Leave(u.p.read(), &u.p.out)
		}
	}
	if !put.Renewed.IsZero() {
		u.sent, u.lease = put.Renewed, put.Lease
		for key := range u.at {
			if h := u.at[key].holder; h != nil {
				h.Renewed(u.p.read(), u.sent, u.lease)
				u.tick(key)
			}
		}
	}
	for i := range put.Results {
		u.result(&put.Results[i])
	}
	for _, b := range put.Notices {
		u.notice(b)
	}
	return len(put.Multicast)+len(put.Events)+len(put.Results)+len(put.Notices) > 0
}

// ended follows the end of the session.
func (u *user) ended() {
	u.sent = time.Time{}
	for key := range u.at {
		v := &u.at[key]
		u.drop(key)
		if v.state != entering || v.call == 0 { // what was asked and waits for a session is asked in the next
			*v = visit{}
		}
	}
}

// result takes the answer to a call.
func (u *user) result(r *machine.Result) {
	for key := range u.at {
		v := &u.at[key]
		if v.call != r.Call {
			continue
		}
		v.call = 0
		if r.Cause != machine.None {
			if v.state != holding && (v.state != leaving || r.Cause != machine.Busy) {
				v.state = idle
			}
			return
		}
		p, err := lock.ParseReply(r.Body)
		if err != nil {
			panic(fmt.Sprintf("peers: a reply of the service is refused: %v", err))
		}
		u.answer(key, v, &p)
		return
	}
}

func (u *user) answer(key int, v *visit, p *lock.Reply) {
	w := u.p.w
	switch {
	case v.state == leaving:
		v.state = idle
	case p.Status == lock.Granted && (v.state == entering || v.state == waiting):
		h, err := lock.NewHolder(lock.HolderConfig{Margin: u.margin()})
		if err != nil {
			panic(err)
		}
		if u.sent.IsZero() || !h.Granted(u.p.read(), p.Number, u.sent, u.lease) {
			v.state, v.again = waiting, w.Now // asking is what renews it
			return
		}
		w.held++
		v.state, v.holder, v.token = holding, h, p.Number
		v.until = w.Now + w.Interval(w.opt.hold)
		w.hear(&service.Fact{Kind: service.Held, Client: u.p.client, Key: uint32(key), Value: v.token, Shared: v.shared})
		if w.Calm && u.wants[key] {
			u.wants[key] = false
			w.wanted--
		}
	case p.Status == lock.Queued:
		v.state, v.again = waiting, w.Now+w.opt.lease/4
	default:
		v.state = idle
	}
}

// notice takes what the service says unasked.
func (u *user) notice(b []byte) {
	n, err := lock.ParseNotice(b)
	if err != nil {
		panic(fmt.Sprintf("peers: a notice of the service is refused: %v", err))
	}
	for key := range u.at {
		if v := &u.at[key]; lockName(key) == string(n.Name) && v.state == waiting && v.call == 0 {
			u.ask(key, &lock.Request{Kind: lock.Ask, Name: lockName(key)})
		}
	}
}

// missing says who has not had which lock after calm.
func (w *peers) missing() string {
	var b strings.Builder
	fmt.Fprintf(&b, "liveness: after calm, within %v:", calmMost)
	for _, p := range w.all {
		for key, wants := range p.user.wants {
			if wants {
				v := &p.user.at[key]
				fmt.Fprintf(&b, " %v has not been granted %s (state %d, call %d, session %d, opened %v);", p.Self, lockName(key), v.state, v.call, p.machine.Session(), p.machine.Opened())
			}
		}
	}
	return b.String()
}
