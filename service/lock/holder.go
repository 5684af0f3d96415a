package lock

import (
	"fmt"
	"time"
)

// HolderConfig is how careful a holder is.
type HolderConfig struct {
	// Margin is how long before the end of the lease the work is told to stop: as long as it takes to
	// stop it at worst, garbage collection and a busy machine included. It must be positive.
	Margin time.Duration
	// Drift is by how many millionths any clock may be fast or slow. Default: 1000, twice of what
	// NTP makes a clock slew. If it is too low, the work may be told to stop after another was granted the lock.
	Drift int
}

// driftDefault and driftMax are of HolderConfig.Drift; a clock that is a tenth wrong is broken.
const (
	driftDefault = 1000
	driftMax     = 100_000
)

// Phase is how a holder stands to its lock.
type Phase uint8

// The phases, in the order in which they come.
const (
	Idle     Phase = iota // nothing granted
	Held                  // the work may go on
	Stopping              // the context is cancelled: the work stops, until Ends at the latest
	Over                  // nothing may be done any more under this token
)

// String is the phase in a word.
func (p Phase) String() string {
	return [...]string{"idle", "held", "stopping", "over"}[min(p, Over)]
}

// Cause is why a holder may not go on; it is the cause of the cancelled context.
type Cause uint8

// The causes.
const (
	NoCause     Cause = iota
	LeaseEnding       // no renewal was heard of in time
	LeaseOver         // the same, seen only after the end: the process was stopped, or the clock jumped
	ClockBack         // the clock went back, so nobody knows how much of the lease is left
	BrokenBy          // somebody broke the lock
	LostTo            // the service lost its state, and another asserted a greater token
	SessionOver       // the service has ended the session
	TooLate           // the service has lost its state, or the session, and takes no assertions any more
	Disbelieved       // the service lost its state, and does not believe the assertion
	Given             // the holder left the lock itself
)

// Error makes a cause the error of a cancelled context, with what to do.
func (c Cause) Error() string {
	switch c {
	case LeaseEnding:
		return "lock: the lease ends and no renewal was heard of; stop the work and enter anew"
	case LeaseOver:
		return "lock: the lease is over: the process stood still, or the clock was set; undo or check what was under way and enter anew"
	case ClockBack:
		return "lock: the clock went back, so the end of the lease is unknown; stop the work and enter anew"
	case BrokenBy:
		return "lock: somebody broke the lock; stop the work, and ask holdfast lock explain who and why"
	case LostTo:
		return "lock: the service lost its state and another asserted a greater token; stop the work and enter anew"
	case SessionOver:
		return "lock: the service has ended the session; stop the work and open another"
	case TooLate:
		return "lock: the service does not know the session any more, and takes no assertions: it was told of the lock too late, or has not lost its state; stop the work and enter anew"
	case Disbelieved:
		return "lock: the service lost its state and does not believe that the lock was held; stop the work and enter anew"
	case Given:
		return "lock: it was left"
	}
	return "lock: held"
}

// Holder is what a client knows of a lock that it was granted: whether the work under it
// may go on. It is a machine without a clock; its owner cancels the context when the phase leaves
// Held, and ends what still runs when it is Over.
//
// # How long
//
// The lease is counted from the moment at which the request that renewed it was sent, which is before
// the service counted it. With a lease l, drift d (a fraction) and margin m the work may go on for
//
//	l·(1−d)/(1+d) − m
//
// by the client's clock: the service's clock may be fast by d, so that its l is but l/(1+d) of true time, and the
// client's slow by d, so that it shows only (1−d) of that. So the drift costs l·2d/(1+d), 20 ms of 10 s at the default,
// on top of the margin.
//
// # Clocks
//
// Of two moments both the monotonic difference and that of the wall clock are taken, and
// the greater counts: on Linux the monotonic clock stands still while the machine sleeps,
// and the wall clock is right again when it wakes. A wall clock that is set forward may end a lease early; one that is set
// back changes nothing. Every method looks at the time first, so a process that was stopped sees that its
// lease is over before it does anything else; and what is over stays so, whatever
// renewal comes in late. What cannot be seen from inside, a virtual machine put back to an earlier
// moment, or stopped between asking Holds and acting, is what guards are for.
type Holder struct {
	margin time.Duration
	drift  int64

	phase  Phase
	cause  Cause
	token  uint64        // the last one granted
	sent   time.Time     // of the renewal that counts
	usable time.Duration // from sent to the end, drift taken off
	latest time.Time     // the last now
}

