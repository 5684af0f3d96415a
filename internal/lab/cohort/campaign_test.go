package cohort_test

import (
	"fmt"
	"testing"
	"time"
)

func TestTheSurvivorsOfKillsGoOn(t *testing.T) {
	for _, s := range []shape{
		{members: 5, transport: "udp", engine: "sequencer", suspect: 100 * time.Millisecond},
		{members: 5, transport: "multicast", engine: "lamport", suspect: 100 * time.Millisecond},
		{members: 5, transport: "tcp", engine: "isis", suspect: 100 * time.Millisecond},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 1)
			w.found()
			w.killAndReturn(w.seniors()[0])
			w.killAndReturn(w.seniors()[1:3]...)
			w.killAndReturn(w.seniors()[:2]...)
			w.cascade(w.seniors()[0], w.seniors()[1])
			w.cascade(w.seniors()[4], w.seniors()[0])
			w.killAndReturnAtOnce(w.seniors()[2])
			w.calm()
		})
	}
}

func TestTheStateIsGivenThoughItsDonorIsKilled(t *testing.T) {
	for _, s := range []shape{
		{members: 5, transport: "udp", ballast: 8 << 20},
		{members: 5, transport: "tcp", ballast: 8 << 20},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 2)
			w.found()
			w.killDonor(w.seniors()[4])
			w.calm()
		})
	}
}

func TestWhoStandsStillIsExpelledAndComesBack(t *testing.T) {
	for _, s := range []shape{
		{members: 3, transport: "multicast", engine: "sequencer"},
		{members: 5, transport: "tcp", engine: "lamport"},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 3)
			w.found()
			w.freeze(w.seniors()[0])
			w.blink()
			w.calm()
		})
	}
}

func TestAPartitionLeavesOneGroupAndAllMeetAgain(t *testing.T) {
	for _, c := range []struct {
		shape
		faults func(w *world)
	}{
		{shape{members: 5, transport: "udp", engine: "isis"}, func(w *world) {
			w.split(w.seniors()[:2]...)
			w.mute(w.seniors()[0])
			w.deafen(w.seniors()[1])
		}},
		{shape{members: 5, transport: "tcp", engine: "sequencer"}, func(w *world) {
			w.split(w.seniors()[0])
			w.mute(w.seniors()[1])
			w.estrange(w.seniors()[0], w.seniors()[1], true)
		}},
		{shape{members: 5, transport: "multicast", engine: "lamport"}, func(w *world) {
			w.split(w.seniors()[3:]...)
			w.deafen(w.seniors()[0])
			w.estrange(w.seniors()[2], w.seniors()[3], false)
		}},
	} {
		t.Run(c.shape.String(), func(t *testing.T) {
			w := newWorld(t, c.shape, 4)
			w.found()
			c.faults(w)
			w.calm()
		})
	}
}

func TestPartsThatGoOnApartMerge(t *testing.T) {
	for _, s := range []shape{
		{members: 5, transport: "udp", engine: "lamport", partition: "all"},
		{members: 4, transport: "tcp", engine: "isis", partition: "all"},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 5)
			w.found()
			w.split(w.names[:2]...)
			w.split(w.names[3:]...)
			w.killAndReturn(w.seniors()[0])
			w.calm()
		})
	}
}

func TestLossDelaysAndLosesNothing(t *testing.T) {
	for _, s := range []shape{
		{members: 3, transport: "udp", engine: "sequencer"},
		{members: 3, transport: "multicast", engine: "isis"},
		{members: 3, transport: "tcp", engine: "lamport", suspect: 500 * time.Millisecond},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 6)
			w.found()
			w.lose(5, 2*time.Second)
			w.lose(20, 2*time.Second)
			w.must(w.net.Mend())
			w.calm()
		})
	}
}

func TestAStormOfJoinsAndLeaves(t *testing.T) {
	for _, s := range []shape{
		{members: 5, transport: "udp", engine: "sequencer"},
		{members: 5, transport: "tcp", engine: "isis"},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 7)
			w.found()
			w.storm(25)
			w.calm()
		})
	}
}

func TestASlowConsumerIsNamedByAll(t *testing.T) {
	for _, s := range []shape{
		{members: 3, transport: "udp", queue: 100 << 10},
		{members: 3, transport: "tcp", queue: 100 << 10},
	} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, 8)
			w.found()
			w.slow(w.seniors()[1])
			w.calm()
		})
	}
}

func TestAWitnessKeepsAPairGoing(t *testing.T) {
	for _, stateless := range []bool{false, true} {
		t.Run(fmt.Sprintf("stateless %v", stateless), func(t *testing.T) {
			w := newWorld(t, shape{members: 3, transport: "udp", witness: true, stateless: stateless}, 9)
			w.found()
			w.killAndReturn("b")
			w.killAndReturn("c")
			w.calm()
		})
	}
}
