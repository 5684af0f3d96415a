package takeover

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func config() Config {
	return Config{
		Self:    view.Member{ID: 1, Incarnation: 7},
		Members: []Candidate{{1, 150}, {2, 100}}, Links: 2,
		Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond,
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		says   string
	}{
		{func(c *Config) { c.Self.Incarnation = 0 }, "incarnation must be known"},
		{func(c *Config) { c.Self.ID = 3 }, "self is m3, who is not among the 2 members"},
		{func(c *Config) { c.Members[1].ID = 1 }, "sorted by ID, each once"},
		{func(c *Config) { c.Members[0].ID = 0 }, "number 1 is nobody"},
		{func(c *Config) { c.Members = make([]Candidate, 17) }, "at most 16"},
		{func(c *Config) { c.Links = 0 }, "0 links"},
		{func(c *Config) { c.Links = 9 }, "there must be 1 to 8"},
		{func(c *Config) { c.Heartbeat = time.Microsecond }, "at least 1ms"},
		{func(c *Config) { c.SuspectAfter = 29 * time.Millisecond }, "at least 3 heartbeats, 30ms"},
	} {
		cfg := config()
		c.change(&cfg)
		if _, err := New(cfg, Recovered{}, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("New: %v; want something with %q", err, c.says)
		}
	}
	if _, err := New(config(), Recovered{}, nil); err != nil {
		t.Error(err)
	}
}

