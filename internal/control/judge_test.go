package control

import (
	"strings"
	"testing"
	"time"
)

// pair is the status of an active node whose peer is proven: nothing is wrong.
func pair() Status {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Status{
		At: at, Version: "v1", Cluster: "edge", Node: "fw1", Fingerprint: "ab46f3db", Started: at.Add(-time.Hour),
		Role: Active, Since: at.Add(-time.Minute), Epoch: 7, Incarnation: 1<<63 + 1,
		Addresses: []Address{{"192.0.2.1/24", "eth0", true}},
		Tracked:   []Interface{{"eth0", true}},
		Peers: []Peer{{
			Name: "fw2", Priority: 100, Role: Standby, Epoch: 7, Incarnation: 5, Alive: true, Ready: true,
			Links: []Link{
				{"lan", "192.0.2.3", true, new(Milliseconds(3))},
				{"sync", "198.51.100.2", true, new(Milliseconds(3))},
			},
			Proof: Proof{State: Proven, Confirmed: 1000, DigestOurs: "00000000000000aa", DigestTheirs: "00000000000000aa",
				LastProvenMSAgo: new(Milliseconds(4))},
			Received: Received{Synced: true},
		}},
		Flows:    Flows{Own: 1000, Kernel: 1010, KernelMax: 262144},
		Counters: Counters{Dropped: map[string]uint64{"forged seal": 3}, InjectionErrors: map[string]uint64{}},
	}
}

// standby is the same pair seen from the other side.
func standby() Status {
	s := pair()
	s.Role, s.Addresses[0].Held = Standby, false
	s.Peers[0].Role = Active
	s.Peers[0].Received = Received{Objects: 1000, Synced: true}
	s.Peers[0].Proof = Proof{State: Proven}
	return s
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Status)
		verdict  Verdict
		survives int
		why      string // in the first cause
		action   string
	}{
		{"nothing is wrong", func(*Status) {}, Protected, 1, "", ""},
		{"changes on the way", func(s *Status) {
			s.Peers[0].Proof = Proof{State: Behind, ObjectsBehind: 12, LagMS: 3, LastProvenMSAgo: new(Milliseconds(3))}
		}, Protected, 1, "", ""},
		{"far behind", func(s *Status) {
			s.Peers[0].Proof = Proof{State: Behind, ObjectsBehind: 12402, LagMS: 38000, LastProvenMSAgo: new(Milliseconds(38000))}
		}, Degraded, 0, "fw2: 12,402 changes unconfirmed for 38 s", "holdfast status --watch"},
		{"behind and never proven", func(s *Status) {
			s.Peers[0].Proof = Proof{State: Behind, ObjectsBehind: 2, LagMS: 3}
		}, Degraded, 0, "unconfirmed", ""},
		{"an old proof", func(s *Status) {
			s.Peers[0].Proof = Proof{State: Behind, LastProvenMSAgo: new(Milliseconds(5000))}
		}, Degraded, 0, "last proven 5.0 s ago", ""},
		{"diverged", func(s *Status) { s.Peers[0].Proof.State = Diverged; s.Peers[0].Proof.DigestTheirs = "bb" },
			Degraded, 0, "fw2: its copy differs", "holdfast resync fw2"},
		{"syncing", func(s *Status) { s.Peers[0].Proof = Proof{State: Syncing, ObjectsBehind: 70} }, Degraded, 0, "70 flows to go", ""},
		{"confirms nothing", func(s *Status) { s.Peers[0].Proof = Proof{State: Away} }, Degraded, 0, "confirms no states", ""},
		{"no proof at all", func(s *Status) { s.Peers[0].Proof = Proof{} }, Degraded, 0, "nothing is known", ""},
		{"not ready", func(s *Status) { s.Peers[0].Ready = false }, Unprotected, 0, "could not take over", ""},
		{"not ready for want of states", func(s *Status) { s.Peers[0].Ready, s.Peers[0].Proof = false, Proof{State: Syncing, ObjectsBehind: 9} },
			Degraded, 0, "9 flows to go", ""},
		{"not ready and a moment behind", func(s *Status) {
			s.Peers[0].Ready = false
			s.Peers[0].Proof = Proof{State: Behind, ObjectsBehind: 1, LagMS: 1, LastProvenMSAgo: new(Milliseconds(1))}
		}, Degraded, 0, "does not say yet", ""},
		{"refused", func(s *Status) { s.Peers[0].Refused = `its cluster is "rim"` }, Unprotected, 0, `fw2 is refused: its cluster is "rim"`, "holdfast check FILE"},
		{"silent", func(s *Status) {
			p := &s.Peers[0]
			p.Alive = false
			p.Links[0].Heard, p.Links[0].SilentMS = false, new(Milliseconds(42000))
			p.Links[1].Heard, p.Links[1].SilentMS = false, new(Milliseconds(41000))
		}, Unprotected, 0, "fw2 is silent on every link (lan, sync) for 41 s", "ping -c 3 192.0.2.3"},
		{"never heard", func(s *Status) {
			p := &s.Peers[0]
			p.Alive = false
			p.Links[0].SilentMS, p.Links[1].SilentMS = nil, nil
		}, Unprotected, 0, "was not heard on any link", ""},
		{"stopped", func(s *Status) { s.Peers[0].Alive, s.Peers[0].Role = false, Stopped }, Unprotected, 0, "fw2 was stopped", "holdfast run"},
		{"no peers", func(s *Status) { s.Peers = nil }, Unprotected, 0, "no other node could take over", ""},
		{"one link down", func(s *Status) {
			s.Peers[0].Links[0].Heard, s.Peers[0].Links[0].SilentMS = false, new(Milliseconds(41000))
		}, Degraded, 1, "fw2: link lan silent for 41 s (sync works)", "ping -c 3 192.0.2.3"},
		{"own interface down", func(s *Status) { s.Tracked[0].Up = false }, Degraded, 1, "interface eth0 of fw1 is down", "ip link show dev eth0"},
		{"address missing", func(s *Status) { s.Addresses[0].Held = false }, Unprotected, 0, "192.0.2.1/24 is not on eth0", ""},
		{"kernel table nearly full", func(s *Status) { s.Flows.Kernel = 240000 }, Degraded, 1, "91 % full", "sysctl"},
		{"flows left out", func(s *Status) { s.Flows.NotReplicated = 5 }, Degraded, 1, "5 flows not replicated", "max_flows"},
		{"a fault", func(s *Status) { s.Faults = []Fault{{"nf_conntrack_events is off", "sysctl -w x=1"}} }, Degraded, 1, "fw1: nf_conntrack_events is off", "sysctl -w x=1"},
		{"both active", func(s *Status) { s.Peers[0].Role = Active }, Degraded, 1, "fw1 and fw2 hold the addresses at once", ""},
		{"nobody active", func(s *Status) { s.Role = Waiting }, Unprotected, 0, "no node holds the addresses: fw1 is waiting", ""},
		{"taking over", func(s *Status) { s.Role = Promoting }, Unprotected, 0, "fw1 is taking over", ""},
		{"the zero status", func(s *Status) { *s = Status{} }, Unprotected, 0, "no node holds the addresses", ""},
	} {
		s := pair()
		c.change(&s)
		expect(t, c.name, &s, c.verdict, c.survives, c.why, c.action)
	}
}

