package driver

import (
	"io"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver/census"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
)

// idle is a service that does nothing.
type idle struct{}

func (idle) Apply(_ session.Command, reply []byte) []byte { return reply }
func (idle) Ended(time.Duration, session.ID)              {}
func (idle) Passed(time.Duration)                         {}
func (idle) Next() time.Duration                          { return 0 }
func (idle) Digest() uint64                               { return 0 }
func (idle) Snapshot(io.Writer) error                     { return nil }
func (idle) Restore(io.Reader) error                      { return nil }

// newReplica keeps one of a service whose group is never founded, and gives what it answers.
func newReplica(t *testing.T) (*Cohort, *Replica, chan uint64) {
	t.Helper()
	c, answers := newCohort(t), make(chan uint64, 16)
	r, err := c.Serve(ReplicaConfig{
		Group: cohort.GroupConfig{Name: "g"}, Service: idle{},
		Answer: func(client uint64, _ []byte) { answers <- client },
		Notice: func(uint64, []byte) {}, Flush: func() {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, r, answers
}

func request() []byte { return (&session.Request{Verb: session.Call}).Append(nil) }

// Requests wait for those before them, and go together; but not for ever, since an answer may
// never come.
func TestRequestsWaitForThoseUnderWay(t *testing.T) {
	c, r, answers := newReplica(t)
	r.Submit(7, request())
	if who := <-answers; who != 7 {
		t.Errorf("client %d was answered", who)
	}
	var began time.Time
	c.Do(func() { r.underWay, r.sent, began = 1, now(), now() })
	r.Submit(8, request())
	r.Submit(9, request())
	if who := <-answers; who != 8 || time.Since(began) < holdMax {
		t.Errorf("client %d was answered %v after a request was under way, want 8 after %v", who, time.Since(began), holdMax)
	}
	if who := <-answers; who != 9 {
		t.Errorf("client %d was answered", who)
	}
	c.Do(func() {
		if r.underWay != 0 || r.waiting.Load() {
			t.Errorf("%d requests are under way, and all are answered", r.underWay)
		}
	})
}

// What is under way is answered within the step that gets the answers, and so are those who waited.
func TestWhoWaitedGoesWithTheAnswer(t *testing.T) {
	c, r, answers := newReplica(t)
	c.Do(func() {
		r.underWay, r.sent = 1, now().Add(time.Hour) // it would wait for long
		r.filling.bytes = request()
		r.filling.requests = []submission{{client: 8, to: len(r.filling.bytes)}}
		r.waiting.Store(true)
		r.feed()
		if len(answers) > 0 {
			t.Error("it did not wait")
		}
		r.replica.Submit(c.time, 7, request()) // answered at once: there is no view
		r.act()
		if len(answers) != 2 {
			t.Errorf("%d were answered, want who was under way and who waited", len(answers))
		}
	})
}

// A service's group is in the status like any other.
func TestStatusTellsOfServices(t *testing.T) {
	c, _, _ := newReplica(t)
	var s census.Status
	for range 2 { // the first waits for the group to be joined
		s, _ = c.Status()
	}
	if len(s.Groups) != 1 || s.Groups[0].Name != "g" || s.Groups[0].State != "asking" || s.Groups[0].Needed == 0 {
		t.Errorf("the groups are %+v", s.Groups)
	}
}
