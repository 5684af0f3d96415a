package firewall

import (
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// ledger is a stack that writes down what it is told.
type ledger struct {
	owning bool
	states map[string]string
	found  map[string]string
	gone   int
}

func (l *ledger) Owning() bool { return l.owning }
func (l *ledger) State(key []byte) ([]byte, bool) {
	s, ok := l.states[string(key)]
	return []byte(s), ok
}
func (l *ledger) Changed(_ time.Time, key, state []byte) { l.states[string(key)] = string(state) }
func (l *ledger) Gone(_ time.Time, key []byte) {
	l.gone++
	delete(l.states, string(key))
}
func (l *ledger) Found(_ time.Time, key, state []byte) {
	l.found[string(key)] = string(state)
}

func newFirewall() (*Firewall, *ledger) {
	l := &ledger{owning: true, states: map[string]string{}, found: map[string]string{}}
	return New(Config{
		Own:    []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")},
		Ignore: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	}, l), l
}

func between(src, dst string) *flow.Flow {
	f := &flow.Flow{Proto: flow.TCP, Status: flow.Confirmed | flow.SeenReply, State: 3, Timeout: 300, Has: flow.AllFields}
	put := func(text string) (a [16]byte) {
		ip := netip.MustParseAddr(text)
		f.Family = flow.IPv6
		if ip.Is4() {
			f.Family = flow.IPv4
		}
		copy(a[:], ip.AsSlice())
		return a
	}
	f.Orig = flow.Tuple{Src: put(src), Dst: put(dst), SrcPort: 1000, DstPort: 80}
	f.Reply = f.Inverse()
	return f
}

func TestWhichFlowsAreReplicated(t *testing.T) {
	f, _ := newFirewall()
	for _, c := range []struct {
		src, dst string
		want     bool
	}{
		{"192.0.2.10", "198.51.100.10", true},
		{"2001:db8::10", "2001:db8:1::1", true},
		{"192.0.2.10", "192.0.2.2", false},     // to this host
		{"192.0.2.2", "198.51.100.10", false},  // from it
		{"2001:db8::2", "2001:db8::10", false}, //
		{"127.0.0.1", "127.0.0.1", false},      //
		{"::1", "::1", false},                  //
		{"203.0.113.1", "203.0.113.2", false},  // ignored
		{"192.0.2.10", "224.0.0.18", false},    // multicast
		{"192.0.2.10", "255.255.255.255", false},
		{"fe80::1", "2001:db8::10", false}, // link-local
		{"0.0.0.0", "192.0.2.1", false},
	} {
		if got := f.Replicated(between(c.src, c.dst)); got != c.want {
			t.Errorf("%s to %s: replicated is %v", c.src, c.dst, got)
		}
	}
}

func TestAnEventIsCompletedFromWhatWasKnown(t *testing.T) {
	f, l := newFirewall()
	w := between("192.0.2.10", "198.51.100.10")
	w.Labels[3] = 7
	w.Mark = 9
	f.Changed(time.Time{}, w)
	update := between("192.0.2.10", "198.51.100.10")
	update.Has = flow.AllFields &^ flow.FieldLabels
	update.Mark = 10
	f.Changed(time.Time{}, update)
	var got flow.Flow
	for k, s := range l.states {
		if !flow.Parse([]byte(k), []byte(s), &got) {
			t.Fatal("malformed")
		}
	}
	if got.Labels[3] != 7 || got.Mark != 10 {
		t.Errorf("labels %v, mark %d: want those that were known, and the new mark", got.Labels, got.Mark)
	}
}

func TestOnlyASourceMindsChanges(t *testing.T) {
	f, l := newFirewall()
	l.owning = false
	f.Changed(time.Time{}, between("192.0.2.10", "198.51.100.10"))
	if len(l.states) != 0 {
		t.Error("a standby took a change of its own table")
	}
}

func TestADumpDoesNotTellOfAgeing(t *testing.T) {
	f, l := newFirewall()
	w := between("192.0.2.10", "198.51.100.10")
	f.Changed(time.Time{}, w)
	before := map[string]string{}
	for k, v := range l.states {
		before[k] = v
	}
	w.Timeout -= 100
	f.Found(time.Time{}, w)
	for k, v := range l.found {
		if before[k] != v {
			t.Error("a flow that has only aged is told as changed")
		}
	}
	w.State++
	f.Found(time.Time{}, w)
	for k, v := range l.found {
		if before[k] == v {
			t.Error("a flow that has changed is told as the same")
		}
	}
	f.Gone(time.Time{}, w)
	f.Gone(time.Time{}, between("127.0.0.1", "127.0.0.1"))
	if l.gone != 1 {
		t.Errorf("%d flows told as gone, want 1", l.gone)
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	f, l := newFirewall()
	w := between("192.0.2.10", "198.51.100.10")
	f.Changed(time.Time{}, w)
	key := w.AppendKey(nil)
	steady := &still{state: []byte(l.states[string(key)])}
	f.stack = steady
	w.Has = flow.AllFields &^ flow.FieldLabels
	if n := testing.AllocsPerRun(100, func() { f.Changed(time.Time{}, w); f.Found(time.Time{}, w); f.Gone(time.Time{}, w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// still is a stack that never changes.
type still struct{ state []byte }

func (s *still) Owning() bool                      { return true }
func (s *still) State([]byte) ([]byte, bool)       { return s.state, true }
func (s *still) Changed(time.Time, []byte, []byte) {}
func (s *still) Gone(time.Time, []byte)            {}
func (s *still) Found(time.Time, []byte, []byte)   {}
