package service

import "fmt"

// historyPromise is what is broken when a history contradicts itself: the observer errs.
const historyPromise = "history"

// request names what goes out for a call, as replicas know it.
type request struct{ session, number, sum uint64 }

// requestOf gives the request of a fact, if it names one.
func requestOf(f *Fact) (request, bool) {
	if f.Number != 0 {
		return request{f.Session, f.Number, 0}, true
	}
	return request{0, 0, f.Sum}, f.Sum != 0
}

// name names a call.
type name struct {
	client int
	number uint64
}

// call is one call with all that is known of it.
type call struct {
	name
	semantics   Semantics
	op          Op
	key         uint32
	value       uint64
	begin, end  int64 // true time; end is of the first answer
	from        int   // how many changes of those who vote were before it
	life        int   // of the service, when it began
	until       int   // the life in which it was answered or given up for good
	sent        bool  // it has gone out as a request that is known
	executed    bool  // in any life
	index       uint64
	indexLife   int // of index, the first at which it was executed in that life
	answered    bool
	answer      uint64
	again       bool // it is answered a second time: other is that answer
	other       uint64
	unexecuted  bool
	unknown     bool
	interrupted bool // its client crashed
}

// open says whether the client still waits.
func (c *call) open() bool { return !c.answered && !c.unexecuted && !c.unknown && !c.interrupted }

// changes says whether the call may change the state.
func (c *call) changes() bool { return c.op != Read }

// Ledger is the judge of the history itself, and what others read. It must hear each fact
// before they do.
type Ledger struct {
	setting Setting
	names   map[name]*call
	all     []*call
	sent    map[request]*call
	waiting map[int][]*call // by client, those that were open when last looked at
	life    int             // of the service
	deaths  []int64         // when each life ended
	seats   []uint64        // who voted, one after another
	calm    bool
	ended   bool
}

// NewLedger makes a ledger.
func NewLedger(s Setting) *Ledger {
	return &Ledger{setting: s, names: map[name]*call{}, sent: map[request]*call{}, waiting: map[int][]*call{}}
}

// Promise is that the observer does not contradict itself.
func (l *Ledger) Promise() string { return historyPromise }

// Hear takes a fact down.
func (l *Ledger) Hear(f *Fact) error {
	if l.ended {
		return fmt.Errorf("there is a fact of kind %d after the end", f.Kind)
	}
	switch f.Kind {
	case Called:
		return l.called(f)
	case Sent, Answered, Unexecuted, Unknown:
		c := l.names[name{f.Client, f.Call}]
		if c == nil {
			return fmt.Errorf("client %d is told something of call %d, which it did not make", f.Client, f.Call)
		}
		return l.told(c, f)
	case Crashed:
		for _, c := range l.waiting[f.Client] {
			if c.open() {
				c.interrupted = true
			}
			if l.names[c.name] == c {
				delete(l.names, c.name)
			}
		}
		delete(l.waiting, f.Client)
	case Executed, Skipped:
		return l.executed(f)
	case Perished:
		if !l.setting.Volatile {
			return fmt.Errorf("the state of a service is lost that is said to be durable")
		}
		l.life++
		l.deaths = append(l.deaths, int64(f.At))
	case Seated:
		l.seats = append(l.seats, f.Value)
	case Calmed:
		l.calm = true
	case Ended:
		l.ended = true
	}
	return nil
}

func (l *Ledger) called(f *Fact) error {
	n := name{f.Client, f.Call}
	if f.Client == 0 {
		return fmt.Errorf("client 0 makes a call; clients are numbered from 1")
	}
	if was := l.names[n]; was != nil && was.open() {
		return fmt.Errorf("client %d makes call %d, which it has not finished", f.Client, f.Call)
	}
	c := &call{
		name: n, semantics: f.Semantics, op: f.Op, key: f.Key, value: f.Value,
		begin: int64(f.At), from: max(0, len(l.seats)-1), life: l.life,
	}
	l.names[n] = c
	l.all = append(l.all, c)
	w := l.waiting[f.Client]
	if n := len(w); n > 0 && !w[n-1].open() && !w[n-1].unknown {
		w = w[:n-1] // the usual case: one after another
	}
	l.waiting[f.Client] = append(w, c)
	return l.assign(c, f)
}

// assign notes as which request a call has gone out.
func (l *Ledger) assign(c *call, f *Fact) error {
	r, is := requestOf(f)
	if !is {
		return nil
	}
	if other := l.sent[r]; other != nil && other != c {
		switch {
		case r.number == 0:
			other.sent = other.executed // the same bytes again: the next execution is taken for the later call's
		case l.setting.Volatile && other.life != l.life: // sessions are numbered anew
		default:
			return fmt.Errorf("calls %d of client %d and %d of client %d have gone out as one request, %d of session %d",
				other.number, other.client, c.number, c.client, r.number, r.session)
		}
	}
	l.sent[r] = c
	c.sent = true
	return nil
}

// told takes what a client is told of its call.
func (l *Ledger) told(c *call, f *Fact) error {
	switch f.Kind {
	case Sent:
		return l.assign(c, f)
	case Answered:
		if c.again = c.answered; c.again {
			c.other = f.Value
			return nil
		}
		c.answered, c.answer, c.end, c.until = true, f.Value, int64(f.At), l.life
	case Unexecuted:
		c.unexecuted, c.until = true, l.life
	case Unknown:
		c.unknown = true
	}
	return nil
}

func (l *Ledger) executed(f *Fact) error {
	if f.Index == 0 {
		return fmt.Errorf("%v executes command 0; commands are numbered from 1", f.Node)
	}
	if c := l.of(f); c != nil && (c.index == 0 || c.indexLife != l.life) {
		c.executed, c.index, c.indexLife = true, f.Index, l.life
	}
	return nil
}

// call is the call that a fact of a client is about, or nil.
func (l *Ledger) call(f *Fact) *call { return l.names[name{f.Client, f.Call}] }

// of is the call that is executed, or nil.
func (l *Ledger) of(f *Fact) *call {
	if f.Kind != Executed {
		return nil
	}
	r, is := requestOf(f)
	if !is {
		return nil
	}
	return l.sent[r]
}

// place is a place in the agreed order of one life of the service.
type place struct {
	life  int
	index uint64
}
