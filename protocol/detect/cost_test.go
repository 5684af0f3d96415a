package detect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// steady is a machine with so many peers on two links, all heard once, and a function that
// runs it for one heartbeat interval: a heartbeat from each peer on each link, Tick, Deadline.
func steady(t testing.TB, peers int) (*Machine, func()) {
	cfg := Config{Self: view.Member{ID: 1, Incarnation: 1}, Links: 2, Heartbeat: testHeartbeat, SuspectAfter: testSuspect}
	for i := range peers {
		cfg.Peers = append(cfg.Peers, view.ID(i+2))
	}
	m, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	now := time.Unix(1e9, 0)
	m.Start(now, &out)
	said := message{hears: 3, heard: 1}
	var buf [messageSize]byte
	return m, func() {
		out.Reset()
		said.counter++
		for _, id := range cfg.Peers {
			for link := range uint8(2) {
				m.Receive(now, view.Member{ID: id, Incarnation: 1}, link+1, said.append(buf[:0]), &out)
			}
		}
		now = m.Deadline()
		m.Tick(now, &out)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	m, interval := steady(t, 9)
	for range 10 {
		interval()
	}
	if n := testing.AllocsPerRun(200, interval); n != 0 {
		t.Errorf("an interval allocates %v times", n)
	}
	now, out := m.Deadline(), Output{}
	if n := testing.AllocsPerRun(200, func() { m.Heard(now, view.Member{ID: 3, Incarnation: 1}, 2, &out) }); n != 0 {
		t.Errorf("Heard allocates %v times", n)
	}
	if !m.Trusts(view.Member{ID: 3, Incarnation: 1}) {
		t.Error("a peer that is heard is not trusted")
	}
}

func BenchmarkInterval(b *testing.B) {
	for _, peers := range []int{2, 31} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			_, interval := steady(b, peers)
			b.ReportAllocs()
			for b.Loop() {
				interval()
			}
		})
	}
}

func BenchmarkHeard(b *testing.B) {
	m, interval := steady(b, 31)
	interval()
	now, out := m.Deadline(), Output{}
	b.ReportAllocs()
	for b.Loop() {
		m.Heard(now, view.Member{ID: 17, Incarnation: 1}, 2, &out)
	}
}

// TestRates prints what loss costs: wrong suspicions an hour, and how long it takes to
// notice a death, with a heartbeat of a fifth of SuspectAfter on one link. What it holds
// the detector to is little: none without loss, and the bound on the time.
func TestRates(t *testing.T) {
	const hours, deaths = 1, 60
	for _, loss := range []float64{0, 0.01, 0.05, 0.20} {
		wrong, noticed := rates(t, loss, hours, deaths)
		slices.Sort(noticed)
		p50, p99, most := noticed[len(noticed)/2], noticed[len(noticed)*99/100], noticed[len(noticed)-1]
		t.Logf("loss %2.0f %%: %.2f wrong suspicions an hour; a death is noticed after p50 %v, p99 %v, at most %v (SuspectAfter %v)",
			loss*100, float64(wrong)/2/hours, p50, p99, most, testSuspect)
		if loss == 0 && wrong > 0 {
			t.Errorf("%d wrong suspicions without loss", wrong)
		}
		if most > patienceMax*testSuspect+2*time.Millisecond {
			t.Errorf("loss %v: a death was noticed after %v", loss, most)
		}
	}
}

// rates counts the wrong suspicions of two members of each other in so many hours, and
// then has one die and come back again and again.
func rates(t *testing.T, loss float64, hours, deaths int) (wrong int, noticed []time.Duration) {
	c := newCluster(t, 2, 1)
	c.loss = loss
	died := time.Time{}
	c.change = func(n *node, change Change) {
		switch {
		case !change.Suspected:
		case died.IsZero():
			wrong++
		case n.id == 1:
			noticed = append(noticed, c.now.Sub(died))
		}
	}
	c.start(c.nodes[0])
	c.start(c.nodes[1])
	for range hours {
		c.run(time.Hour)
	}
	for range deaths {
		// At any moment between two heartbeats, and not suspected by mistake.
		for c.run(5*time.Second + time.Duration(c.rng.Int64N(int64(testHeartbeat)))); !c.nodes[0].m.Trusts(view.Member{ID: 2, Incarnation: c.nodes[1].life}); {
			c.run(testHeartbeat)
		}
		died, c.nodes[1].up = c.now, false
		c.run(3 * time.Second)
		died = time.Time{}
		c.start(c.nodes[1])
	}
	return wrong, noticed
}
