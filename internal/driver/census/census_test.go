package census

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// three is a group of a, b and the witness w, as a sees it.
func three() Status {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	links := func(n string) []Link { return []Link{{Address: "192.0.2." + n + ":7946", Heard: true, Hears: true}} }
	v := View{Epoch: 7, Name: "7.1.m1", Members: []string{"a", "b", "w"}, At: at.Add(-time.Minute), TookMS: 3}
	return Status{
		Version: Version, At: at, Cluster: "shop", Member: "a", ID: 1, Incarnation: 1, Votes: 1,
		Members: []Member{
			{Name: "b", ID: 2, Votes: 1, Incarnation: 2, State: Trusted, SilentMS: 10, PatienceMS: 500, Links: links("2")},
			{Name: "w", ID: 3, Votes: 1, Witness: true, Incarnation: 3, State: Trusted, SilentMS: 10, PatienceMS: 500, Links: links("3")},
		},
		Groups: []Group{{
			Name: "orders", State: "in", View: &v, Views: []View{v}, Votes: 3, Needed: 2,
			Seats: []Seat{{Name: "a", Incarnation: 1, Votes: 1}, {Name: "b", Incarnation: 2, Votes: 1}, {Name: "w", Incarnation: 3, Votes: 1, Witness: true}},
		}},
		Counters: map[string]uint64{"view installed": 2},
	}
}

