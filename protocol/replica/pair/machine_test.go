package pair

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/internal/sim/register"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestConfigIsChecked(t *testing.T) {
	good := Config{
		Self: view.Member{ID: 1, Incarnation: 1}, Peer: 2, Preferred: 2, Policy: Freeze,
		Executor: session.NewExecutor(&register.Witnessed{}),
	}
	if _, err := New(good, Recovered{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says  string
		wrong func(*Config)
	}{
		{"needs a number and an incarnation", func(c *Config) { c.Self.Incarnation = 0 }},
		{"name the other member", func(c *Config) { c.Peer = 1 }},
		{"prefer one of the two", func(c *Config) { c.Preferred = 3 }},
		{"prefer, freeze or arbitrate", func(c *Config) { c.Policy = 0 }},
		{"at least 1ms", func(c *Config) { c.Heartbeat = time.Microsecond }},
		{"at least three heartbeats", func(c *Config) { c.Heartbeat, c.SuspectAfter = time.Second, time.Second }},
		{"has no executor", func(c *Config) { c.Executor = nil }},
	} {
		cfg := good
		c.wrong(&cfg)
		if _, err := New(cfg, Recovered{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is not said: %v", c.says, err)
		}
	}
}

// TestForeignFramesAreDroppedByName: and change nothing.
func TestForeignFramesAreDroppedByName(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].Life, c.nodes[1].Life = 4, 4
	for _, n := range c.nodes {
		c.start(n)
	}
	c.Run(100 * time.Millisecond)
	m := c.nodes[1].m
	before := m.State()
	say := func(s statement) []byte { return s.append(nil) }
	for _, f := range []struct {
		why     wire.Reason
		from    view.Member
		payload []byte
	}{
		{wire.UnknownSender, view.Member{ID: 3, Incarnation: 1}, say(statement{role: Empty, sequence: 1})},
		{wire.OldIncarnation, view.Member{ID: 1, Incarnation: 4}, say(statement{role: Single, sequence: 1 << 30, epoch: 99, highest: 99})},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, nil},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, []byte{9}},
		{wire.Malformed, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1, epoch: 1, highest: 1})},
		{wire.WrongDestination, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1 << 30, heard: 4})},
		{wire.Stale, view.Member{ID: 1, Incarnation: 5}, say(statement{role: Empty, sequence: 1})},
	} {
		was := m.Dropped(f.why)
		var out Output
		m.Receive(c.Now, f.from, f.payload, &out)
		if after := m.State(); m.Dropped(f.why) != was+1 || after != before || len(out.Send) != 0 {
			t.Errorf("%v: %d counted, %+v, was %+v", f.why, m.Dropped(f.why)-was, after, before)
		}
	}
}

// TestAPrimaryWhoseBackupDoesNotAcknowledgeIsBusy: and takes requests again when it does.
func TestAPrimaryWhoseBackupDoesNotAcknowledgeIsBusy(t *testing.T) {
	b := newBench(t)
	b.tick(5 * time.Millisecond)
	b.tick(5 * time.Millisecond)
	taken := 0
	for ; ; taken++ {
		b.request.Number++
		b.bytes = b.request.Append(b.bytes[:0])
		b.out[0].Reset()
		b.m[0].Submit(b.now, 1, b.bytes, &b.out[0])
		if len(b.out[0].Replies) > 0 {
			break
		}
	}
	if r, _ := session.ParseReply(b.out[0].Replies[0].Data); r.Status != session.Busy || taken != pendingMax {
		t.Errorf("after %d requests the answer is %v", taken, r.Status)
	}
	for range 200 {
		b.tick(time.Millisecond)
	}
	b.out[0].Reset()
	b.request.Acked = b.request.Number - 1
	b.bytes = b.request.Append(b.bytes[:0])
	if b.m[0].Submit(b.now, 1, b.bytes, &b.out[0]); len(b.out[0].Replies) != 0 {
		r, _ := session.ParseReply(b.out[0].Replies[0].Data)
		t.Errorf("it is still %v; %+v", r.Status, b.m[0].State())
	}
}

