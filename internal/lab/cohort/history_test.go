package cohort_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/internal/lab/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// life is what is known of one life of a member: its records, and what follows from them.
type life struct {
	name    string
	process *cohort.Process
	records []cohort.Record

	incarnation uint64
	willing     bool
	blocked     bool
	view        *cohort.Record  // nil: it is in none
	open        map[uint64]bool // own messages that are neither delivered nor lost
	inView      int             // messages delivered in the view
	broken      string
}

// read takes what was recorded since.
func (l *life) read() error {
	records, err := l.process.Read()
	for i := range records {
		l.take(&records[i])
	}
	l.records = append(l.records, records...)
	return err
}

func (l *life) take(r *cohort.Record) {
	switch r.Kind {
	case cohort.Booted:
		l.incarnation = r.Incarnation
	case cohort.Joining:
		l.willing = true
	case cohort.Leaving:
		l.willing = false
	case cohort.Viewed:
		l.view, l.blocked, l.inView = r, false, 0
	case cohort.Expelled, cohort.Merging, cohort.Departed:
		l.view, l.blocked = nil, false
	case cohort.Blocked, cohort.Unblocked:
		l.blocked = r.Kind == cohort.Blocked
	case cohort.Sent:
		l.open[r.Number] = true
	case cohort.Untaken:
		delete(l.open, r.Number)
	case cohort.Delivered:
		l.inView++
		if r.Incarnation == l.incarnation {
			delete(l.open, r.Number)
		}
	case cohort.Gone:
		for n := r.Number; n <= r.Last; n++ {
			delete(l.open, n)
		}
	case cohort.Restored:
		for _, e := range cohort.Entries(r.State) {
			if e.Incarnation == l.incarnation {
				delete(l.open, e.Number)
			}
		}
	case cohort.Broken:
		l.broken = r.Text
	}
}

// since gives the records of a kind that are later than a time.
func (l *life) since(at time.Duration, k cohort.Kind) (found []cohort.Record) {
	for i := len(l.records) - 1; i >= 0 && l.records[i].At > at; i-- {
		if l.records[i].Kind == k {
			found = append(found, l.records[i])
		}
	}
	slices.Reverse(found)
	return found
}

// tail gives the last records as text.
func (l *life) tail(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, life %d, in %s\n", l.name, l.incarnation, l.process.Settings.History)
	records := slices.DeleteFunc(slices.Clone(l.records), func(r cohort.Record) bool { return r.Kind == cohort.Status })
	for _, r := range records[max(0, len(records)-n):] {
		text := r.Text
		if len(text) > 300 {
			text = text[:300] + "…"
		}
		fmt.Fprintf(&b, "  %v %s %s n %d-%d order %d view %s %v former %v inc %d since %v %s\n",
			r.At, r.Kind, r.From, r.Number, r.Last, r.Order, r.View, r.Members, r.Former, r.Incarnation, r.Since, text)
	}
	return b.String()
}

// roster is who may be a member.
type roster struct {
	names     []string // sorted; IDs are places from 1
	witnesses []string
}

func (r *roster) id(name string) view.ID { return view.ID(slices.Index(r.names, name) + 1) }

// translation turns the records of one life into facts.
type translation struct {
	*roster
	self  view.Member
	lives map[string]uint64 // in the view
	waits time.Duration     // since when no message was taken; 0: some were
	facts []group.Fact
	err   error
}

// facts gives the facts of one life.
func (r *roster) facts(l *life) ([]group.Fact, error) {
	t := &translation{roster: r, self: view.Member{ID: r.id(l.name), Incarnation: view.Incarnation(l.incarnation)}, lives: map[string]uint64{}}
	if l.incarnation == 0 {
		return nil, nil // it did not get so far
	}
	for i := range l.records {
		t.record(&l.records[i])
	}
	if l.process.Ended != 0 {
		last := l.records[len(l.records)-1].At
		t.add(&cohort.Record{At: max(l.process.Ended, last)}, group.Fact{Kind: group.Crashed})
	}
	return t.facts, t.err
}

func (t *translation) add(r *cohort.Record, f group.Fact) {
	f.At, f.Node = r.At, t.self
	t.facts = append(t.facts, f)
}

// simple are the kinds that tell nothing but themselves.
var simple = map[cohort.Kind]group.Kind{
	cohort.Booted: group.Booted, cohort.Joining: group.Joined, cohort.Leaving: group.Left, cohort.Expelled: group.Expelled,
	cohort.Merging: group.Merged, cohort.Departed: group.Departed, cohort.Emptied: group.Emptied,
	cohort.Blocked: group.Blocked, cohort.Unblocked: group.Unblocked,
}