// NewHolder makes a holder that holds nothing.
func NewHolder(cfg HolderConfig) (*Holder, error) {
	if cfg.Drift == 0 {
		cfg.Drift = driftDefault
	}
	if cfg.Margin <= 0 {
		return nil, fmt.Errorf("lock: the margin %v is not positive: give the time that the work needs to stop", cfg.Margin)
	}
	if cfg.Drift < 0 || cfg.Drift > driftMax {
		return nil, fmt.Errorf("lock: a drift of %d millionths cannot be: use 1 to %d, or 0 for %d", cfg.Drift, driftMax, driftDefault)
	}
	return &Holder{margin: cfg.Margin, drift: int64(cfg.Drift)}, nil
}

// Usable is for how long after the sending of a renewal the work may go on. The error says that
// the lease is too short for the margin.
func (h *Holder) Usable(lease time.Duration) (time.Duration, error) {
	left := h.shorten(lease) - h.margin
	if left <= 0 {
		return 0, fmt.Errorf("lock: a lease of %v leaves no time before a margin of %v: use a longer lease or a shorter margin", lease, h.margin)
	}
	return left, nil
}

// shorten takes the drift off a lease.
func (h *Holder) shorten(lease time.Duration) time.Duration {
	const million = 1_000_000
	// Not lease*(1-d): a lease of years would overflow.
	per := million + h.drift
	return lease - lease/time.Duration(per)*time.Duration(2*h.drift) - lease%time.Duration(per)*time.Duration(2*h.drift)/time.Duration(per) - 1
}

// Granted tells that the service has granted the lock. sent is when the last request that the service has
// answered in this session was sent, and lease what it renewed the session for. It says whether the work may begin; if
// not, the token is an old one or the lease is nearly over: renew it, and call again.
func (h *Holder) Granted(now time.Time, token uint64, sent time.Time, lease time.Duration) bool {
	h.Tick(now)
	if h.phase == Held && token == h.token {
		h.renew(sent, lease)
		return true
	}
	if token <= h.token {
		return false
	}
	usable := h.shorten(lease)
	if h.elapsed(now, sent) >= usable-h.margin {
		return false
	}
	h.phase, h.cause, h.token, h.sent, h.usable = Held, NoCause, token, sent, usable
	return true
}

// Renewed tells that the session was renewed by a request sent at that moment. It comes too late
// if the work was told to stop.
func (h *Holder) Renewed(now, sent time.Time, lease time.Duration) {
	if h.Tick(now) == Held {
		h.renew(sent, lease)
	}
}

// renew counts from a later request.
func (h *Holder) renew(sent time.Time, lease time.Duration) {
	if sent.After(h.sent) && !sent.After(h.latest) {
		h.sent, h.usable = sent, h.shorten(lease)
	}
}

// Revoke tells that the lock is not held any more: BrokenBy, LostTo, SessionOver, or Given
// when the holder leaves it. Notices of former tokens change nothing.
func (h *Holder) Revoke(now time.Time, token uint64, why Cause) {
	if h.Tick(now) != Idle && h.phase != Over && token == h.token {
		h.end(why)
	}
}

// end ends the holding for good. Who asked first why it stopped is told so ever after.
func (h *Holder) end(why Cause) {
	if h.cause == NoCause {
		h.cause = why
	}
	h.phase = Over
}

// Tick looks at the time and says what holds now.
func (h *Holder) Tick(now time.Time) Phase {
	if h.phase == Held || h.phase == Stopping {
		h.look(now)
	}
	if h.latest.IsZero() || now.After(h.latest) {
		h.latest = now
	}
	return h.phase
}

// look moves the phase along with the time.
func (h *Holder) look(now time.Time) {
	if canary == Overstays {
		return
	}
	gone := h.elapsed(now, h.sent)
	switch {
	case now.Before(h.latest) || gone < 0:
		h.end(ClockBack)
	case gone >= h.usable:
		h.end(LeaseOver)
	case gone >= h.usable-h.margin && h.phase == Held:
		h.phase, h.cause = Stopping, LeaseEnding
	}
}

// elapsed is how much time has gone by, by the clock that shows more.
func (h *Holder) elapsed(now, since time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// Holds says whether the work may go on. Ask right before each step that others see.
func (h *Holder) Holds(now time.Time) bool { return h.Tick(now) == Held }

// Deadline is when to Tick next: when the work has to stop, then when it must have. Zero: never.
func (h *Holder) Deadline() time.Time {
	switch h.phase {
	case Held:
		if canary == Overstays {
			return time.Time{}
		}
		return h.sent.Add(h.usable - h.margin)
	case Stopping:
		return h.sent.Add(h.usable)
	}
	return time.Time{}
}

// Ends is when another may be granted the lock: what runs then must be killed before. It is zero if
// nothing is held.
func (h *Holder) Ends() time.Time {
	if h.phase == Held || h.phase == Stopping {
		return h.sent.Add(h.usable)
	}
	return time.Time{}
}

// Token is the last token granted; 0: none yet.
func (h *Holder) Token() uint64 { return h.token }

// Why is the cause for which the work had to stop; NoCause while it may go on.
func (h *Holder) Why() Cause { return h.cause }