// Epochs of different members never collide, and the better member's goes before the
// others' of the same round.
func TestEpochsBelongToMembers(t *testing.T) {
	cfg := config()
	cfg.Members = []Candidate{{1, 100}, {2, 150}, {4, 100}, {9, 0}}
	m, err := New(cfg, Recovered{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	owner := map[view.Epoch]view.ID{}
	for m.highest = 0; m.highest < 50; m.highest++ {
		for _, c := range cfg.Members {
			e := m.next(c.ID)
			if e <= m.highest || e > m.highest+2*view.Epoch(len(cfg.Members)) {
				t.Fatalf("after %d, %v takes %d", m.highest, c.ID, e)
			}
			if owner[e] != view.Nobody && owner[e] != c.ID {
				t.Fatalf("%v and %v both own epoch %d", owner[e], c.ID, e)
			}
			owner[e] = c.ID
		}
		if !(m.next(2) > m.next(1) && m.next(1) > m.next(4) && m.next(4) > m.next(9)) {
			t.Fatalf("after %d the round is not in the order of the ranks", m.highest)
		}
	}
}

// Members whose configurations differ may meet in one epoch; even then both decide alike.
func TestOneEpochIsDecidedByPriorityThenID(t *testing.T) {
	m, _, _ := running(t)
	for _, c := range []struct {
		epoch    view.Epoch
		priority uint8
		loses    bool
	}{{m.epoch + 1, 0, true}, {m.epoch - 1, 255, false}, {m.epoch, 151, true}, {m.epoch, 150, false}, {m.epoch, 149, false}} {
		p := &peer{id: 2, said: message{epoch: c.epoch, priority: c.priority}}
		if got := m.loses(p); got != c.loses {
			t.Errorf("epoch %d against %d, priority %d against %d: loses is %v", m.epoch, c.epoch, m.priority, c.priority, got)
		}
	}
	if m.cfg.Self.ID = 3; !m.loses(&peer{id: 2, said: message{epoch: m.epoch, priority: m.priority}}) {
		t.Error("of equals the lower ID must stay")
	}
}

func TestWordsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, words := range [][]fmt.Stringer{
		{Waiting, Standby, Promoting, Active, Draining, Stopped, Role(0), Stopped + 1},
		{Commit, Raise, Lower, Announce, Announce + 1},
		{None, Vacancy, Silence, Goodbye, Rebirth, Unhealthy, Requested, Preemption, Stopping, Contest, Unheard,
			Renewal, Withdrawn, TargetLost, TargetLate, LowerLate, LowerLate + 1},
	} {
		for _, w := range words {
			if s := w.String(); s == "" || seen[s] {
				t.Errorf("%T %d is called %q, and something else too", w, w, s)
			}
			seen[w.String()] = true
		}
	}
}

func TestMessageRoundTrip(t *testing.T) {
	for _, s := range []message{
		{role: Waiting, sequence: 1},
		{role: Standby, flags: flagHealthy | flagSynced | flagAsks, priority: 255, hears: 3, active: 2, sequence: 1 << 63, heard: 9, epoch: 4, raised: 4, highest: 5},
		{role: Draining, flags: flagHealthy, priority: 1, active: 1, successor: 2, sequence: 77, epoch: 3, raised: 3, highest: 4, offered: 4},
		{role: Standby, flags: flagGranted, successor: 2, sequence: 78, offered: epochMax, highest: epochMax},
	} {
		b := s.append(nil)
		if got, ok := parse(b, 2); len(b) != messageSize || !ok || got != s {
			t.Errorf("%d bytes, %v:\n%+v\n%+v", len(b), ok, got, s)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := message{role: Active, flags: flagHealthy, priority: 1, hears: 1, heard: 5, active: 1, sequence: 9, epoch: 3, raised: 3, highest: 3}
	b := good.append(nil)
	if _, ok := parse(b, 2); !ok {
		t.Fatal("the message that is spoiled below is bad already")
	}
	for name, spoil := range map[string]func(*message){
		"role zero":                 func(s *message) { s.role = 0 },
		"unknown role":              func(s *message) { s.role = 7 },
		"unknown flag":              func(s *message) { s.flags = 64 },
		"link that is not there":    func(s *message) { s.hears = 4 },
		"hears nobody":              func(s *message) { s.heard = 0 },
		"hears on no link":          func(s *message) { s.hears = 0 },
		"sequence zero":             func(s *message) { s.sequence = 0 },
		"active in no epoch":        func(s *message) { s.epoch = 0 },
		"promoting in no epoch":     func(s *message) { s.role, s.epoch = Promoting, 0 },
		"epoch too high":            func(s *message) { s.epoch = epochMax + 1 },
		"raised too high":           func(s *message) { s.raised = epochMax + 1 },
		"highest too high":          func(s *message) { s.highest = epochMax + 1 },
		"offer too high":            func(s *message) { s.successor, s.offered = 2, epochMax+1 },
		"successor without offer":   func(s *message) { s.successor = 2 },
		"offer without successor":   func(s *message) { s.offered = 4 },
		"granted without offer":     func(s *message) { s.flags |= flagGranted },
		"draining without an offer": func(s *message) { s.role = Draining },
	} {
		bad := good
		spoil(&bad)
		if _, ok := parse(bad.append(nil), 2); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range b {
		if _, ok := parse(b[:n], 2); ok {
			t.Errorf("%d bytes: accepted", n)
		}
	}
	for _, at := range []int{0, 5} {
		bad := append([]byte(nil), b...)
		bad[at] = 9
		if _, ok := parse(bad, 2); ok {
			t.Errorf("byte %d = 9: accepted", at)
		}
	}
	if _, ok := parse(append(b, 0), 2); ok {
		t.Error("one byte more: accepted")
	}
}

// running gives an active machine with one peer that it hears on both links, and the
// peer's heartbeat number n, good until the next.
func running(t testing.TB) (m *Machine, now time.Time, heartbeat func(n uint64) []byte) {
	m, err := New(config(), Recovered{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	said := message{role: Standby, flags: flagHealthy | flagSynced, priority: 100, hears: 3, active: 1, heard: 7, epoch: 3, raised: 3, highest: 3}
	buffer := make([]byte, 0, messageSize)
	heartbeat = func(n uint64) []byte {
		said.sequence = n
		buffer = said.append(buffer[:0])
		return buffer
	}
	now = time.Unix(1000, 0)
	var out Output
	m.Start(now, &out)
	for m.Role() != Promoting {
		now = m.Deadline()
		m.Tick(now, &out)
	}
	m.Committed(now, m.epoch, &out)
	m.Raised(now, m.epoch, &out)
	from := view.Member{ID: 2, Incarnation: 1}
	m.Receive(now, from, 1, heartbeat(1), &out)
	m.Receive(now, from, 2, heartbeat(2), &out)
	if m.Role() != Active || !m.Status().Peers[0].Ready {
		t.Fatalf("%+v", m.Status())
	}
	return m, now, heartbeat
}

func TestReceiveDropsWhatDoesNotCount(t *testing.T) {
	m, now, heartbeat := running(t)
	var out Output
	later := bytes.Clone(heartbeat(10))
	m.Receive(now, view.Member{ID: 2, Incarnation: 2}, 1, later, &out)
	other := message{role: Standby, sequence: 20, hears: 1, heard: 6}
	pretender := message{role: Active, sequence: 20, active: 1, epoch: 9}
	for _, c := range []struct {
		from    view.Member
		link    uint8
		payload []byte
		why     wire.Reason
	}{
		{view.Member{ID: 3, Incarnation: 1}, 1, later, wire.UnknownSender},
		{view.Member{ID: 1, Incarnation: 1}, 1, later, wire.UnknownSender},
		{view.Member{ID: 2}, 1, later, wire.UnknownSender},
		{view.Member{ID: 2, Incarnation: 2}, 0, heartbeat(11), wire.Malformed},
		{view.Member{ID: 2, Incarnation: 2}, 3, heartbeat(11), wire.Malformed},
		{view.Member{ID: 2, Incarnation: 2}, 1, nil, wire.Malformed},
		{view.Member{ID: 2, Incarnation: 2}, 1, pretender.append(nil), wire.Malformed},
		{view.Member{ID: 2, Incarnation: 1}, 1, heartbeat(11), wire.OldIncarnation},
		{view.Member{ID: 2, Incarnation: 2}, 1, other.append(nil), wire.WrongDestination},
		{view.Member{ID: 2, Incarnation: 9}, 1, other.append(nil), wire.WrongDestination},
		{view.Member{ID: 2, Incarnation: 2}, 1, later, wire.Stale},
	} {
		was := *m
		was.peers = append([]peer(nil), m.peers...)
		out.Reset()
		m.Receive(now, c.from, c.link, c.payload, &out)
		was.dropped[c.why]++
		same(t, &was, m)
		if len(out.Send)+len(out.Deliver) > 0 {
			t.Errorf("%v: %+v", c.why, out)
		}
	}
}

// same fails unless two machines are equal.
func same(t *testing.T, want, got *Machine) {
	t.Helper()
	a, b := *want, *got
	for i := range a.peers {
		if a.peers[i] != b.peers[i] {
			t.Errorf("peer:\nwant %+v\ngot  %+v", a.peers[i], b.peers[i])
		}
	}
	for _, m := range []*Machine{&a, &b} {
		m.cfg, m.peers = Config{}, nil
	}
	if s, g := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); s != g {
		t.Errorf("want %s\ngot  %s", s, g)
	}
}

// standby gives a standby that follows an active m2 in epoch 2, and a way to hear m2.
func standby(t *testing.T) (m *Machine, now time.Time, hear func(out *Output, change func(*message))) {
	m, err := New(config(), Recovered{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now = time.Unix(1000, 0)
	var first Output
	m.Start(now, &first)
	n := uint64(0)
	hear = func(out *Output, change func(*message)) {
		n++
		said := message{role: Active, flags: flagHealthy | flagSynced, priority: 100, hears: 3, active: 2,
			sequence: n, heard: 7, epoch: 2, raised: 2, highest: 2}
		change(&said)
		m.Receive(now, view.Member{ID: 2, Incarnation: 1}, 1, said.append(nil), out)
	}
	hear(&first, func(*message) {})
	if m.Role() != Standby {
		t.Fatalf("%+v", m.Status())
	}
	return m, now, hear
}

func offer(e view.Epoch) func(*message) {
	return func(s *message) { s.role, s.successor, s.offered, s.highest = Draining, 1, e, e }
}

func grant(e view.Epoch) func(*message) {
	return func(s *message) {
		s.role, s.successor, s.offered, s.highest = Standby, 1, e, e
		s.flags |= flagGranted
		s.active, s.epoch = view.Nobody, 0
	}
}

// A grant is not enough: the state must be in the kernel.
func TestAGrantWaitsForCommitted(t *testing.T) {
	m, now, hear := standby(t)
	var out Output
	hear(&out, grant(5))
	m.Raised(now, 5, &out)
	m.Committed(now, 4, &out)
	want := []Command{{Commit, 5, Requested}}
	if !slices.Equal(out.Deliver, want) || m.Role() != Promoting {
		t.Fatalf("%v: %v; want %v", m.Role(), out.Deliver, want)
	}
	m.Committed(now, 5, &out)
	if want = append(want, Command{Raise, 5, Requested}); !slices.Equal(out.Deliver, want) {
		t.Fatalf("%v; want %v", out.Deliver, want)
	}
	if m.Raised(now, 3, &out); m.Role() != Promoting {
		t.Error("Raised of another epoch counted")
	}
	if m.Raised(now, 5, &out); m.Role() != Active {
		t.Error("Raised did not count")
	}
}

// m1 of two, the better one, owns the odd epochs.
func TestAnOfferOfAnotherMembersEpochIsIgnored(t *testing.T) {
	m, _, hear := standby(t)
	var out Output
	hear(&out, offer(4))
	hear(&out, grant(6))
	if len(out.Deliver) != 0 {
		t.Error(out.Deliver)
	}
	if hear(&out, offer(7)); m.Role() != Promoting {
		t.Error("its own epoch is ignored as well")
	}
}

// handingOver gives an active that hands over to m2 in epoch 4, and m2's answer.
func handingOver(t *testing.T) (m *Machine, now time.Time, answer func(out *Output, change func(*message))) {
	m, now, _ = running(t)
	var out Output
	m.Proven(now, 2, true, &out)
	if err := m.Switch(now, 2, &out); err != nil || m.handover.epoch != 4 {
		t.Fatal(err, m.handover)
	}
	n := uint64(10)
	return m, now, func(out *Output, change func(*message)) {
		n++
		said := message{role: Promoting, flags: flagHealthy | flagSynced | flagReady, priority: 100, hears: 3, active: 1,
			sequence: n, heard: 7, epoch: 4, raised: 3, highest: 4}
		change(&said)
		m.Receive(now, view.Member{ID: 2, Incarnation: 1}, 1, said.append(nil), out)
	}
}

func TestLoweredOfAnotherEpochGrantsNothing(t *testing.T) {
	m, now, answer := handingOver(t)
	var out Output
	answer(&out, func(*message) {})
	if want := []Command{{Lower, 3, Requested}}; !slices.Equal(out.Deliver, want) {
		t.Fatalf("%v; want %v", out.Deliver, want)
	}
	if m.Lowered(now, 2, &out); m.Role() != Draining {
		t.Error("Lowered of another epoch counted")
	}
	if m.Lowered(now, 3, &out); m.Role() != Standby || !m.handover.granted || m.raised != 4 {
		t.Errorf("Lowered did not count: %v, raised in %d, %+v", m.Role(), m.raised, m.handover)
	}
}

func TestWithoutPreemptionAskingIsInVain(t *testing.T) {
	m, now, _ := running(t)
	var out Output
	m.Proven(now, 2, true, &out)
	asks := message{role: Standby, flags: flagHealthy | flagSynced | flagAsks, priority: 255, hears: 3, active: 1,
		heard: 7, epoch: 3, raised: 3, highest: 3, sequence: 30}
	m.Receive(now, view.Member{ID: 2, Incarnation: 1}, 1, asks.append(nil), &out)
	if m.Role() != Active {
		t.Error(m.Role())
	}
	m.cfg.Preempt = true
	if m.Health(now, 0, &out); m.Role() != Draining {
		t.Error("nor with it:", m.Role())
	}
}

func TestALaterEpochEndsAHandover(t *testing.T) {
	m, _, answer := handingOver(t)
	var out Output
	answer(&out, func(s *message) { s.highest = 5 })
	if m.Role() != Active || m.reason != Renewal || len(out.Deliver) != 0 {
		t.Errorf("%v (%v): %v", m.Role(), m.reason, out.Deliver)
	}
}

// What comes late over a slow link keeps that link alive and says nothing new.
func TestASlowLinkDoesNotBringBackOldNews(t *testing.T) {
	m, now, heartbeat := running(t)
	var out Output
	from := view.Member{ID: 2, Incarnation: 1}
	old := bytes.Clone(heartbeat(20))
	ill := message{role: Standby, priority: 100, hears: 3, heard: 7, sequence: 21}
	m.Receive(now, from, 1, ill.append(nil), &out)
	now = now.Add(time.Millisecond)
	m.Receive(now, from, 2, old, &out)
	s := m.Status().Peers[0]
	if s.Healthy || s.Synced || !s.Links[1].Last.Equal(now) {
		t.Errorf("%+v", s)
	}
}

// A state that flaps does not make more rounds than the bound between two beats.
func TestChangesAreToldInBoundedRounds(t *testing.T) {
	m, now, _ := running(t)
	var out Output
	m.Tick(m.Deadline(), &out)
	out.Reset()
	for i := range 100 {
		m.Health(now, i%2, &out)
	}
	if rounds := len(out.Send) / m.cfg.Links; rounds != burstMax-1 {
		t.Errorf("%d rounds besides the beat; want %d", rounds, burstMax-1)
	}
}

// An active that is being stopped while it moves into a later epoch does not raise any more.
func TestAStopEndsARenewal(t *testing.T) {
	m, now, _ := running(t)
	var out Output
	m.raised, m.highest, m.lateSince = 9, 9, now.Add(-time.Second)
	m.peers[0].said.flags = 0 // nobody to hand over to
	m.Health(now, 0, &out)
	if want := []Command{{Commit, 11, Renewal}}; !slices.Equal(out.Deliver, want) {
		t.Fatalf("%v; want %v", out.Deliver, want)
	}
	m.Stop(now, &out)
	m.Committed(now, 11, &out)
	if want := []Command{{Commit, 11, Renewal}, {Lower, 11, Stopping}}; !slices.Equal(out.Deliver, want) {
		t.Errorf("%v; want %v", out.Deliver, want)
	}
}

func TestASteadyStateAllocatesNothing(t *testing.T) {
	m, now, heartbeat := running(t)
	out := &Output{}
	from := view.Member{ID: 2, Incarnation: 1}
	n, rounds := uint64(10), 0
	round := func() {
		for link := uint8(1); link <= 2; link++ {
			n++
			m.Receive(now, from, link, heartbeat(n), out)
		}
		now = m.Deadline()
		m.Tick(now, out)
		rounds += len(out.Send)
		out.Reset()
	}
	for range 10 {
		round()
	}
	if got := testing.AllocsPerRun(500, round); got != 0 {
		t.Errorf("%v allocations a round", got)
	}
	if rounds < 500 || m.Role() != Active || !m.peers[0].alive {
		t.Errorf("%d heartbeats, %v: not the steady state", rounds, m.Role())
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	m, now, heartbeat := running(b)
	out := &Output{}
	from := view.Member{ID: 2, Incarnation: 1}
	n := uint64(10)
	b.ReportAllocs()
	for b.Loop() {
		for link := uint8(1); link <= 2; link++ {
			n++
			m.Receive(now, from, link, heartbeat(n), out)
		}
		now = m.Deadline()
		m.Tick(now, out)
		out.Reset()
	}
}