// TestJudge has a line for each thing that can be said of a group.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(s *Status, g *Group)
		verdict  string
		survives int
		why      string // the first cause
		action   string
	}{
		{"all is well", func(*Status, *Group) {}, Whole, 1, "", ""},
		{"suspected", func(s *Status, _ *Group) { s.Members[0].State, s.Members[0].SilentMS = Suspected, 800 }, Degraded, 0, "b is silent for 800 ms", "ping -c 3 192.0.2.2"},
		{"quiet", func(s *Status, _ *Group) { s.Members[0].SilentMS = 400 }, Degraded, 1, "b is silent for 400 ms; it is taken for crashed after 500 ms", "ping -c 3 192.0.2.2"},
		{"restarted", func(s *Status, _ *Group) { s.Members[0].Incarnation = 9 }, Degraded, 0, "b has restarted, and its former life is still in the view", ""},
		{"blocked", func(s *Status, g *Group) {
			s.Members[0].State, s.Members[1].State, g.Votes, g.Blocked = Suspected, Suspected, 1, true
		}, Blocked, 0, "1 vote heard, 2 needed; not heard: b (1 vote), w (1 vote)", "ping -c 3 192.0.2.2"},
		{"went", func(s *Status, g *Group) {
			s.Members[0].State = Suspected
			g.Seats = slices.Delete(g.Seats, 1, 2)
			g.Views = append(g.Views, View{Epoch: 8, At: s.At.Add(-3 * time.Second), Gone: []Turn{{Name: "b", Why: "silent for 512 ms"}}})
		}, Degraded, 0, "b went 3.0 s ago: silent for 512 ms; not heard since", "ping -c 3 192.0.2.2"},
		{"left", func(s *Status, g *Group) {
			g.Seats = slices.Delete(g.Seats, 2, 3)
			g.Views = append(g.Views, View{Epoch: 8, At: s.At, Gone: []Turn{{Name: "w", Why: "left", Left: true}}})
		}, Degraded, 0, "any failure stops the group: 3 votes heard, 2 needed", "start what is missing, or add a member or a witness"},
		{"never heard", func(s *Status, g *Group) {
			g.Seats = slices.Delete(g.Seats, 1, 2)
			s.Members[0] = Member{Name: "b", Votes: 1, State: NeverHeard}
		}, Degraded, 0, "b was never heard", "start b"},
		{"refused terms", func(_ *Status, g *Group) { g.View, g.State, g.Refused = nil, "asking", "at b …" }, Joining, 0, "refused: at b …", "make the configuration of the group equal at all members"},
		{"refuses", func(s *Status, g *Group) { g.Refuses = []Turn{{Name: "c", Why: "there …"}} }, Degraded, 1, "c is refused: there …", "make the configuration of the group equal at all members"},
		{"refused member", func(s *Status, _ *Group) { s.Members[0].Refused = "it is of cluster \"mall\"" }, Degraded, 1, "b is refused: it is of cluster \"mall\"", "make the configurations equal: holdfast check FILE FILE"},
		{"another key", func(s *Status, _ *Group) {
			s.Members[0].State, s.Refusals = Suspected, []Refusal{{Reason: "forged seal", Count: 3, Link: 1, Source: "192.0.2.2:7946"}}
		}, Degraded, 0, "b: 3 frames refused: forged seal, from 192.0.2.2:7946", "copy one key file to all members"},
		{"another key, long ago", func(s *Status, _ *Group) { s.Refusals = []Refusal{{Reason: "forged seal", Count: 3}} }, Whole, 1, "", ""},
		{"another version", func(s *Status, _ *Group) {
			s.Members[0].State, s.Refusals = NeverHeard, []Refusal{{Reason: "wrong version", Count: 1, Source: "192.0.2.2:7946"}}
		}, Degraded, 0, "b: 1 frame refused: wrong version, from 192.0.2.2:7946", "run the same version at all members"},
		{"a stranger", func(s *Status, g *Group) {
			s.Members[0].State, s.Members[0].SilentMS = Suspected, 800
			s.Refusals = []Refusal{{Reason: "forged seal", Count: 1, Source: "203.0.113.9:7946"}}
		}, Degraded, 0, "b is silent for 800 ms", "ping -c 3 192.0.2.2"},
		{"a twin", func(s *Status, _ *Group) {
			s.Refusals = []Refusal{{Reason: "a second process under the name of a member that lives", Member: "b"}}
		}, Degraded, 1, "a second process under the name of a member that lives, of b", "stop one of the two, or give it a name of its own"},
		{"slow", func(_ *Status, g *Group) { g.Slow, g.SlowMS = "b", 2000 }, Degraded, 1, "b does not keep up for 2.0 s: the messages of a wait for it", "holdfast group why, at b"},
		{"not read", func(_ *Status, g *Group) { g.Throttled = true }, Degraded, 1, "the application of a does not ask for its events", "look why the application of a hangs"},
		{"change", func(_ *Status, g *Group) { g.Change = &Flush{Stage: "collecting", SinceMS: 700, Waits: []string{"b"}} }, Degraded, 1, "a change of the view goes on for 700 ms (collecting) and waits for b", ""},
		{"short change", func(_ *Status, g *Group) { g.Change = &Flush{Stage: "collecting", SinceMS: 7, Waits: []string{"b"}} }, Whole, 1, "", ""},
		{"gets the state", func(_ *Status, g *Group) { g.Fetching, g.Received, g.Total = "b", 5e6, 2e7 }, Degraded, 1, "a has 5 MB of 20 MB of the state, from b", ""},
		{"waits for the state", func(_ *Status, g *Group) { g.Fetching = "b" }, Degraded, 1, "a waits for the state from b, whose application is to ask for its events", ""},
		{"a silent link", func(s *Status, _ *Group) { s.Members[1].Links[0].Heard = false }, Degraded, 1, "w is not heard on link 1", "ping -c 3 192.0.2.3"},
		{"a link with one way", func(s *Status, _ *Group) { s.Members[1].Links[0].Hears = false }, Degraded, 1, "w does not hear a on link 1", ""},
		{"every part goes on", func(_ *Status, g *Group) { g.All, g.Needed = true, 1 }, Whole, 1, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := three()
			g := &s.Groups[0]
			c.change(&s, g)
			s.Judge()
			first := ""
			if len(g.Why) > 0 {
				first = g.Why[0]
			}
			if g.Verdict != c.verdict || g.Survives != c.survives || first != c.why || g.Action != c.action {
				t.Errorf("%s, survives %d, %q, action %q; want %s, %d, %q, %q", g.Verdict, g.Survives, g.Why, g.Action, c.verdict, c.survives, c.why, c.action)
			}
			if (g.Verdict == Whole) != (len(g.Why) == 0) {
				t.Errorf("%s for the reasons %q", g.Verdict, g.Why)
			}
		})
	}
}