// TestAStateOfManyWindowsIsCopiedWhileClientsGoOn: with losses, and nothing that is executed meanwhile is missing.
func TestAStateOfManyWindowsIsCopiedWhileClientsGoOn(t *testing.T) {
	c := newCluster(t, 2, service.All(service.Setting{})...)
	c.Loss, c.Jitter = 0.05, time.Millisecond
	c.start(c.nodes[0])
	c.start(c.nodes[1])
	c.Run(100 * time.Millisecond)
	c.Crash(&c.nodes[1].Host)
	c.Run(100 * time.Millisecond)
	c.nodes[0].state.Extra = 8 * windowMax
	c.start(c.nodes[1])
	for range 400 {
		c.Run(10 * time.Millisecond)
		for i, x := range c.Clients {
			if x.Idle() {
				x.Ask(service.Add, uint32(i), 1)
			}
		}
	}
	c.Loss = 0
	c.Run(time.Second)
	c.Hear(&service.Fact{Kind: service.Ended})
	a, b := c.nodes[0].m, c.nodes[1].m
	if v := c.Court.Violation(); v != nil || a.role != Primary || b.role != Backup || a.exec.Digest() != b.exec.Digest() {
		t.Errorf("%v and %v in epoch %d, %v", a.role, b.role, a.epoch, v)
	}
}

// whole says whether both are a pair again and alike.
func (b *bench) whole() bool {
	return b.m[0].role+b.m[1].role == Primary+Backup && b.m[0].epoch == b.m[1].epoch && b.m[0].exec.Digest() == b.m[1].exec.Digest()
}

// say lets the backup say something to the primary, or the other way round.
func (b *bench) say(from int, payload []byte) {
	b.m[1-from].Receive(b.now, view.Member{ID: view.ID(from + 1), Incarnation: 1}, payload, &b.out[1-from])
}

// TestAnAcknowledgementWithAnotherDigestIsADivergence: also if the backup has not noticed.
func TestAnAcknowledgementWithAnotherDigestIsADivergence(t *testing.T) {
	b := newBench(t)
	b.call()
	p, q := b.m[0], b.m[1]
	b.say(1, (&statement{
		role: Backup, heard: 1, sequence: q.sequence + 1, epoch: q.epoch, highest: q.highest, index: q.exec.Index(),
		digest: q.exec.Digest() + 1, stream: q.in.stream, upto: q.in.upto,
	}).append(nil))
	q.sequence++
	told := b.out[0].Do
	if len(told) != 1 || told[0].Verb != replica.Diverged || told[0].Index != q.exec.Index() || len(told[0].Request) == 0 || p.serves() {
		t.Fatalf("the primary tells %+v", told)
	}
	for range 30 {
		b.carry()
		b.tick(time.Millisecond)
	}
	if !b.whole() || p.epoch <= 5 {
		t.Errorf("they are %+v and %+v", p.State(), q.State())
	}
}

// TestAStreamThatMakesNoSenseIsBegunAnew: the backup gives its role up, and gets the state again.
func TestAStreamThatMakesNoSenseIsBegunAnew(t *testing.T) {
	for name, r := range map[string]record{
		"another kind":       {kind: 9},
		"a command too far":  {kind: recordCommand, index: 99},
		"paired once more":   {kind: recordPaired, index: 2, epoch: 7},
		"an epoch of nobody": {kind: recordPaired, index: 2},
	} {
		b := newBench(t)
		b.call()
		q := b.m[1]
		p := piece{heard: 1, epoch: q.epoch, stream: q.in.stream, snapshot: q.in.size, offset: q.in.upto, data: r.append(nil)}
		if b.say(0, p.append(nil)); q.role != Empty {
			t.Errorf("%s: it is %v", name, q.role)
		}
		for range 100 {
			b.carry()
			b.tick(time.Millisecond)
		}
		if !b.whole() {
			t.Errorf("%s: they are %+v and %+v", name, b.m[0].State(), q.State())
		}
	}
}

// TestASnapshotThatCannotBeReadHaltsTheSecondTime.
func TestASnapshotThatCannotBeReadHaltsTheSecondTime(t *testing.T) {
	c := newCluster(t, 1)
	c.start(c.nodes[1])
	m, now := c.nodes[1].m, c.Now
	var out Output
	from := view.Member{ID: 1, Incarnation: 1}
	m.Receive(now, from, (&statement{role: Single, heard: 1, sequence: 1, epoch: 3, highest: 3}).append(nil), &out)
	for stream := uint32(1); stream <= 2; stream++ {
		p := piece{heard: 1, epoch: 3, stream: stream, snapshot: 5, data: []byte("wrong")}
		m.Receive(now, from, p.append(nil), &out)
		if err := m.Proceed(now, &out); stream == 1 && err != ErrWorthless {
			t.Errorf("a member whose state was broken is told to proceed: %v", err)
		}
	}
	if st := m.State(); st.Role != Halting || st.Stopped == nil || st.Stopped.Err == nil {
		t.Errorf("it is %+v", st)
	}
}

