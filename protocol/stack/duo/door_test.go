package duo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func (r *rig) roles(when, a, b string) {
	r.t.Helper()
	if x, y := r.hosts[0].member.Status().Role, r.hosts[1].member.Status().Role; x != a || y != b {
		r.t.Errorf("%s: the servers are %s and %s, want %s and %s", when, x, y, a, b)
	}
}

// TestOtherTermsAreNotLetIn: of two new servers with other terms neither goes on; one that serves is not disturbed by the other's
// new life with other terms, which waits for as long as it hears it.
func TestOtherTermsAreNotLetIn(t *testing.T) {
	r := newRigOf(t, "alone=prefer:a", "alone=prefer:b")
	r.pass(time.Minute)
	r.roles("both are new", "empty", "empty")
	if a, b := r.hosts[0].member.Refused(), r.hosts[1].member.Refused(); a != "alone=prefer:b" || b != "alone=prefer:a" {
		t.Errorf("they refuse %q and %q", a, b)
	}
	r.start(1, 20, "alone=prefer:a")
	r.pass(20 * heartbeat)
	r.roles("one was mended", "primary", "backup")
	if a, b := r.hosts[0].member.Refused(), r.hosts[1].member.Refused(); a != "" || b != "" {
		t.Errorf("when one was mended they refuse %q and %q", a, b)
	}
	r.call(r.hosts[0], nil)

	r.start(1, 21, "alone=freeze")
	r.pass(time.Minute)
	r.roles("one came back with other terms", "alone", "empty")
	r.call(r.hosts[0], nil)
	if n, _ := r.last(r.hosts[0]); n != 2 {
		t.Errorf("the call that was the second is the %dth", n)
	}
	r.start(1, 22, "alone=prefer:a")
	r.pass(20 * heartbeat)
	r.roles("it was mended", "primary", "backup")
	r.start(0, 30, "alone=freeze") // the backup knows that it is the one with the state
	r.pass(20 * heartbeat)
	r.roles("the primary came back with other terms", "empty", "alone")
}

// TestAGroupOfTheSameName: two servers, of which one is told to be a member of a group: each says so, and none serves.
func TestAGroupOfTheSameName(t *testing.T) {
	r := newRigOf(t, "alone=freeze", "alone=freeze")
	h := r.hosts[1]
	h.dead = true
	r.start(1, 20, "alone=freeze")
	h = r.hosts[1]
	h.member.Leave(r.now, nil)
	g, err := h.node.Join(r.now, cohort.GroupConfig{Name: "s", Stateful: true, Style: "active"}, &h.out)
	if err != nil {
		t.Fatal(err)
	}
	r.start(0, 30, "alone=freeze")
	r.pass(time.Second)
	if a := r.hosts[0].member; a.Refused() != cohort.TermsOfGroup || a.Status().Role != "empty" || g.View() != nil {
		t.Errorf("the server is %+v and refuses %q; the member has the view %v", a.Status(), a.Refused(), g.View())
	}
	if len(h.told) == 0 || h.told[0] != cohort.TermsOfTwo {
		t.Errorf("the member is told %q", h.told)
	}
}

// TestWhoIsGoneKeepsNobodyWaiting: a new server that has heard other terms does what it would do alone when it hears them no more.
func TestWhoIsGoneKeepsNobodyWaiting(t *testing.T) {
	r := newRigOf(t, "one", "two")
	r.hosts[0].dead = true
	r.pass(2 * shutSuspects * 5 * heartbeat)
	if m := r.hosts[1].member; m.door.settled || !m.door.shut.IsZero() || !m.Status().Silent && !m.Status().Going {
		t.Errorf("it still waits: %+v, %+v", m.door, m.Status())
	}
}

// TestTermsAreRepeated: terms that were lost are told again when something of a life comes that was not let in.
func TestTermsAreRepeated(t *testing.T) {
	r := newRigOf(t, "one", "one")
	for range 3 {
		r.hosts[0].member.door = door{settled: true} // as if nothing had been heard
		r.pass(3 * heartbeat)
		r.roles("terms were lost", "primary", "backup")
		if d := &r.hosts[0].member.door; d.agreed != r.hosts[1].self.Incarnation {
			t.Errorf("the door is %+v", d)
		}
	}
}

func TestGreeting(t *testing.T) {
	g := greeting{0x0102, []byte("alone=freeze")}
	b := g.append(nil)
	if want := append([]byte{5, 0, 0, 0, 0, 0, 0, 1, 2}, "alone=freeze"...); !bytes.Equal(b, want) {
		t.Errorf("it is %x, want %x", b, want)
	}
	for n := range 10 {
		if _, ok := parseGreeting(b[:n]); ok {
			t.Errorf("%d bytes are taken", n)
		}
	}
	if _, ok := parseGreeting(append(b, strings.Repeat("x", termsMax)...)); ok {
		t.Error("terms of any length are taken")
	}
	r := newRig(t)
	h := r.hosts[0]
	before := h.member.Dropped(wire.UnknownSender)
	h.member.Receive(r.now, view.Member{ID: 3, Incarnation: 12}, wire.Duo, append(bytes.Clone(h.member.key[:]), b...))
	if h.member.Dropped(wire.UnknownSender) != before+1 || h.member.Refused() != "" {
		t.Error("terms of anybody are taken")
	}
}
