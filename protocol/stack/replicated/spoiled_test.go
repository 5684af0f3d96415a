package replicated

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// stubborn cannot read a state.
type stubborn struct{ counter }

func (s *stubborn) Restore(io.Reader) error { return errors.New("a later version has written it") }

// TestAStateThatCannotBeReadIsNotUsed: what a group delivers behind such a state, in the same step, is not for
// this member, nor is it when the member founds the group anew.
func TestAStateThatCannotBeReadIsNotUsed(t *testing.T) {
	for style := range styleCount {
		t.Run(style.String(), func(t *testing.T) {
			now := time.Unix(1000, 0)
			donor := begun(t, style)
			var state bytes.Buffer
			if err := donor.actors[0].machine.Snapshot(&state); err != nil {
				t.Fatal(err)
			}
			r := joined(t, Config{Executor: session.NewExecutor(&stubborn{}), Style: style})
			v := &view.View{Name: view.Name{Epoch: 2}}
			for id := view.ID(1); id <= 3; id++ {
				v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: id, Incarnation: 1}, Votes: 1})
			}
			from := v.Seats[0].Member
			heed := func(d cohort.Delivery) { r.Heed(now, &d) }
			heed(cohort.Delivery{Kind: cohort.StateBegan, From: from})
			heed(cohort.Delivery{Kind: cohort.StateChunk, From: from, Payload: state.Bytes()})
			heed(cohort.Delivery{Kind: cohort.StateDone, From: from})
			heed(cohort.Delivery{Kind: cohort.Viewed, View: v})
			for _, m := range donor.messages {
				heed(cohort.Delivery{Kind: cohort.Message, From: m.from, View: v, Payload: m.data})
			}
			heed(cohort.Delivery{Kind: cohort.Wanted, View: v})
			if r.Machine().View() != nil || len(r.giving) > 0 {
				t.Error("it goes on without a state")
			}
			request := session.Request{Verb: session.Open, Nonce: 1, Lease: time.Minute}
			r.Submit(now, 1, request.Append(nil))
			if out := r.Output(); len(out.Replies) != 1 || len(out.Multicast) != 0 {
				t.Errorf("a client is told %d things, and %d messages are sent", len(out.Replies), len(out.Multicast))
			}
			if r.Void() == nil {
				t.Error("it does not say why it has no state")
			}
			r.Act(now, &cohort.Output{})
			r.Tick(now.Add(time.Second))
			heed(cohort.Delivery{Kind: cohort.Expelled})
			heed(cohort.Delivery{Kind: cohort.Viewed, View: v})
			heed(cohort.Delivery{Kind: cohort.Message, From: donor.messages[0].from, View: v, Payload: donor.messages[0].data})
			if r.Machine().View() != nil {
				t.Error("it founds a group with a state that cannot be read")
			}
		})
	}
}

// TestADamagedStateIsGivenToNobody: a member whose state is not what its commands have made of it gives it to no joiner,
// says so and begins anew, unless nobody else has a state.
func TestADamagedStateIsGivenToNobody(t *testing.T) {
	for members, restarts := range map[int]bool{2: false, 3: true} {
		now := time.Unix(1000, 0)
		service := &counter{}
		r := joined(t, Config{Executor: session.NewExecutor(service)})
		v := &view.View{Name: view.Name{Epoch: 2}, Seats: []view.Seat{{Member: r.self, Votes: 1}}}
		for id := view.ID(3); len(v.Seats) < members; id++ {
			v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: id, Incarnation: 1}, Votes: 1})
		}
		r.Heed(now, &cohort.Delivery{Kind: cohort.Viewed, View: v})
		request := session.Request{Verb: session.Open, Nonce: 1, Lease: time.Minute}
		r.Machine().Executor().Execute(request.Append(nil), nil)
		service.value++
		r.Heed(now, &cohort.Delivery{Kind: cohort.Wanted, View: v, Missing: []view.Member{v.Seats[members-1].Member}})
		if len(r.giving) > 0 {
			t.Errorf("of %d members, it gives a damaged state on", members)
		}
		if said := len(r.Output().Do) == 2 && r.Output().Do[0].Members[0] == r.self; said != restarts {
			t.Errorf("of %d members, it says %+v", members, r.Output().Do)
		}
	}
}
