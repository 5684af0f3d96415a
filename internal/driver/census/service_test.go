package census

import (
	"slices"
	"strings"
	"testing"
)

// withService is a group of three whose service this member, a, serves.
func withService(change func(s *Status, v *Service)) Status {
	v := &Service{
		Style: "active", Role: Serving, Told: true, Index: 130, Stable: 130, Digest: "7e746194e55a9869",
		Copy: []Copy{{Name: "b", Proof: Proven, Index: 130}, {Name: "c", Proof: Proven, Index: 130}},
	}
	s := Status{
		Member: "a", Votes: 1, Members: []Member{{Name: "b", Votes: 1, State: Trusted, Incarnation: 1}, {Name: "c", Votes: 1, State: Trusted, Incarnation: 1}},
		Groups: []Group{{
			Name: "locks", State: "in", View: &View{}, Votes: 3, Needed: 2, Service: v,
			Seats: []Seat{{Name: "a", Votes: 1, Incarnation: 1}, {Name: "b", Votes: 1, Incarnation: 1}, {Name: "c", Votes: 1, Incarnation: 1}},
		}},
	}
	change(&s, v)
	s.Judge()
	return s
}

// onDisks keeps it, up to a command at each member.
func onDisks(v *Service, a, b, c uint64) {
	v.Disk = &Disk{Path: "/d", Saved: a}
	v.Copy[0].HasDisk, v.Copy[0].Saved = true, b
	v.Copy[1].HasDisk, v.Copy[1].Saved = true, c
}

func TestWhatIsProvenAndWhatWouldSurvive(t *testing.T) {
	for _, x := range []struct {
		name     string
		change   func(s *Status, v *Service)
		verdict  string
		why      string // in one of the causes
		survives []string
	}{
		{"in memory", func(*Status, *Service) {}, Whole, "", []string{
			"survives the crash of any 2 of the 3 members whose copies are equal", "does NOT survive a power cut of all: it is in memory"}},
		{"one is behind for a moment", func(_ *Status, v *Service) {
			v.Copy[1] = Copy{Name: "c", Proof: Behind, Index: 120, Behind: 10, BehindMS: 30}
		}, Whole, "", []string{
			"survives the crash of any 1 of the 2 members whose copies are equal", "does NOT survive a power cut of all: it is in memory"}},
		{"one is behind for long", func(_ *Status, v *Service) {
			v.Copy[1] = Copy{Name: "c", Proof: Behind, Index: 120, Behind: 10, BehindMS: 3000}
		}, Degraded,
			"the copy of c is not proven: behind by 10 commands for 3.0 s", nil},
		{"all are behind", func(_ *Status, v *Service) { v.Copy[0].Proof, v.Copy[1].Proof = Behind, Behind }, Whole, "", []string{
			"is proven in this member's memory only", "does NOT survive a power cut of all: it is in memory"}},
		{"one has diverged", func(_ *Status, v *Service) { v.Copy[1].Proof = Diverged }, Degraded, "the copy of c has diverged; it is given the state of the others", nil},
		{"all have diverged", func(_ *Status, v *Service) {
			v.Role, v.Stopped, v.Copy[0].Proof, v.Copy[1].Proof = ServiceOff, "replicas differ", Diverged, Diverged
		}, Stopped, "the copy of c is another one", nil},
		{"one is suspected", func(s *Status, _ *Service) { s.Members[1].State, s.Members[1].SilentMS = Suspected, 700 }, Degraded, "c is silent for 700 ms", []string{
			"survives the crash of any 1 of the 2 members whose copies are equal", "does NOT survive a power cut of all: it is in memory"}},
		{"new disks, and one is not there", func(s *Status, v *Service) {
			onDisks(v, 0, 0, 0)
			s.Groups[0].View, s.Groups[0].State, s.Groups[0].Needed, s.Members[1].State = nil, "asking", 0, NeverHeard
		}, Joining, "not heard: c (1 vote); on disks a service begins the first time when all members are there", nil},
		{"not told", func(_ *Status, v *Service) {
			v.Told, v.Copy[0].Proof, v.Copy[1].Proof, v.Style = false, Untold, Untold, "voted"
		}, Whole, "", []string{
			"how far the other copies are proven is not told: replies are compared, and states may differ", "does NOT survive a power cut of all: it is in memory"}},
		{"on three disks", func(_ *Status, v *Service) { onDisks(v, 130, 130, 130) }, Whole, "", []string{
			"survives the crash of any 2 of the 3 members whose copies are equal", "survives a power cut of all, and with it the loss of any 1 disk"}},
		{"on two disks, and the third is behind", func(_ *Status, v *Service) { onDisks(v, 130, 130, 90) }, Whole, "", []string{
			"survives the crash of any 2 of the 3 members whose copies are equal", "survives a power cut of all, and with it the loss of any 1 disk"}},
		{"on two disks with a witness", func(s *Status, v *Service) {
			onDisks(v, 130, 130, 0)
			v.Copy, s.Members[1].Witness, s.Groups[0].Seats[2].Witness = v.Copy[:1], true, true
		}, Whole, "", []string{
			"survives the crash of any 1 of the 2 members whose copies are equal", "survives a power cut of all, if no disk is lost with it"}},
		{"too few disks", func(_ *Status, v *Service) { onDisks(v, 130, 0, 0); v.Role = FewDisks }, Stopped, "nobody is answered: fewer than", nil},
		{"it has stopped", func(_ *Status, v *Service) { v.Role, v.Stopped = ServiceOff, "replicas differ at command 4" }, Stopped, "the service has stopped: replicas differ at command 4", nil},
		{"it is damaged, and alone", func(_ *Status, v *Service) {
			v.Role, v.Stopped, v.Damaged = ServiceOff, "the state of a is damaged", true
			v.Copy[0].Proof, v.Copy[1].Proof = Away, Away
		}, Stopped, "the service has stopped: the state of a is damaged", []string{
			"is damaged here, given to nobody, and nobody else has it", "does NOT survive a power cut of all: it is in memory"}},
		{"without the state", func(_ *Status, v *Service) { v.Role = Joins }, Whole, "", []string{"is not here"}},
	} {
		s := withService(x.change)
		g := &s.Groups[0]
		if g.Verdict != x.verdict || x.why != "" && !strings.Contains(strings.Join(g.Why, "\n"), x.why) {
			t.Errorf("%s: %s because of %q; it should be %s because %q", x.name, g.Verdict, g.Why, x.verdict, x.why)
		}
		if got := g.Service.Survives(); x.survives != nil && !slices.Equal(got, x.survives[:min(len(got), len(x.survives))]) {
			t.Errorf("%s: it %q, and should %q", x.name, got, x.survives)
		}
	}
}

