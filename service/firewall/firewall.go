// Package firewall is what a stateful firewall needs on top of the stack: which flows
// are replicated, and the way between flows and the stack's objects.
//
// A flow is replicated unless it belongs to this machine itself: one whose original
// source or destination is a loopback, link-local, multicast or broadcast address, an
// address of this host (the virtual ones excepted), or one the configuration says to
// ignore. The links of the cluster are among the host's own addresses, so that the
// replication does not replicate itself.
//
// The package is pure: kernel and sockets are in internal/edge, and
// internal/daemon brings them together. Source: the seed, chapters 2.2 and 4.
package firewall

import (
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// Config says which flows are this machine's own business.
type Config struct {
	Own    []netip.Addr   // addresses of this host, without the virtual ones
	Ignore []netip.Prefix // from the configuration
}

// Stack is what a firewall needs of one; the methods of protocol/stack's Stack say what
// they mean.
type Stack interface {
	Owning() bool
	State(key []byte) ([]byte, bool)
	Changed(now time.Time, key, state []byte)
	Gone(now time.Time, key []byte)
	Found(now time.Time, key, state []byte)
}

// Firewall carries flows to a stack. It allocates nothing in steady state.
type Firewall struct {
	stack  Stack
	own    map[netip.Addr]struct{}
	ignore []netip.Prefix
	known  flow.Flow
	buf    [flow.KeyMax + flow.StateMax]byte

	Ignored uint64 // flows that are this machine's own
}

// New makes a firewall in front of a stack.
func New(cfg Config, s Stack) *Firewall {
	f := &Firewall{stack: s, own: make(map[netip.Addr]struct{}), ignore: slices.Clone(cfg.Ignore)}
	for _, a := range cfg.Own {
		f.own[a.Unmap().WithZone("")] = struct{}{}
	}
	return f
}

// Replicated says whether a flow is one to replicate.
func (f *Firewall) Replicated(w *flow.Flow) bool {
	return f.foreign(w.Addr(&w.Orig.Src)) && f.foreign(w.Addr(&w.Orig.Dst))
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (f *Firewall) foreign(a netip.Addr) bool {
	if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a == broadcast {
		return false
	}
	if _, ok := f.own[a]; ok {
		return false
	}
	for _, p := range f.ignore {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Changed takes a flow that entered the kernel's table or changed there. What the
// event does not show is taken from what was known.
func (f *Firewall) Changed(now time.Time, w *flow.Flow) {
	if !f.stack.Owning() {
		return
	}
	if !f.Replicated(w) {
		f.Ignored++
		return
	}
	key := w.AppendKey(f.buf[:0])
	if w.Has != flow.AllFields {
		if state, ok := f.stack.State(key); ok && flow.Parse(key, state, &f.known) {
			w.Keep(&f.known)
		}
	}
	b := w.AppendState(key)
	f.stack.Changed(now, b[:len(key):len(key)], b[len(key):])
}

// Gone takes a flow that left the kernel's table.
func (f *Firewall) Gone(now time.Time, w *flow.Flow) {
	if f.Replicated(w) {
		f.stack.Gone(now, w.AppendKey(f.buf[:0]))
	}
}

// Found takes a flow of a dump. One that differs from what is known in its remaining
// life only has not changed: it would be told to the peers for nothing.
func (f *Firewall) Found(now time.Time, w *flow.Flow) {
	if !f.Replicated(w) {
		return
	}
	key := w.AppendKey(f.buf[:0])
	old, known := f.stack.State(key)
	if known && w.Has != flow.AllFields && flow.Parse(key, old, &f.known) {
		w.Keep(&f.known)
	}
	b := w.AppendState(key)
	state := b[len(key):]
	if known && flow.SameState(old, state) {
		state = old
	}
	f.stack.Found(now, b[:len(key):len(key)], state)
}
