package driver

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// newCohort makes one of two members, of whom the other is never heard.
func newCohort(t *testing.T) *Cohort {
	t.Helper()
	c, err := NewCohort(CohortConfig{
		Cluster: "test", Transport: &silent{},
		Node: cohort.NodeConfig{
			Self: view.Member{ID: 1, Incarnation: 1}, Links: 1, Heartbeat: time.Second, SuspectAfter: 10 * time.Second,
			Candidates: []cohort.Candidate{{ID: 1, Name: "a", Votes: 1}, {ID: 2, Name: "b", Votes: 1}},
		},
	}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Who asks something of a cohort that is being closed must not go on while another goroutine
// is still at it: the answer is written to what the caller reads.
func TestDoHasEndedWhenItReturns(t *testing.T) {
	c := newCohort(t)
	begun, asked := make(chan struct{}), make(chan struct{})
	go c.Do(func() {
		close(begun)
		<-asked
	})
	<-begun // that goroutine has the turn, and does what others ask
	answering, returned := make(chan struct{}), make(chan bool, 1)
	early := false
	go func() {
		returned <- c.Do(func() {
			close(answering)
			select {
			case <-returned:
				early = true
			case <-time.After(100 * time.Millisecond):
			}
		})
	}()
	for isAsked := false; !isAsked; {
		c.mu.Lock()
		isAsked = len(c.queries) == 1
		c.mu.Unlock()
	}
	close(asked)
	<-answering
	c.Close()
	if early || !<-returned {
		t.Error("Do returned, and what it had to run was running")
	}
}

// A snapshot that is written when the group has ended meanwhile is for nobody.
func TestASnapshotOfAGroupThatHasEndedIsNotKept(t *testing.T) {
	c := newCohort(t)
	var g *Group
	var kept *spool
	g, err := c.Join(GroupConfig{
		Group: cohort.GroupConfig{Name: "g"},
		Snapshot: func(w io.Writer) error {
			kept = w.(*spool)
			_, err := w.Write(make([]byte, spoolMemory+1))
			c.Do(func() { g.end(ErrDeparted) })
			return err
		},
		Restore: func(io.Reader) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.snapshot(&cohort.Delivery{View: &view.View{}}); err != nil {
		t.Fatal(err)
	}
	if kept.file != nil || len(g.shots) > 0 {
		t.Errorf("%d snapshots are kept, the file of this one is open: %v", len(g.shots), kept.file != nil)
	}
}