// TestSurvives compares with a count over all sets of members.
func TestSurvives(t *testing.T) {
	for _, votes := range [][]int{{1, 1}, {1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1, 1}, {0, 1, 1, 1}, {5, 4, 3, 2, 1}} {
		for witnesses := range len(votes) {
			s := Status{Member: "m0", Groups: []Group{{State: "in", View: &View{}}}}
			g := &s.Groups[0]
			sum := 0
			for i, v := range votes {
				name := string(rune('a' + i))
				sum += v
				g.Seats = append(g.Seats, Seat{Name: name, Votes: v, Witness: i < witnesses, Incarnation: 1})
				s.Members = append(s.Members, Member{Name: name, State: Trusted, Incarnation: 1})
			}
			g.Needed, g.Votes = sum/2+1, sum
			s.Judge()
			if want := byTrial(g); g.Survives != want {
				t.Errorf("votes %v, %d witnesses: survives %d, want %d", votes, witnesses, g.Survives, want)
			}
		}
	}
}

// byTrial is the greatest number of which every set of members may fail.
func byTrial(g *Group) int {
	best := len(g.Seats)
	for failed := range 1 << len(g.Seats) {
		size, votes, keepers := 0, 0, 0
		for i, s := range g.Seats {
			if failed>>i&1 == 1 {
				size++
				continue
			}
			votes += s.Votes
			if !s.Witness {
				keepers++
			}
		}
		if votes < g.Needed || keepers == 0 {
			best = min(best, size-1)
		}
	}
	return best
}

func TestWords(t *testing.T) {
	s := three()
	s.Members[0].SilentMS = 400
	g := &s.Groups[0]
	g.Lag = []Lag{{"b", 3}}
	for _, h := range []struct {
		held Held
		want string
	}{
		{Held{From: "a", Reason: Numbering, For: "b"}, "its place in the total order, which b (silent for 400 ms) has to give or to confirm"},
		{Held{From: "a", Reason: Place, For: "w"}, "a message of w, which comes before it"},
		{Held{From: "a", Reason: Place, For: "a", Message: 4}, "message 4 of a, which comes before it"},
		{Held{From: "a", Reason: Dependency, For: "a"}, "a message of a that it follows upon"},
		{Held{From: "a", Reason: Agreement, For: "a"}, "enough members that have what a has sent; missing: b (silent for 400 ms)"},
		{Held{From: "w", Reason: Agreement, For: "w"}, "enough members that have what w has sent; missing: b (silent for 400 ms)"},
		{Held{From: "a", Number: 5, Reason: Predecessor, For: "a", Message: 4}, "message 4 of a, sent before it"},
		{Held{From: "b", Reason: Throttled, For: "a"}, "the application of a, which does not ask for its events"},
	} {
		g.Held = []Held{h.held}
		s.Judge()
		if g.Held[0].Words != h.want {
			t.Errorf("%+v: %q, want %q", h.held, g.Held[0].Words, h.want)
		}
	}
}

func TestSame(t *testing.T) {
	a, b := three(), three()
	a.Judge()
	b.At = b.At.Add(300 * time.Millisecond)
	b.Members[0].SilentMS, b.Members[0].Suspicion, b.Counters["trusted"] = 40, 1, 3
	b.Judge()
	if !Same(&a, &b) {
		t.Error("only time has passed, and it is told")
	}
	b.Members[0].State = Suspected
	b.Judge()
	if Same(&a, &b) {
		t.Error("a suspicion is not told")
	}
	c := b
	c.At = c.At.Add(time.Second)
	if Same(&b, &c) {
		t.Error("a second has passed while something is missing, and it is not told")
	}
}

