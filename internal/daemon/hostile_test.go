package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/edge/ctnetlink"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// flowsIn counts the flows to the web server's port in a node's kernel.
func (p *pair) flowsIn(node string) (n int) {
	p.t.Helper()
	if err := p.lab.Node(node).Do(func() error {
		d, err := ctnetlink.OpenDump()
		if err != nil {
			return err
		}
		defer d.Close()
		if err := d.Start(flow.IPv4); err != nil {
			return err
		}
		for more := true; more && err == nil; {
			more, err = d.Next(func(w *flow.Flow) {
				if w.Proto == flow.TCP && w.Orig.DstPort == 80 {
					n++
				}
			})
		}
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// holds lists the virtual addresses on a node.
func (p *pair) holds(node string) (held []string) {
	p.t.Helper()
	h, err := netlink.NewHandleAt(netns.NsHandle(p.lab.Node(node).FD()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer h.Close()
	addresses, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range addresses {
		if s := a.IPNet.String(); s == lab.VirtualLAN4 || s == lab.VirtualWAN4 {
			held = append(held, s)
		}
	}
	return held
}

// setting gives a node's nf_conntrack_events and sets it.
func (p *pair) setting(node, to string) (was string) {
	p.t.Helper()
	if err := p.lab.Node(node).Do(func() error {
		b, err := os.ReadFile(eventsSetting)
		if err != nil {
			return err
		}
		was = strings.TrimSpace(string(b))
		return os.WriteFile(eventsSetting, []byte(to), 0)
	}); err != nil {
		p.t.Fatal(err)
	}
	return was
}

// refused runs a node that must not start, and checks that it changed nothing.
func (p *pair) refused(node string, want ...string) {
	p.t.Helper()
	f := p.file(node)
	before := p.holds(node)
	p.setting(node, "2")
	err := p.lab.Node(node).Do(func() error {
		ctx, cancel := context.WithTimeout(p.t.Context(), patience)
		defer cancel()
		return Run(ctx, f, control.Version{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	})
	if err == nil {
		p.t.Fatal("it started")
	}
	if strings.Contains(err.Error(), "\n") {
		p.t.Errorf("the error is not one line: %q", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			p.t.Errorf("the error %q does not name %q", err, w)
		}
	}
	if v := p.setting(node, "1"); v != "2" {
		p.t.Errorf("nf_conntrack_events was 2 and is %s", v)
	}
	if after := p.holds(node); !slices.Equal(before, after) {
		p.t.Errorf("addresses before %v, after %v", before, after)
	}
}

func TestWhatCannotStartSaysWhyAndChangesNothing(t *testing.T) {
	p := newPair(t)
	p.edit = func(_, text string) string {
		return strings.Replace(text, `interface = "wan0"`, `interface = "wan7"`, 1)
	}
	p.refused(lab.FW1, `"wan7"`, "wan0")

	p.edit = func(_, text string) string { return strings.Replace(text, `"203.0.113.1"`, `"203.0.113.77"`, 1) }
	p.refused(lab.FW1, "203.0.113.77")

	p.edit = nil
	if err := p.lab.Node(lab.FW1).AddAddress(lab.LAN, lab.VirtualLAN4); err != nil {
		t.Fatal(err)
	}
	p.refused(lab.FW1, "192.0.2.1")
	if err := p.lab.Node(lab.FW1).RemoveAddress(lab.LAN, lab.VirtualLAN4); err != nil {
		t.Fatal(err)
	}

	if err := os.Chmod(p.path("edge.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.refused(lab.FW1, "edge.key", "chmod")
	if err := os.Chmod(p.path("edge.key"), 0o600); err != nil {
		t.Fatal(err)
	}

	p.run(lab.FW1)
	p.eventually(lab.FW1, "active", func(s control.Status) bool { return s.Role == control.Active })
	p.edit = func(node, text string) string { return strings.Replace(text, node+".sock", "other.sock", 1) }
	p.refused(lab.FW1, "7946")
}

func TestHostileDatagramsChangeNothingAndAreSeen(t *testing.T) {
	p := newPair(t)
	p.up()
	f := p.connect(10)
	f.alive()
	before := p.eventually(lab.FW2, "holding the flows", func(s control.Status) bool { return s.Flows.Held >= 10 })

	// Somebody on the sync network, with the daemon's port as target.
	target := netip.AddrPortFrom(p.address(lab.FW2, lab.Sync), 7946)
	var conn net.Conn
	if err := p.lab.Node(lab.FW1).Do(func() (err error) {
		conn, err = net.Dial("udp", target.String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sealed := make([]byte, 120)
	sealed[0], sealed[1], sealed[5] = 1, 1, 1 // an envelope of fw1, whose seal does not open
	sealed[21] = 9                            // its counter
	for i := 6; i < 14; i++ {
		sealed[i] = 0x7f
	}
	wrongVersion := slices.Clone(sealed)
	wrongVersion[0] = 9
	unknownKey := slices.Clone(sealed)
	unknownKey[1] = 200
	clear := slices.Clone(sealed)
	clear[1] = 0
	for _, b := range [][]byte{{}, {1}, sealed[:21], sealed, wrongVersion, unknownKey, clear, make([]byte, 1400)} {
		for range 50 {
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := p.eventually(lab.FW2, "counting what it dropped", func(s control.Status) bool {
		return s.Counters.Dropped["forged seal"] >= 50 && s.Counters.Dropped["wrong version"] >= 50 &&
			s.Counters.Dropped["unknown key"] >= 50 && s.Counters.Dropped["unsealed"] >= 50 && s.Counters.Dropped["short"] >= 100
	})
	if after.Flows.Held != before.Flows.Held || after.Role != control.Standby || !after.Peers[0].Alive {
		t.Errorf("before %+v, after %+v", before, after)
	}
	f.alive()
}

func TestAPeerWithAnotherKeyOrClusterIsNotBelieved(t *testing.T) {
	p := newPair(t)
	p.run(lab.FW1)
	p.eventually(lab.FW1, "active", func(s control.Status) bool { return s.Role == control.Active })
	p.edit = func(_, text string) string { return strings.Replace(text, `cluster "edge"`, `cluster "core"`, 1) }
	p.run(lab.FW2)
	s := p.eventually(lab.FW1, "refusing by name", func(s control.Status) bool {
		return strings.Contains(s.Peers[0].Refused, `"core"`) && s.Counters.Dropped["foreign cluster"] > 0
	})
	if s.Peers[0].Alive || s.Peers[0].Proof.State == control.Proven {
		t.Errorf("a foreign peer is believed: %+v", s.Peers[0])
	}
	if err := p.stop(lab.FW2); err != nil {
		t.Fatal(err)
	}

	if _, err := key.Create(p.path("other.key"), "another"); err != nil {
		t.Fatal(err)
	}
	p.edit = func(_, text string) string { return strings.Replace(text, "edge.key", "other.key", 1) }
	p.run(lab.FW2)
	p.eventually(lab.FW1, "dropping what another key sealed", func(s control.Status) bool {
		return s.Counters.Dropped["forged seal"]+s.Counters.Dropped["unknown key"] > 0 && !s.Peers[0].Alive
	})
}

func TestKeysAreRotatedWithoutARestart(t *testing.T) {
	p := newPair(t)
	p.up()
	if _, err := key.Add(p.path("edge.key"), "the next"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.path("edge.key"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := key.Parse("edge.key", text)
	if err != nil {
		t.Fatal(err)
	}
	next := both.At(1).ID
	hangUp := func(want string) { // both daemons live in this process, and both hear it
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for _, node := range []string{lab.FW1, lab.FW2} {
			p.logs[node].await(t, want)
		}
	}
	hangUp("keys=2")

	// Only the new key is left: what is proven now was sealed with it.
	var only []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, fmt.Sprintf("%d ", next)) {
			only = append(only, line)
		}
	}
	if err := os.WriteFile(p.path("edge.key"), []byte(strings.Join(only, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(fmt.Sprintf("keys=1 seals_with=%d", next))
	f := p.connect(3)
	f.alive()
	p.eventually(lab.FW1, "proven under the new key", func(s control.Status) bool { return proven(s) && s.Flows.Own >= 3 })
	if s, _ := p.status(lab.FW2); s.Role != control.Standby {
		t.Errorf("the standby became %v", s.Role)
	}
}
