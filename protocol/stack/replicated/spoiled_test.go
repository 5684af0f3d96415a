package replicated

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/replica"
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
// says so, and begins anew; if nobody else has a state it stops, and answers nobody any more.
func TestADamagedStateIsGivenToNobody(t *testing.T) {
	for style := range styleCount {
		for members, verb := range map[int]replica.Verb{2: replica.Halted, 3: replica.Restart} {
			t.Run(fmt.Sprint(style, members), func(t *testing.T) {
				r, _ := damaged(t, style, members)
				if len(r.giving) > 0 {
					t.Error("it gives a damaged state on")
				}
				do := r.Output().Do
				if len(do) == 0 || do[len(do)-1].Verb != verb || do[0].Members[0] != r.self {
					t.Errorf("it says %+v", do)
				}
				if why := r.Machine().Stopped(); verb == replica.Halted && (why == nil || !errors.Is(why.Err, session.ErrChanged)) {
					t.Errorf("it has stopped for %+v", why)
				}
				r.Output().Reset()
				request := session.Request{Verb: session.Open, Nonce: 1, Lease: time.Minute}
				r.Submit(time.Unix(1000, 0), 1, request.Append(nil))
				if out := r.Output(); len(out.Multicast) > 0 || len(out.Replies) != 1 {
					t.Errorf("a client is told %d things, and %d messages are sent", len(out.Replies), len(out.Multicast))
				}
			})
		}
	}
}

// damaged is a member in a view of so many, the first, that was asked for its state for the last of them after a bit of it had
// flipped.
func damaged(t *testing.T, style Style, members int) (*Replica, *view.View) {
	now, service := time.Unix(1000, 0), &counter{}
	r := joined(t, Config{Executor: session.NewExecutor(service), Style: style})
	v := &view.View{Name: view.Name{Epoch: 2}, Seats: []view.Seat{{Member: r.self, Votes: 1}}}
	for id := view.ID(3); len(v.Seats) < members; id++ {
		v.Seats = append(v.Seats, view.Seat{Member: view.Member{ID: id, Incarnation: 1}, Votes: 1})
	}
	r.Heed(now, &cohort.Delivery{Kind: cohort.Viewed, View: v})
	request := session.Request{Verb: session.Open, Nonce: 1, Lease: time.Minute}
	r.Machine().Executor().Execute(request.Append(nil), nil)
	service.value++
	r.Heed(now, &cohort.Delivery{Kind: cohort.Wanted, View: v, Missing: []view.Member{v.Seats[members-1].Member}})
	return r, v
}

// TestADamagedStateFoundsNoService: a member that has given its state up, and is to found the group anew since nobody else
// has one, stops. What is given to it makes it whole.
func TestADamagedStateFoundsNoService(t *testing.T) {
	for style := range styleCount {
		t.Run(style.String(), func(t *testing.T) {
			now := time.Unix(1000, 0)
			donor := begun(t, style)
			var state bytes.Buffer
			if err := donor.actors[0].machine.Snapshot(&state); err != nil {
				t.Fatal(err)
			}
			r, v := damaged(t, style, 3)
			r.Heed(now, &cohort.Delivery{Kind: cohort.Expelled})
			r.Output().Reset()
			r.Heed(now, &cohort.Delivery{Kind: cohort.Viewed, View: v})
			if why := r.Machine().Stopped(); why == nil || why.Err == nil || len(r.Output().Do) != 1 || r.Output().Do[0].Verb != replica.Halted {
				t.Fatalf("it goes on: it has stopped for %+v, and says %+v", why, r.Output().Do)
			}
			r.Heed(now, &cohort.Delivery{Kind: cohort.Wanted, View: v, Missing: []view.Member{v.Seats[1].Member, v.Seats[2].Member}})
			if len(r.giving) > 0 {
				t.Error("it gives its state on")
			}
			for _, d := range []cohort.Delivery{
				{Kind: cohort.Expelled}, {Kind: cohort.StateBegan}, {Kind: cohort.StateChunk, Payload: state.Bytes()}, {Kind: cohort.StateDone}, {Kind: cohort.Viewed, View: v},
			} {
				r.Heed(now, &d)
			}
			if r.Machine().Stopped() != nil || r.Machine().Damaged() {
				t.Error("it has another's state and is damaged still")
			}
		})
	}
}
