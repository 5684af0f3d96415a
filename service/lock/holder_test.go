package lock

import (
	"math/rand/v2"
	"testing"
	"time"
)

func newHolder(t *testing.T, margin time.Duration) (*Holder, time.Time) {
	t.Helper()
	h, err := NewHolder(HolderConfig{Margin: margin})
	if err != nil {
		t.Fatal(err)
	}
	return h, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}

func expect(t *testing.T, h *Holder, phase Phase, why Cause) {
	t.Helper()
	if h.phase != phase || h.Why() != why {
		t.Errorf("%v because %v, want %v because %v", h.phase, h.Why(), phase, why)
	}
}

func TestHolderSettings(t *testing.T) {
	for _, cfg := range []HolderConfig{{}, {Margin: -1}, {Margin: 1, Drift: -1}, {Margin: 1, Drift: driftMax + 1}} {
		if _, err := NewHolder(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	h, _ := newHolder(t, time.Second)
	if _, err := h.Usable(time.Second); err == nil {
		t.Error("a lease without time is taken")
	}
	// l(1-d)/(1+d) - m
	if left, err := h.Usable(10 * time.Second); err != nil || left < 8980*time.Millisecond || left > 8981*time.Millisecond {
		t.Errorf("of 10s: %v, %v", left, err)
	}
}

// TestTheWorkIsToldToStopBeforeTheLeaseEnds, and is over when it ends.
func TestTheWorkIsToldToStopBeforeTheLeaseEnds(t *testing.T) {
	h, at := newHolder(t, time.Second)
	if !h.Granted(at.Add(time.Second), 7, at, 10*time.Second) || !h.Holds(at.Add(time.Second)) {
		t.Fatal("not held")
	}
	stop := h.Deadline()
	if d := stop.Sub(at); d < 8900*time.Millisecond || d >= 9*time.Second {
		t.Errorf("stops after %v", d)
	}
	h.Tick(stop.Add(-1))
	expect(t, h, Held, NoCause)
	h.Tick(stop)
	expect(t, h, Stopping, LeaseEnding)
	h.Renewed(stop, stop.Add(-1), 10*time.Second)
	expect(t, h, Stopping, LeaseEnding) // too late
	if end := h.Deadline(); end.Sub(stop) != time.Second || end.Sub(at) >= 10*time.Second || !end.Equal(h.Ends()) {
		t.Errorf("ends after %v", end.Sub(at))
	}
	h.Tick(h.Deadline())
	expect(t, h, Over, LeaseEnding)
	if !h.Deadline().IsZero() || !h.Ends().IsZero() {
		t.Error("something comes after the end")
	}
	if h.Granted(h.latest, 7, h.latest, 10*time.Second) {
		t.Error("held again under a token that is over")
	}
	if !h.Granted(h.latest, 8, h.latest, 10*time.Second) || h.Token() != 8 {
		t.Error("not held under the next token")
	}
}

func TestARenewalCountsFromItsSending(t *testing.T) {
	h, at := newHolder(t, time.Second)
	h.Granted(at, 7, at, 10*time.Second)
	first := h.Deadline()
	h.Renewed(at.Add(5*time.Second), at.Add(2*time.Second), 10*time.Second)
	if d := h.Deadline().Sub(first); d != 2*time.Second {
		t.Errorf("moved by %v", d)
	}
	h.Renewed(at.Add(6*time.Second), at.Add(time.Second), 10*time.Second) // overtaken on the way
	h.Renewed(at.Add(6*time.Second), at.Add(time.Hour), 10*time.Second)   // sent in the future
	if d := h.Deadline().Sub(first); d != 2*time.Second {
		t.Errorf("moved by %v", d)
	}
}

// TestAStoppedProcessSeesTheEndFirst: whatever it does first after it was stopped.
func TestAStoppedProcessSeesTheEndFirst(t *testing.T) {
	for name, first := range map[string]func(h *Holder, now time.Time){
		"tick":    func(h *Holder, now time.Time) { h.Tick(now) },
		"ask":     func(h *Holder, now time.Time) { h.Holds(now) },
		"renew":   func(h *Holder, now time.Time) { h.Renewed(now, now.Add(-time.Millisecond), 10*time.Second) },
		"granted": func(h *Holder, now time.Time) { h.Granted(now, 7, now, 10*time.Second) },
		"leave":   func(h *Holder, now time.Time) { h.Revoke(now, 7, Given) },
	} {
		t.Run(name, func(t *testing.T) {
			h, at := newHolder(t, time.Second)
			h.Granted(at, 7, at, 10*time.Second)
			first(h, at.Add(time.Minute))
			expect(t, h, Over, LeaseOver)
		})
	}
}

func TestAGrantOfALeaseThatIsNearlyOverWaitsForTheRenewal(t *testing.T) {
	h, at := newHolder(t, time.Second)
	now := at.Add(9500 * time.Millisecond)
	if h.Granted(now, 7, at, 10*time.Second) {
		t.Fatal("held with half a second left")
	}
	if !h.Granted(now, 7, now, 10*time.Second) {
		t.Fatal("not held after the renewal")
	}
}

func TestAClockThatGoesBackEndsIt(t *testing.T) {
	h, at := newHolder(t, time.Second)
	h.Granted(at, 7, at, 10*time.Second)
	h.Tick(at.Add(2 * time.Second))
	h.Tick(at.Add(time.Second))
	expect(t, h, Over, ClockBack)
}

// TestTheWallClockCountsWhileTheMachineSleeps: time.Now has both clocks; Add moves both, Round(0) takes
// the monotonic one away.
func TestTheWallClockCountsWhileTheMachineSleeps(t *testing.T) {
	h, _ := newHolder(t, time.Second)
	sent := time.Now()
	h.Granted(sent, 7, sent, 10*time.Second)
	if woken := sent.Round(0).Add(time.Minute); h.elapsed(woken, sent) != time.Minute {
		t.Error("the wall clock is not counted")
	}
	if h.Tick(sent.Round(0).Add(time.Minute)) != Over {
		t.Error("held after a minute's sleep")
	}
}

func TestWhatTheServiceTakesIsOver(t *testing.T) {
	h, at := newHolder(t, time.Second)
	h.Revoke(at, 0, SessionOver)
	expect(t, h, Idle, NoCause)
	h.Granted(at, 7, at, 10*time.Second)
	h.Revoke(at, 6, BrokenBy) // of a former time
	expect(t, h, Held, NoCause)
	h.Revoke(at, 7, BrokenBy)
	expect(t, h, Over, BrokenBy)
	h.Granted(at, 9, at, 10*time.Second)
	h.Revoke(at, 9, Given)
	expect(t, h, Over, Given)
	for c := NoCause; c <= Given; c++ {
		if c.Error() == "" {
			t.Errorf("cause %d has no text", c)
		}
	}
}

// TestNobodyHoldsAfterTheServiceGrantsAnother draws clocks that are wrong by as much as they may be, and
// delays: when the service ends the lease in true time, the holder is not Held any more, and is Over.
func TestNobodyHoldsAfterTheServiceGrantsAnother(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		h, start := newHolder(t, time.Millisecond)
		skew := func() float64 { return 1 + (2*rng.Float64()-1)*driftDefault/1e6 }
		service, client := skew(), skew()
		local := func(truth time.Duration) time.Time { return start.Add(time.Duration(float64(truth) * client)) }
		lease := time.Duration(1+rng.IntN(100)) * 100 * time.Millisecond
		var truth, sent, ends time.Duration
		for i := range 1 + rng.IntN(10) {
			sent = truth
			received := sent + time.Duration(rng.Int64N(int64(lease)/4)) // by the service
			ends = received + time.Duration(float64(lease)/service)
			truth = received + time.Duration(rng.Int64N(int64(lease)/4))
			if i == 0 {
				h.Granted(local(truth), 1, local(sent), lease)
			} else {
				h.Renewed(local(truth), local(sent), lease)
			}
		}
		if got := h.Tick(local(ends)); got != Over && got != Idle {
			t.Fatalf("%v when the service ends the lease: clocks %v and %v, lease %v", got, service, client, lease)
		}
	}
}

func TestHolderAllocatesNothing(t *testing.T) {
	h, at := newHolder(t, time.Millisecond)
	h.Granted(at, 1, at, time.Second)
	if n := testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Millisecond)
		h.Renewed(at, at, time.Second)
		if !h.Holds(at) || h.Deadline().IsZero() {
			t.Fatal("not held")
		}
	}); n != 0 {
		t.Errorf("a renewal allocates %v times", n)
	}
}
