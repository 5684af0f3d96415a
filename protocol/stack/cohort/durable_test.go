package cohort

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/holdfast-ha/holdfast/check/group"
	membership "github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// disk is what a member of a durable group has for good.
type disk struct {
	has   membership.Standing
	state []entry
}

// promiseTime is how long a disk takes for a promise.
const promiseTime = 2 * time.Millisecond

// recover begins a life with what the disk has.
func (a *app) recover() {
	if a.disk == nil {
		return
	}
	a.reread()
	a.stand()
}

// reread makes the state what the disk has.
func (a *app) reread() {
	a.state = slices.Clone(a.disk.state)
	var entries []group.Entry
	for _, e := range a.state {
		entries = append(entries, group.Entry{From: e.from, Number: e.number, Sum: e.sum})
	}
	if len(entries) > 0 {
		a.hear(group.Fact{Kind: group.Restored, Entries: entries})
	}
}

// later does something in this life, after a time.
func (a *app) later(d time.Duration, do func(out *Output)) {
	s, life := a.s, a.s.life
	var now func()
	now = func() {
		switch {
		case !s.up || s.life != life:
		case s.asleep:
			a.inbox = append(a.inbox, now)
		default:
			s.step(do)
		}
	}
	a.story.mesh.after(d, now)
}

// stand tells the group what the disk has, unless what is in memory is something else.
func (a *app) stand() {
	a.later(0, func(out *Output) {
		if a.s.group.View() == nil && !a.spoiled {
			a.s.group.Stand(a.story.mesh.now, a.disk.has, out)
		}
	})
}

// pledge puts a promise on the disk.
func (a *app) pledge(era view.Epoch) {
	a.later(promiseTime, func(out *Output) {
		a.disk.has.Promise = max(a.disk.has.Promise, era)
		a.s.group.Pledged(a.story.mesh.now, era, out)
	})
}

// store puts on the disk what a delivery has changed.
func (a *app) store(d *Delivery) {
	if a.disk == nil {
		return
	}
	switch d.Kind {
	case Viewed:
		a.spoiled = false
		a.disk.has.Era, a.disk.has.Promise = d.Era, max(a.disk.has.Promise, d.Era)
		a.disk.has.Index, a.disk.state = uint64(len(a.state)), a.state
	case Message:
		a.disk.has.Index, a.disk.state = uint64(len(a.state)), a.state
	case StateFailed:
		a.reread()
		a.stand()
	case Expelled:
		a.stand()
	}
}

// lasts says whether a story's group is durable. A group of several parts is not.
func (s *scenario) lasts(in *instruction) bool {
	return s.durable && in.options["partition"] != "all" || slices.Contains(in.rest, "durable")
}

// TestScenariosDurable plays all stories in groups that are kept on disks, where times and sometimes events are
// others: what is promised holds all the same. The disks have been used before, so that nobody waits for everybody to
// be there at the first start.
func TestScenariosDurable(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &scenario{t: t, durable: true}
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			s.play(d.Input)
			return d.Expected
		})
		if broken := s.judged(); broken != "" {
			t.Error(broken)
		}
	})
}