// TestWhatIsRefused: by name, and not executed.
func TestWhatIsRefused(t *testing.T) {
	b := newBench(t)
	pass, call := session.Request{Verb: session.Pass}, session.Request{Verb: session.Call, How: session.Maybe, Body: b.body}
	for _, c := range []struct {
		to      int
		request []byte
		want    session.Status
		server  view.ID
	}{
		{0, []byte("no request"), session.Malformed, 0},
		{0, pass.Append(nil), session.Refused, 0},
		{1, call.Append(nil), session.Elsewhere, 1},
	} {
		before := b.m[0].exec.Index()
		b.m[c.to].Submit(b.now, 1, c.request, &b.out[c.to])
		r, _ := session.ParseReply(b.out[c.to].Replies[0].Data)
		if r.Status != c.want || r.Server != c.server || b.m[0].exec.Index() != before {
			t.Errorf("m%d says %v, %v", c.to+1, r.Status, r.Server)
		}
		b.out[c.to].Reset()
	}
}

// TestWhoIsCopiedToAndGoneHoldsNobodyUp: when there is no room for more, the copy is given up and begun anew later.
func TestWhoIsCopiedToAndGoneHoldsNobodyUp(t *testing.T) {
	c := newCluster(t, 1)
	c.start(c.nodes[0])
	c.start(c.nodes[1])
	c.Run(100 * time.Millisecond)
	c.Crash(&c.nodes[1].Host)
	c.Run(100 * time.Millisecond)
	c.nodes[0].state.Extra = 4 * windowMax
	c.start(c.nodes[1])
	c.Run(1500 * time.Microsecond)
	c.Crash(&c.nodes[1].Host)
	c.Run(100 * time.Millisecond)
	m := c.nodes[0].m
	if !m.out.active() {
		t.Fatal("nothing was copied")
	}
	large := session.Request{Verb: session.Call, How: session.Maybe, Body: make([]byte, session.BodyMax)}
	for range 2 * logMax / session.BodyMax {
		c.step(c.nodes[0], func(out *Output) {
			if m.Submit(c.Now, 1, large.Append(nil), out); len(out.Replies) != 1 {
				t.Fatal("no answer")
			}
			if r, _ := session.ParseReply(out.Replies[0].Data); r.Status != session.OK {
				t.Fatalf("the answer is %v", r.Status)
			}
		})
	}
	c.start(c.nodes[1])
	c.Run(time.Second)
	if c.nodes[1].m.role != Backup {
		t.Errorf("it is %v", c.nodes[1].m.role)
	}
}

// founded is a service that wants to know when it begins with nothing.
type founded struct {
	register.Register
	epochs []view.Epoch
}

func (f *founded) Founded(epoch view.Epoch) { f.epochs = append(f.epochs, epoch) }

// A state that is lost with both members is not remembered, so numbers of the service are to begin above what it can have given: it
// is told when it begins, by the clock of who founds it.
func TestAServiceIsToldWhenItBeginsWithNothing(t *testing.T) {
	began := time.Unix(1000000000, 0)
	for _, kept := range []view.Epoch{0, 5} {
		f := &founded{}
		m, err := New(Config{
			Self: view.Member{ID: 1, Incarnation: view.Incarnation(began.UnixNano())}, Peer: 2, Preferred: 1, Policy: Prefer,
			Executor: session.NewExecutor(f),
		}, Recovered{Known: true, Epoch: kept})
		if err != nil {
			t.Fatal(err)
		}
		var out Output
		m.Start(began, &out)
		now := began.Add(time.Second)
		if kept == 0 {
			s := statement{role: Empty, heard: m.cfg.Self.Incarnation, sequence: 1}
			m.Receive(now, view.Member{ID: 2, Incarnation: 1}, s.append(nil), &out)
		} else if err := m.Proceed(now, &out); err != nil {
			t.Fatal(err)
		}
		if len(f.epochs) != 0 {
			t.Errorf("it is told %v before the epoch is saved", f.epochs)
		}
		m.Persisted(now, out.Save, nil, &out)
		if want := view.Epoch(now.UnixNano()); m.role != Single || len(f.epochs) != 1 || f.epochs[0] != want {
			t.Errorf("a member that is %v has told %v, and should have told %d", m.role, f.epochs, want)
		}
	}
}