func TestJudgeStandby(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Status)
		verdict  Verdict
		survives int
		why      string
	}{
		{"whole copy", func(*Status) {}, Protected, 1, ""},
		{"copy not whole", func(s *Status) { s.Peers[0].Received.Synced = false }, Degraded, 0, "not whole yet: 1,000 flows"},
		{"messages missing", func(s *Status) { s.Peers[0].Received.Gaps = 3 }, Degraded, 0, "3 messages of fw2 are missing"},
		{"interface down", func(s *Status) { s.Tracked[0].Up = false }, Unprotected, 0, "interface eth0"},
		{"the active node is silent", func(s *Status) { s.Peers[0].Alive = false }, Unprotected, 0, "no node holds"},
	} {
		s := standby()
		c.change(&s)
		expect(t, c.name, &s, c.verdict, c.survives, c.why, "")
	}
}

func expect(t *testing.T, name string, s *Status, verdict Verdict, survives int, why, action string) {
	t.Helper()
	s.Judge()
	s.Judge() // once more changes nothing
	if s.Verdict != verdict || s.Survives != survives {
		t.Errorf("%s: %s, survives %d; want %s, %d (%q)", name, s.Verdict, s.Survives, verdict, survives, s.Why)
	}
	if (why == "") != (len(s.Why) == 0) {
		t.Errorf("%s: why %q, want %q", name, s.Why, why)
	} else if why != "" && !strings.Contains(s.Why[0], why) {
		t.Errorf("%s: why %q, want %q", name, s.Why, why)
	}
	if action != "" && !strings.HasPrefix(s.Action, action) && !strings.Contains(s.Action, action) {
		t.Errorf("%s: action %q, want %q", name, s.Action, action)
	}
}

func TestAgeCount(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 3200 * time.Microsecond: "3.2 ms", 41 * time.Millisecond: "41 ms",
		1500 * time.Millisecond: "1.5 s", 41 * time.Second: "41 s", 3 * time.Minute: "3 min",
		125 * time.Minute: "2 h 5 min", 72 * time.Hour: "3 days",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%d) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 flows", 1: "1 flow", 999: "999 flows", 12402: "12,402 flows", -1234567: "-1,234,567 flows"} {
		if got := Count(n, "flow"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	if d := MillisecondsOf(1234567 * time.Nanosecond); d != 1.235 || d.Duration() != 1235*time.Microsecond {
		t.Errorf("MillisecondsOf = %v, %v", d, d.Duration())
	}
}
