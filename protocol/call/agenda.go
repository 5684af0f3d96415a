package call

import (
	"time"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// entry is a call, or what keeps the session.
type entry struct {
	id       uint64 // the caller's name for it; 0: the machine's own
	verb     session.Verb
	how      session.Semantics
	number   uint64 // 0: not sent yet
	request  []byte
	deadline time.Time      // zero: none
	first    time.Time      // when it was sent first
	retry    time.Time      // when it is sent again; zero: not
	hedge    time.Time      // when it goes to a second server; zero: not
	to       view.ID        // who was asked last
	rounds   int            // how often it was waited for in vain
	hops     int            // servers asked since the last wait
	refused  bool           // by all who were asked, so far
	put      session.Status // why it was put off last; 0: it was not
	same     bool           // executing it again changes nothing
	place    int            // in the agenda
}

// repeats says whether the entry is sent again though it may have arrived.
func (e *entry) repeats() bool {
	return e.verb != session.Call || canary == RepeatsAll || e.how == session.AtLeastOnce || e.how == session.ExactlyOnce
}

// hedges says whether the entry may be sent to a second server before the first has had its time.
func (e *entry) hedges() bool {
	return e.verb == session.Call && (e.same && e.repeats() || canary == HedgesAll)
}

// burden is what a large request takes longer than a small one.
func (e *entry) burden() time.Duration { return time.Duration(len(e.request)) * byteWait }

// sent says whether it ever was.
func (e *entry) sent() bool { return !e.first.IsZero() }

// due is when something is to be done; zero: never.
func (e *entry) due() time.Time { return earlier(earlier(e.retry, e.hedge), e.deadline) }

// earlier is the earlier of two times, zero being never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// agenda is a heap of all entries, by when they are due and then by their age.
type agenda []*entry

func (a agenda) less(i, j int) bool {
	x, y := a[i].due(), a[j].due()
	switch {
	case x.Equal(y):
		return a[i].id < a[j].id
	case x.IsZero() || y.IsZero():
		return y.IsZero()
	}
	return x.Before(y)
}

func (a agenda) swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a *agenda) push(e *entry) {
	e.place = len(*a)
	*a = append(*a, e)
	a.fix(e)
}

func (a *agenda) remove(e *entry) {
	i, n := e.place, len(*a)-1
	a.swap(i, n)
	(*a)[n] = nil
	*a = (*a)[:n]
	e.place = -1
	if i < n {
		a.fix((*a)[i])
	}
}

// fix puts an entry where it belongs after its times have changed.
func (a agenda) fix(e *entry) {
	for i := e.place; i > 0 && a.less(i, (i-1)/2); i = (i - 1) / 2 {
		a.swap(i, (i-1)/2)
	}
	for i := e.place; ; {
		child := 2*i + 1
		if child+1 < len(a) && a.less(child+1, child) {
			child++
		}
		if child >= len(a) || !a.less(child, i) {
			return
		}
		a.swap(i, child)
		i = child
	}
}