func (t *translation) record(r *cohort.Record) {
	if k, ok := simple[r.Kind]; ok {
		t.add(r, group.Fact{Kind: k})
		return
	}
	switch r.Kind {
	case cohort.Viewed:
		t.viewed(r)
	case cohort.Sent:
		t.add(r, group.Fact{Kind: group.Multicast, Number: r.Number, Order: group.Order(r.Order), Sum: r.Sum, Size: r.Size})
	case cohort.Untaken:
		t.untaken(r)
	case cohort.Delivered:
		t.waits = 0
		t.add(r, group.Fact{
			Kind: group.Delivered, Peer: t.member(r.From, r.Incarnation), Number: r.Number,
			Order: group.Order(r.Order), Sum: r.Sum, Size: r.Size,
		})
	case cohort.Gone:
		t.add(r, group.Fact{Kind: group.Lost, Number: r.Number, Last: r.Last})
	case cohort.Restored:
		f := group.Fact{Kind: group.Restored}
		for _, e := range cohort.Entries(r.State) {
			f.Entries = append(f.Entries, group.Entry{
				From:   view.Member{ID: view.ID(e.ID), Incarnation: view.Incarnation(e.Incarnation)},
				Number: e.Number, Sum: e.Sum,
			})
		}
		t.add(r, f)
	case cohort.Slow:
		t.add(r, group.Fact{Kind: group.Slowed, Peer: t.member(r.From, t.lives[r.From])})
	}
}

func (t *translation) member(name string, incarnation uint64) view.Member {
	if name == "" {
		return view.Member{}
	}
	return view.Member{ID: t.id(name), Incarnation: view.Incarnation(incarnation)}
}

// untaken takes the message back that was about to be multicast. While messages are
// delivered the group goes on; and who asks for no events cannot be told anything.
func (t *translation) untaken(r *cohort.Record) {
	at := slices.IndexFunc(t.facts, func(f group.Fact) bool { return f.Kind == group.Multicast && f.Number == r.Number })
	if at < 0 {
		t.err = fmt.Errorf("%v took message %d back, and never had it", t.self, r.Number)
		return
	}
	if t.waits == 0 {
		t.waits = t.facts[at].At
	}
	t.facts = slices.Delete(t.facts, at, at+1)
	if !strings.Contains(r.Text, "does not ask for its events") {
		t.add(r, group.Fact{Kind: group.Refused, Since: r.At - t.waits})
	}
}

func (t *translation) viewed(r *cohort.Record) {
	v := &view.View{}
	var epoch uint64
	var by uint16
	if n, err := fmt.Sscanf(r.View, "%d.%d.m%d", &epoch, &v.Name.Round, &by); n != 3 || epoch != r.Number {
		t.err = fmt.Errorf("%v was told a view of the name %q and the epoch %d: %v", t.self, r.View, r.Number, err)
		return
	}
	v.Name.Epoch, v.Name.By = view.Epoch(epoch), view.ID(by)
	t.lives, t.waits = map[string]uint64{}, 0
	for i, name := range r.Members {
		t.lives[name] = r.Incarnations[i]
		v.Seats = append(v.Seats, view.Seat{Member: t.member(name, r.Incarnations[i]), Votes: 1, Witness: slices.Contains(t.witnesses, name)})
	}
	f := group.Fact{Kind: group.Viewed, View: v}
	for _, name := range r.Former {
		f.Members = append(f.Members, t.member(name, t.lives[name]))
	}
	t.add(r, f)
}

// patience is that of the judges. Real processes share processors with others.
var patience = group.Patience{Detect: time.Minute, Settle: time.Minute, Refuse: 15 * time.Second, Name: 15 * time.Second}

// judge gives all histories, merged by time, to the judges. calm is when the last fault
// ended.
func judge(r *roster, lives []*life, primary, stateful bool, calm time.Duration) (*check.Violation, map[group.Kind]int, error) {
	var all []group.Fact
	for _, l := range lives {
		if l.broken != "" {
			return nil, nil, fmt.Errorf("%s: %s", l.name, l.broken)
		}
		facts, err := r.facts(l)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, facts...)
	}
	// Stable: what one process did in one nanosecond stays in its order.
	slices.SortStableFunc(all, func(a, b group.Fact) int { return int(a.At - b.At) })
	court := group.NewCourt(group.All(primary, stateful, patience)...)
	counts := map[group.Kind]int{}
	calmed := false
	for i := range all {
		if !calmed && all[i].At >= calm {
			calmed = true
			court.Hear(&group.Fact{At: calm, Kind: group.Calmed})
		}
		court.Hear(&all[i])
		counts[all[i].Kind]++
	}
	if len(all) > 0 {
		court.Hear(&group.Fact{At: all[len(all)-1].At, Kind: group.Ended})
	}
	return court.Verdict(), counts, nil
}
