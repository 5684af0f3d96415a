package cohort_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab/cohort"
)

// guest is a process that is not to be let in.
type guest struct {
	what   string
	change func(w *world, s *cohort.Settings)
	words  string // of the error of its Join
	tcp    string // the same with TCP, where who is refused at the beginning of a stream cannot be introduced
}

func guests() []guest {
	return []guest{
		{"the wrong key", func(w *world, s *cohort.Settings) { s.Node.KeyFile = w.path("wrong") }, "forged seal", ""},
		{"the name of another cluster", func(_ *world, s *cohort.Settings) { s.Node.Cluster = "elsewhere" }, "elsewhere", "foreign cluster"},
		{"other votes", func(_ *world, s *cohort.Settings) { s.Node.Votes["b"] = 7 }, "another configuration", ""},
		{"another engine", func(_ *world, s *cohort.Settings) { s.Engine = "isis" }, "engine", ""},
		{"another length of messages", func(_ *world, s *cohort.Settings) { s.MessageMax = 1000 }, "refused", ""},
		{"the name of another member", func(w *world, s *cohort.Settings) {
			own := s.Node.Members[s.Node.Name]
			s.Node.Name, s.Node.Members["a"] = "a", own
			delete(s.Node.Members, "x6")
			s.Node.Members["x6"] = []string{"203.0.113.99:7400"}
		}, `another one is "a" already`, ""},
	}
}

// strange starts guests on machines of their own, beside a group that goes on.
func (w *world) strange() {
	w.Helper()
	if _, err := key.Create(w.path("wrong"), "wrong"); err != nil {
		w.Fatal(err)
	}
	for i, one := range w.guestNames() {
		for _, other := range w.guestNames()[i+1:] {
			w.must(w.net.Cut(one, other, true)) // each is on its own against the members
		}
	}
	began := cohort.Now()
	all := guests()
	lives := make([]*life, len(all))
	for i, name := range w.guestNames() {
		s := w.settings(name)
		s.History = w.path(name + ".json")
		s.JoinMax = 2500 * time.Millisecond
		all[i].change(w, &s)
		lives[i] = w.launch(name, s)
		w.must(lives[i].process.Tell("join"))
	}
	told := func(i int) string {
		if failed := lives[i].since(began, cohort.Failed); len(failed) > 0 {
			return failed[0].Text
		}
		return ""
	}
	w.await("told the guests why they are not let in", func() bool {
		done := true
		for i, l := range lives {
			w.must(l.read())
			done = done && told(i) != ""
		}
		return done
	})
	w.shown(began)
	for i, l := range lives {
		l.process.Kill()
		w.Logf("a process with %s: %s", all[i].what, told(i))
		words := all[i].words
		if w.transport == "tcp" && all[i].tcp != "" {
			words = all[i].tcp
		}
		if !strings.Contains(told(i), words) {
			w.Errorf("the process with %s was told %q; want %q in it", all[i].what, told(i), words)
		}
		for _, k := range []cohort.Kind{cohort.Viewed, cohort.Delivered, cohort.Restored} {
			if got := l.since(began, k); len(got) > 0 {
				w.Errorf("the process with %s has %d records of kind %s: %+v", all[i].what, len(got), k, got[0])
			}
		}
	}
	for _, name := range w.names {
		if views := w.current[name].since(began, cohort.Viewed); len(views) > 0 {
			w.Errorf("%s was told another view because of strangers, or late heartbeats: %v", name, views[0].Members)
		}
	}
}

// shown checks that the status of members shows what they refuse.
func (w *world) shown(began time.Duration) {
	w.Helper()
	w.tell("status", w.names...)
	w.await("recorded the status", func() bool {
		return !slices.ContainsFunc(w.names, func(n string) bool { return len(w.current[n].since(began, cohort.Status)) == 0 })
	})
	var all strings.Builder
	for _, name := range w.names {
		all.WriteString(w.current[name].since(began, cohort.Status)[0].Text)
	}
	for _, words := range []string{"forged seal", "a second process under the name of a member that lives"} {
		if !strings.Contains(all.String(), words) {
			w.Errorf("no member's status says %q", words)
		}
	}
}

func TestStrangersGetNothingAndDisturbNobody(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			w := newWorld(t, shape{members: 3, transport: transport, guests: len(guests()), suspect: 500 * time.Millisecond}, 90)
			w.found()
			w.garbage(500)
			w.strange()
			w.calm()
		})
	}
}