func TestMetrics(t *testing.T) {
	s := three()
	s.Members[0].Name = "b\"\n\\"
	s.Members[0].Dropped = map[string]uint64{"malformed": 2}
	s.Refusals = []Refusal{{Reason: "forged seal", Count: 3, Link: 1}}
	s.Judge()
	var b bytes.Buffer
	if err := WriteMetrics(&b, &s); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, want := range []string{
		`holdfast_group_survives{group="orders"} 1`,
		`# TYPE holdfast_group_survives gauge`,
		`holdfast_group_verdict{group="orders",verdict="blocked"} 0`,
		`holdfast_group_epoch{group="orders"} 7`,
		`holdfast_member_trusted{member="b\"\n\\"} 1`,
		`holdfast_member_silent_seconds{member="w"} 0.01`,
		`holdfast_member_dropped_total{member="b\"\n\\",reason="malformed"} 2`,
		`holdfast_group_events_total{event="view installed"} 2`,
		`holdfast_member_link_refused_total{link="1",reason="forged seal"} 3`,
		`holdfast_group_last_change_seconds{group="orders"} 0.003`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s in\n%s", want, b.String())
		}
	}
	form := regexp.MustCompile(`^holdfast_[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, m := range metrics() {
		if !form.MatchString(m.name) || seen[m.name] || (m.kind == counter) != strings.HasSuffix(m.name, "_total") || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s is badly formed, or there twice", m.name)
		}
		seen[m.name] = true
	}
}

// TestGuide holds that docs/guides/group-commands.md tells of every field, metric and cause.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../../docs/guides/group-commands.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fields(reflect.TypeFor[Status]()) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the guide does not tell of the field %s", name)
		}
	}
	for _, m := range metrics() {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		if row := "| `" + m.name + "` | " + labels + " | " + m.help + " |"; !strings.Contains(string(text), row) {
			t.Errorf("the guide has no line %s", row)
		}
	}
	for _, see := range []string{seeVotes, seeMissing, seeRefused, seeSlow, seeState, seeLinks, seeChange} {
		_, anchor, _ := strings.Cut(see, "#")
		if !strings.Contains(string(text), "\n### "+strings.ToUpper(anchor[:1])+anchor[1:]+"\n") {
			t.Errorf("%s leads nowhere", see)
		}
	}
}

// fields gives the JSON names of a struct and of those in it.
func fields(kind reflect.Type) []string {
	for kind.Kind() == reflect.Slice || kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct || kind.PkgPath() == "time" {
		return nil
	}
	var names []string
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		names = append(names, fields(kind.Field(i).Type)...)
	}
	return names
}

// TestTwoServers: that both have the state is not all it takes to survive the crash of one.
func TestTwoServers(t *testing.T) {
	for _, x := range []struct {
		two      Two
		silent   string // who is not heard
		verdict  string
		survives int
		why      string
	}{
		{Two{Role: "primary", Whole: true, Serves: true, Alone: "witness w"}, "", Whole, 1, ""},
		{Two{Role: "primary", Whole: true, Serves: true, Alone: "witness w"}, "w", Degraded, 0, "the witness w is not heard"},
		{Two{Role: "backup", Whole: true, Serves: true, Alone: "prefer a"}, "", Degraded, 0, "if a fails the other server does not go on"},
		{Two{Role: "backup", Whole: true, Serves: true, Alone: "freeze"}, "", Degraded, 0, "if one server fails the other does not go on"},
		{Two{Role: "primary", Whole: true, Serves: true}, "", Whole, 1, ""},
		{Two{Role: "alone", Serves: true, Alone: "witness w"}, "", Degraded, 0, "this server is alone"},
		{Two{Role: "backup", Serves: true, Silent: true, Alone: "witness w"}, "w", Blocked, 0, "the other server is not heard, and nobody lets this one go on alone; the witness w is not heard"},
		{Two{Role: "primary", Serves: true, Silent: true, Alone: "prefer b"}, "", Blocked, 0, "nobody lets this one go on alone"},
		{Two{Role: "primary", Serves: true, Silent: true}, "", Degraded, 0, "this server is primary"},
		{Two{Role: "empty", Alone: "witness w"}, "", Blocked, 0, "it has no state"},
		{Two{Role: "backup", Alone: "freeze"}, "", Blocked, 0, "this server is backup and does not serve"},
		{Two{Role: "arbiter", Whole: true, Serves: true, Alone: "witness a"}, "", Whole, 1, ""},
		{Two{Role: "arbiter", Whole: true, Serves: true, Alone: "witness a"}, "b", Degraded, 0, "not heard: b"},
		{Two{Role: "arbiter", Whole: true, Serves: true, Alone: "witness a"}, "bc", Blocked, 0, "not heard: b, c"},
	} {
		s := Status{Member: "a", Groups: []Group{{Name: "locks", State: "in", Two: &x.two}}}
		for _, name := range []string{"b", "c", "w"} {
			m := Member{Name: name, State: Trusted, Witness: name == "w"}
			if strings.Contains(x.silent, name) {
				m.State = NeverHeard
			}
			s.Members = append(s.Members, m)
		}
		s.Judge()
		if g := &s.Groups[0]; g.Verdict != x.verdict || g.Survives != x.survives || !strings.Contains(strings.Join(g.Why, "; "), x.why) || len(g.Why) > 0 && g.Action == "" {
			t.Errorf("%+v: %+v", x.two, g)
		}
	}
}
