package cohort_test

import (
	"fmt"
	"testing"
	"time"
)

// campaign founds a group of each shape, lets something happen to it, and hears the judges
// when it is calm again.
func campaign(t *testing.T, seed uint64, shapes []shape, faults func(w *world)) {
	t.Helper()
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, s, seed)
			w.found()
			faults(w)
			w.calm()
		})
	}
}

func TestTheSurvivorsOfKillsGoOn(t *testing.T) {
	campaign(t, 1, []shape{
		{members: 5, transport: "udp", engine: "sequencer", suspect: 100 * time.Millisecond},
		{members: 5, transport: "multicast", engine: "lamport", suspect: 100 * time.Millisecond},
		{members: 5, transport: "tcp", engine: "isis", suspect: 100 * time.Millisecond},
	}, func(w *world) {
		w.killAndReturn(w.seniors()[0])
		w.killAndReturn(w.seniors()[1:3]...)
		w.killAndReturn(w.seniors()[:2]...)
		w.cascade(w.seniors()[0], w.seniors()[1])
		w.cascade(w.seniors()[4], w.seniors()[0])
		w.killAndReturnAtOnce(w.seniors()[2])
	})
}

func TestTheStateIsGivenThoughItsDonorIsKilled(t *testing.T) {
	campaign(t, 2, []shape{
		{members: 5, transport: "udp", ballast: 8 << 20},
		{members: 5, transport: "tcp", ballast: 8 << 20},
	}, func(w *world) {
		w.killDonor(w.seniors()[4])
	})
}

func TestWhoStandsStillIsExpelledAndComesBack(t *testing.T) {
	campaign(t, 3, []shape{
		{members: 3, transport: "multicast", engine: "sequencer"},
		{members: 5, transport: "tcp", engine: "lamport"},
	}, func(w *world) {
		w.freeze(w.seniors()[0])
		w.blink()
	})
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
		campaign(t, 4, []shape{c.shape}, c.faults)
	}
}

func TestPartsThatGoOnApartMerge(t *testing.T) {
	campaign(t, 5, []shape{
		{members: 5, transport: "udp", engine: "lamport", partition: "all"},
		{members: 4, transport: "tcp", engine: "isis", partition: "all"},
	}, func(w *world) {
		w.split(w.names[:2]...)
		w.split(w.names[3:]...)
		w.killAndReturn(w.seniors()[0])
	})
}

func TestLossDelaysAndLosesNothing(t *testing.T) {
	campaign(t, 6, []shape{
		{members: 3, transport: "udp", engine: "sequencer"},
		{members: 3, transport: "multicast", engine: "isis"},
		{members: 3, transport: "tcp", engine: "lamport", suspect: 500 * time.Millisecond},
	}, func(w *world) {
		w.lose(5, 2*time.Second)
		w.lose(20, 2*time.Second)
		w.must(w.net.Mend())
	})
}

func TestAStormOfJoinsAndLeaves(t *testing.T) {
	campaign(t, 7, []shape{
		{members: 5, transport: "udp", engine: "sequencer"},
		{members: 5, transport: "tcp", engine: "isis"},
	}, func(w *world) {
		w.storm(25)
	})
}

func TestASlowConsumerIsNamedByAll(t *testing.T) {
	campaign(t, 8, []shape{
		{members: 3, transport: "udp", queue: 100 << 10},
		{members: 3, transport: "tcp", queue: 100 << 10},
	}, func(w *world) {
		w.slow(w.seniors()[1])
	})
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
