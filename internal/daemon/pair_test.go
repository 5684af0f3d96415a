package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// pair is two daemons in the test bed.
type pair struct {
	t     *testing.T
	lab   *lab.Lab
	dir   string
	edit  func(node, text string) string // changes a node's file before it is read
	stops map[string]func() error
	logs  map[string]*journalText
}

// journalText keeps what a daemon logs, and lets a test wait for words in it.
type journalText struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
	copy io.Writer
}

func (j *journalText) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(b)
	select {
	case j.more <- struct{}{}:
	default:
	}
	return j.copy.Write(b)
}

func (j *journalText) await(t *testing.T, words string) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		j.mu.Lock()
		found := strings.Contains(j.text.String(), words)
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-j.more:
		case <-limit.C:
			t.Fatalf("%q was never logged", words)
		}
	}
}

func newPair(t *testing.T) *pair {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run as root: this test makes network namespaces")
		}
		t.Skip("needs root to make network namespaces: run it with sudo")
	}
	l, err := lab.Open(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, lab: l, dir: t.TempDir(), stops: make(map[string]func() error), logs: make(map[string]*journalText)}
	t.Cleanup(func() {
		for node := range p.stops {
			if err := p.stop(node); err != nil {
				t.Errorf("%s: %v", node, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := key.Create(p.path("edge.key"), "test"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) path(name string) string { return filepath.Join(p.dir, name) }

// address is the lab's own address of an interface.
func (p *pair) address(node, name string) netip.Addr {
	return netip.MustParsePrefix(p.lab.Node(node).Addresses(name)[0]).Addr()
}

// file writes a node's configuration and loads it.
func (p *pair) file(node string) *config.File {
	p.t.Helper()
	var members strings.Builder
	for i, name := range []string{lab.FW1, lab.FW2} {
		fmt.Fprintf(&members, "  member %q {\n    priority = %d\n    link \"lan\" { address = %q }\n    link \"sync\" { address = %q }\n  }\n",
			name, 150-50*i, p.address(name, lab.LAN), p.address(name, lab.Sync))
	}
	// Both daemons share this process with the tests: timing is not what is tested here,
	// and a stall of all three must not look like a death.
	text := fmt.Sprintf("node = %q\ncluster \"edge\" {\n  heartbeat = \"20ms\"\n  suspect_after = \"500ms\"\n  key_file = %q\n%s}\nfirewall {\n  address %q { interface = %q }\n  address %q { interface = %q }\n}\ncontrol { socket = %q }\n",
		node, p.path("edge.key"), &members, lab.VirtualLAN4, lab.LAN, lab.VirtualWAN4, lab.WAN, p.path(node+".sock"))
	if p.edit != nil {
		text = p.edit(node, text)
	}
	path := p.path(node + ".hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	f, diags := config.Load(path)
	if diags.HasErrors() {
		p.t.Fatal(diags)
	}
	return f
}

// run starts a daemon on a node of the test bed.
func (p *pair) run(node string) {
	p.t.Helper()
	f := p.file(node)
	ctx, cancel := context.WithCancel(context.Background())
	log := &journalText{more: make(chan struct{}, 1), copy: p.t.Output()}
	p.logs[node] = log
	done := make(chan error, 1)
	go func() {
		done <- p.lab.Node(node).Do(func() error {
			return Run(ctx, f, control.Version{}, slog.New(slog.NewTextHandler(log, nil)))
		})
	}()
	p.stops[node] = func() error { cancel(); return <-done }
}

func (p *pair) stop(node string) error {
	stop := p.stops[node]
	delete(p.stops, node)
	return stop()
}

// status asks a node; ok is false if it does not answer.
func (p *pair) status(node string) (s control.Status, ok bool) {
	c, err := control.Dial(p.path(node + ".sock"))
	if err != nil {
		return s, false
	}
	defer c.Close()
	s, err = c.Status(p.t.Context())
	return s, err == nil
}

// eventually waits until a node's status is as wanted.
func (p *pair) eventually(node, what string, want func(control.Status) bool) control.Status {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s, ok := p.status(node)
		if ok && want(s) {
			return s
		}
		select {
		case <-limit.C:
			p.t.Fatalf("%s never was %s; last status: %+v", node, what, s)
		case <-tick.C:
		}
	}
}

func proven(s control.Status) bool {
	return s.Role == control.Active && len(s.Peers) == 1 && s.Peers[0].Proof.State == control.Proven && s.Verdict == control.Protected
}

func standby(s control.Status) bool {
	return s.Role == control.Standby && len(s.Peers) == 1 && s.Peers[0].Received.Synced
}

// up starts both, the preferred one first.
func (p *pair) up() {
	p.t.Helper()
	p.run(lab.FW1)
	p.eventually(lab.FW1, "active", func(s control.Status) bool { return s.Role == control.Active })
	p.run(lab.FW2)
	p.eventually(lab.FW2, "a synced standby", standby)
	p.eventually(lab.FW1, "active and proven", proven)
}

// flows are connections from the client to an echo server.
type flows struct {
	t     *testing.T
	conns []net.Conn
}

func (p *pair) connect(n int) *flows {
	p.t.Helper()
	var listener net.Listener
	server := netip.MustParsePrefix(lab.Server4).Addr()
	if err := p.lab.Node(lab.Server).Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(server, 80).String())
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	f := &flows{t: p.t}
	p.t.Cleanup(func() {
		for _, c := range f.conns {
			c.Close()
		}
	})
	for range n {
		if err := p.lab.Node(lab.Client).Do(func() error {
			c, err := net.DialTimeout("tcp", listener.Addr().String(), patience)
			if err == nil {
				f.conns = append(f.conns, c)
			}
			return err
		}); err != nil {
			p.t.Fatal(err)
		}
	}
	return f
}

// alive sends something through every flow and waits for it to come back.
func (f *flows) alive() {
	f.t.Helper()
	for i, c := range f.conns {
		_ = c.SetDeadline(time.Now().Add(patience))
		b := []byte{byte(i)}
		if _, err := c.Write(b); err != nil {
			f.t.Fatalf("flow %d is lost: %v", i, err)
		}
		if _, err := io.ReadFull(c, b); err != nil || b[0] != byte(i) {
			f.t.Fatalf("flow %d is lost: %v", i, err)
		}
	}
}

func TestFlowsSurviveEveryWayOfLosingTheActive(t *testing.T) {
	for _, inject := range []string{"continuous", "takeover"} {
		t.Run(inject, func(t *testing.T) {
			p := newPair(t)
			p.edit = func(_, text string) string {
				return strings.Replace(text, "firewall {", "firewall {\n  inject = \""+inject+"\"", 1)
			}
			p.up()
			f := p.connect(40)
			f.alive()
			p.eventually(lab.FW1, "proven with all flows", func(s control.Status) bool { return proven(s) && s.Flows.Own >= 40 })

			// A planned handover.
			c, err := control.Dial(p.path("fw1.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r, err := c.Switch(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if r.To != lab.FW2 || r.Flows < 40 {
				t.Errorf("switched: %+v", r)
			}
			f.alive()
			p.eventually(lab.FW2, "active and proven", func(s control.Status) bool { return proven(s) && s.Flows.Own >= 40 })
			p.eventually(lab.FW1, "a synced standby", standby)

			// A cable: the active's interface loses its carrier.
			if err := p.lab.SetPort(lab.FW2, lab.WAN, false); err != nil {
				t.Fatal(err)
			}
			p.eventually(lab.FW1, "active after the other's interface fell", func(s control.Status) bool { return s.Role == control.Active })
			f.alive()
			if err := p.lab.SetPort(lab.FW2, lab.WAN, true); err != nil {
				t.Fatal(err)
			}
			p.eventually(lab.FW1, "active and proven", func(s control.Status) bool { return proven(s) && s.Flows.Own >= 40 })

			// The end of the process, in order: the other takes over at once.
			if err := p.stop(lab.FW1); err != nil {
				t.Fatal(err)
			}
			p.eventually(lab.FW2, "active after a clean stop", func(s control.Status) bool { return s.Role == control.Active })
			f.alive()
		})
	}
}

func TestACleanStopLeavesNothingBehind(t *testing.T) {
	p := newPair(t)
	p.up()
	f := p.connect(5)
	f.alive()
	p.eventually(lab.FW2, "holding the flows", func(s control.Status) bool { return s.Flows.Held >= 5 && s.Flows.Kernel >= 5 })
	if err := p.stop(lab.FW2); err != nil {
		t.Fatal(err)
	}
	if n := p.flowsIn(lab.FW2); n != 0 {
		t.Errorf("%d flows that were put there are still in the standby's kernel", n)
	}
	if err := p.stop(lab.FW1); err != nil {
		t.Fatal(err)
	}
	if n := p.flowsIn(lab.FW1); n != 5 {
		t.Errorf("%d of the 5 flows that traffic made are in the former active's kernel", n)
	}
	for _, node := range []string{lab.FW1, lab.FW2} {
		if held := p.holds(node); len(held) > 0 {
			t.Errorf("%s still holds %v", node, held)
		}
	}
}