// TestStoppedForDamageSaysWhatToDo: what is lost by it depends on whether there is a disk.
func TestStoppedForDamageSaysWhatToDo(t *testing.T) {
	for disk, want := range map[bool]string{
		false: "restart the process of a: what only it knew is lost, and the service goes on with what another member had last, or with nothing",
		true:  "restart the process of a: it goes on from what is on its disk",
	} {
		s := withService(func(_ *Status, v *Service) {
			if v.Role, v.Stopped, v.Damaged = ServiceOff, "the state of a is damaged", true; disk {
				onDisks(v, 130, 130, 130)
			}
		})
		if got := s.Groups[0].Action; got != want {
			t.Errorf("on disks %v: it says %q", disk, got)
		}
	}
	s := withService(func(s *Status, v *Service) { v.Role, v.Spoiled, s.Groups[0].View = Joins, true, nil })
	if g := s.Groups[0]; !strings.Contains(strings.Join(g.Why, "\n"), "what a has in memory was given up") {
		t.Errorf("who takes no part in a founding says only %q", g.Why)
	}
	s = withService(func(s *Status, v *Service) { v.Role, s.Groups[0].Fetching = Joins, "b" })
	if g := s.Groups[0]; g.Action != "holdfast status, at b" {
		t.Errorf("who waits for the state of b is told %q, since %q", g.Action, g.Why)
	}
}

func TestCountsOfAServiceAreNoNews(t *testing.T) {
	a := withService(func(*Status, *Service) {})
	b := withService(func(_ *Status, v *Service) {
		v.Index, v.Stable, v.Digest, v.Sessions = 131, 131, "x", 4
		v.Copy[0].Index = 131
	})
	c := withService(func(_ *Status, v *Service) { v.Copy[1].Proof = Diverged })
	if !Same(&a, &b) {
		t.Error("a further command is news")
	}
	if Same(&a, &c) {
		t.Error("that a copy has diverged is none")
	}
}

func TestMetricsOfAService(t *testing.T) {
	s := withService(func(_ *Status, v *Service) { onDisks(v, 130, 128, 130); v.Copy[1].Proof = Away })
	var b strings.Builder
	if err := WriteMetrics(&b, &s); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`holdfast_service_serving{service="locks"} 1`, `holdfast_service_copies{service="locks"} 2`, `holdfast_service_copy_proven{service="locks",member="c"} 0`,
		`holdfast_service_disk_behind{service="locks",member="b"} 2`, `holdfast_service_log_saved{service="locks"} 130`,
	} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(b.String(), `copy_behind{service="locks",member="c"}`) {
		t.Error("a member that is away is said to be behind by some number")
	}
}
