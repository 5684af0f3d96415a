package cohort_test

import (
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/cohort"
)

// pause is longer than every timeout of a group whose members are suspected after
// 200 ms.
const pause = 2500 * time.Millisecond

// while lets everybody go on under load for a while.
const while = 400 * time.Millisecond

// killAndReturn kills members at once and starts them again.
func (w *world) killAndReturn(names ...string) {
	w.Helper()
	w.run(while)
	w.kill(names...)
	w.run(while)
	w.start(names...)
	w.awaitTogether(w.names...)
}

// cascade kills a second member about when the view without the first is being agreed on.
func (w *world) cascade(first, second string) {
	w.Helper()
	w.run(while)
	w.current[first].process.Kill()
	// What is to be hit takes about a millisecond.
	w.run(w.suspect - 3*time.Millisecond + time.Duration(w.chance.IntN(6))*time.Millisecond)
	w.kill(first, second)
	w.start(first, second)
	w.awaitTogether(w.names...)
}

// killAndReturnAtOnce starts a member again before anybody has missed it.
func (w *world) killAndReturnAtOnce(name string) {
	w.Helper()
	w.run(while)
	w.current[name].process.Kill()
	w.start(name)
	w.awaitTogether(w.names...)
}

// killDonor kills a member, starts it again, and kills the one that gives it the state in
// the middle of that.
func (w *world) killDonor(name string) {
	w.Helper()
	w.kill(name)
	began := cohort.Now()
	s := w.settings(name)
	s.Dawdle = 20 * time.Millisecond
	joiner := w.startAs(s)
	donor := ""
	w.await("at the middle of a state", func() bool {
		for _, other := range w.others(name) {
			if len(w.current[other].since(began, cohort.Given)) > 0 {
				donor = other
			}
		}
		return donor != "" && len(joiner.since(began, cohort.Emptied)) > 0
	})
	if len(joiner.since(began, cohort.Restored)) > 0 {
		w.fail("the state was there before the donor could be killed; give it more ballast")
	}
	w.kill(donor)
	w.await("the state is given by another", func() bool { return joiner.view != nil })
	if n := len(joiner.since(began, cohort.Emptied)); n < 2 {
		w.fail("%s was killed while it gave the state, and %s began to take one %d times", donor, name, n)
	}
	w.start(donor)
	w.awaitTogether(w.names...)
}

// freeze stops members for longer than every timeout.
func (w *world) freeze(names ...string) {
	w.Helper()
	w.run(while)
	w.signal(syscall.SIGSTOP, names...)
	w.awaitTogether(w.others(names...)...)
	w.run(pause)
	before := cohort.Now()
	w.signal(syscall.SIGCONT, names...)
	w.awaitTogether(w.names...)
	for _, name := range names {
		if len(w.current[name].since(before, cohort.Expelled)) == 0 && w.partition != "all" {
			w.fail("%s was stopped for %v and was not told that it was expelled", name, pause)
		}
	}
}

// blink stops all members at once: nobody may be expelled for it.
func (w *world) blink() {
	w.Helper()
	w.run(while)
	before := cohort.Now()
	w.signal(syscall.SIGSTOP, w.names...)
	w.run(pause)
	w.signal(syscall.SIGCONT, w.names...)
	w.run(while)
	w.awaitTogether(w.names...)
	expelled := 0
	for _, name := range w.names {
		expelled += len(w.current[name].since(before, cohort.Expelled))
	}
	w.Logf("all were stopped for %v; %d were expelled", pause, expelled)
}

// split cuts the network in two, and mends it. The minority is blocked or goes on alone,
// as the partition policy says.
func (w *world) split(minority ...string) {
	w.Helper()
	w.run(while)
	began := cohort.Now()
	majority := w.others(minority...)
	w.must(w.net.Split(minority, majority))
	w.awaitTogether(majority...)
	if w.partition == "all" {
		w.awaitTogether(minority...)
	} else {
		w.await("told that it is blocked: "+strings.Join(minority, " "), func() bool {
			return !slices.ContainsFunc(minority, func(n string) bool { return len(w.current[n].since(began, cohort.Blocked)) == 0 })
		})
	}
	w.run(while)
	w.must(w.net.Mend())
	mended := cohort.Now()
	w.awaitTogether(w.names...)
	w.Logf("%s cut off and back: one view %v after mending", strings.Join(minority, " "), (cohort.Now() - mended).Round(time.Millisecond))
}

// mute cuts one way only: who hears everybody and is heard by nobody, or the other way
// round, or one way between two.
func (w *world) mute(name string) {
	w.Helper()
	w.run(while)
	for _, other := range w.others(name) {
		w.must(w.net.Cut(name, other, false))
	}
	w.awaitTogether(w.others(name)...)
	w.run(while)
	w.must(w.net.Mend())
	w.awaitTogether(w.names...)
}

// deafen is the opposite of mute.
func (w *world) deafen(name string) {
	w.Helper()
	w.run(while)
	for _, other := range w.others(name) {
		w.must(w.net.Cut(other, name, false))
	}
	w.awaitTogether(w.others(name)...)
	w.run(while)
	w.must(w.net.Mend())
	w.awaitTogether(w.names...)
}

// estrange cuts the ways between two that everybody else hears, for a while.
func (w *world) estrange(one, other string, both bool) {
	w.Helper()
	w.must(w.net.Cut(one, other, both))
	w.run(5 * w.suspect)
	w.must(w.net.Mend())
	w.awaitTogether(w.names...)
}

// lose loses a share of all packets for a time, in which everybody goes on.
func (w *world) lose(percent float64, d time.Duration) {
	w.Helper()
	before := w.deliveries()
	w.must(w.net.Lose(percent))
	w.run(d)
	if now := w.deliveries(); now == before {
		w.fail("with %g%% of the packets lost nothing was delivered for %v", percent, d)
	} else {
		w.Logf("with %g%% of the packets lost, %.0f deliveries a second", percent, float64(now-before)/d.Seconds())
	}
}

func (w *world) deliveries() (n int) {
	for _, l := range w.lives {
		for i := range l.records {
			if l.records[i].Kind == cohort.Delivered {
				n++
			}
		}
	}
	return n
}

// storm lets members leave, crash and come in, each at any time, for a number of times.
// Members with more than half of the votes stay.
func (w *world) storm(times int) {
	w.Helper()
	for range times {
		name := w.names[w.chance.IntN(len(w.names))]
		l := w.current[name]
		out := 0
		for _, n := range w.names {
			if c := w.current[n]; n != name && (c.process.Ended != 0 || !c.willing || c.view == nil) {
				out++
			}
		}
		switch {
		case l.process.Ended != 0:
			w.start(name)
		case 2*(out+1) >= len(w.names): // it must stay
		case !l.willing && w.chance.IntN(2) == 0:
			w.tell("join", name) // the same life
		case !l.willing, w.chance.IntN(2) == 0:
			l.process.Kill()
		default:
			w.tell("leave", name)
			w.await("asked to leave: "+name, func() bool { return !l.willing })
		}
		w.run(time.Duration(20+w.chance.IntN(200)) * time.Millisecond)
	}
}

// slow lets one member ask for no events until all others are told its name.
func (w *world) slow(name string) {
	w.Helper()
	w.run(while)
	others := w.others(name)
	before := cohort.Now()
	w.tell("deaf", name)
	w.tell("rate 1000", others...)
	w.await("told that "+name+" is slow", func() bool {
		for _, other := range others {
			named := w.current[other].since(before, cohort.Slow)
			if len(named) == 0 {
				return false
			}
			if from := named[0].From; from != name {
				w.fail("%s is slow, and %s was told that %q is", name, other, from)
			}
		}
		return true
	})
	w.Logf("%s asks for no events: all others know after %v", name, (cohort.Now() - before).Round(time.Millisecond))
	if !w.together(w.names...) {
		w.fail("%s, which is slow, was expelled", name)
	}
	w.tell("rate 60", others...)
	w.tell("hear", name)
	w.await("told that nobody is slow", func() bool {
		return !slices.ContainsFunc(others, func(n string) bool {
			named := w.current[n].since(before, cohort.Slow)
			return named[len(named)-1].From != ""
		})
	})
}

// garbage throws senseless bytes at all members from a machine that is no member's.
func (w *world) garbage(pieces int) {
	w.Helper()
	x := w.net.Machine(stranger)
	for _, name := range w.names {
		to := net.JoinHostPort(w.net.Machine(name).Address(), "7400")
		var c net.Conn
		network := "udp4"
		if w.transport == "tcp" {
			network = "tcp4"
		}
		for i := range pieces {
			if c == nil || i%10 == 0 && network == "tcp4" {
				w.must(x.Do(func() (err error) { c, err = net.DialTimeout(network, to, waitMost); return err }))
				defer c.Close()
			}
			b := make([]byte, w.chance.IntN(1400))
			for k := range b {
				b[k] = byte(w.chance.Uint32())
			}
			if i%2 == 0 {
				copy(b, "\x01\x01\xff\x00\x00\x02\x00\x00\x00") // a header might begin so
			}
			_, _ = c.Write(b) // a member that refuses the connection is right
		}
	}
}
