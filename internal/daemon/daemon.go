package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/edge/address"
	"github.com/holdfast-ha/holdfast/internal/edge/ctnetlink"
	"github.com/holdfast-ha/holdfast/internal/edge/udp"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/stack"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/service/firewall"
)

// daemon is one running node.
type daemon struct {
	file    *config.File
	log     *slog.Logger
	self    view.Member
	started time.Time
	version control.Version

	journal   *journal
	loop      *driver.Loop
	transport *udp.Transport
	stack     *stack.Stack
	node      *driver.Node
	kernel    *kernel
	watch     *address.Watch
	waiting   []func(now time.Time) (done bool) // see answer.go
	closers   []func()
	ran       bool // everything was opened
}

// Run is the daemon: it opens everything, serves until ctx is done, then leaves
// cleanly. The error says in one line what could not be opened, with the remedy;
// nothing has been changed then. A file with groups makes it a member of these.
func Run(ctx context.Context, f *config.File, version control.Version, log *slog.Logger) error {
	if len(f.Groups) > 0 {
		return runGroups(ctx, f, log)
	}
	d := &daemon{file: f, version: version, started: time.Now(), log: log.With("node", f.Node)}
	d.self = view.Member{ID: f.Self().ID, Incarnation: view.Incarnation(d.started.UnixNano())}
	defer d.close()
	for _, open := range []func() error{d.openKernel, d.openAddresses, d.openTransport, d.openStack, d.openControl} {
		if err := open(); err != nil {
			return err
		}
	}
	if err := driver.Urgent(); err != nil {
		d.log.Info("no real-time priority; heartbeats may be late on a busy machine", "error", err)
	}
	if left := d.kernel.addresses.Leftovers(); len(left) > 0 {
		// A former life ended without taking them back; whether they are ours now is to
		// be found out first.
		d.log.Warn("removing virtual addresses that a former life left behind", "addresses", len(left))
		if err := d.kernel.addresses.Lower(); err != nil {
			d.log.Error("virtual addresses could not be removed; they expire by themselves", "error", err)
		}
	}
	d.log.Info("started", "cluster", f.Cluster.Name, "incarnation", uint64(d.self.Incarnation),
		"fingerprint", fmt.Sprintf("%08x", f.Fingerprint()), "inject", f.Firewall.Inject,
		"receive_buffer", d.kernel.events.ReceiveBuffer())
	d.ran = true
	defer d.reloadKeys()()
	err := d.node.Run(ctx, stopMax)
	d.leave()
	d.log.Info("stopped")
	return err
}

// opened remembers how to close something.
func (d *daemon) opened(closer func()) { d.closers = append(d.closers, closer) }

func (d *daemon) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// eventsSetting says whether entries of the connection tracker tell what happens to
// them. ctnetlink.Check sets it; where the daemon then cannot start it is put back.
const eventsSetting = "/proc/sys/net/netfilter/nf_conntrack_events"

func (d *daemon) openKernel() error {
	if before, err := os.ReadFile(eventsSetting); err == nil {
		d.opened(func() {
			if !d.ran {
				_ = os.WriteFile(eventsSetting, before, 0) // as it was, or as it is: no harm
			}
		})
	}
	warnings, err := ctnetlink.Check()
	if err != nil {
		return err
	}
	for _, w := range warnings {
		d.log.Warn(w)
	}
	k := &kernel{
		log: d.log, coalesce: d.file.Firewall.Coalesce,
		holdsBack: d.file.Firewall.Inject == config.AtTakeover,
		counts:    counts{failures: make(map[string]uint64)},
	}
	if k.table, err = ctnetlink.OpenTable(ctnetlink.TableConfig{}); err != nil {
		return err
	}
	d.opened(func() { k.table.Close() })
	if k.events, err = ctnetlink.OpenEvents(ctnetlink.EventsConfig{OwnPort: k.table.Port()}); err != nil {
		return err
	}
	d.opened(func() { k.events.Close() })
	if err = k.events.Hear(false); err != nil { // see kernel.hear
		return err
	}
	if k.dump, err = ctnetlink.OpenDump(); err != nil {
		return err
	}
	d.opened(func() { k.dump.Close() })
	d.kernel = k
	return nil
}

func (d *daemon) openAddresses() error {
	var all []address.Address
	for _, a := range d.file.Firewall.Addresses {
		all = append(all, address.Address{Prefix: a.Prefix, Interface: a.Interface})
	}
	holder, err := address.Open(address.Config{Addresses: all})
	if err != nil {
		return err
	}
	d.opened(holder.Close)
	d.kernel.addresses = holder
	if d.watch, err = address.OpenWatch(d.file.Firewall.Track); err != nil {
		return err
	}
	d.opened(d.watch.Close)
	return nil
}

func (d *daemon) openTransport() error {
	c := udp.Config{Self: d.self, Insecure: d.file.Cluster.Insecure}
	if !d.file.Cluster.Insecure {
		ring, err := key.Load(d.file.Cluster.KeyFile)
		if err != nil {
			return err
		}
		c.Keys = ring
	}
	for _, l := range d.file.Self().Links {
		link := udp.Link{
			Label: l.Label, Local: netip.AddrPortFrom(l.Address, d.file.Cluster.Port),
			Peers: make(map[view.ID]netip.AddrPort),
		}
		for _, p := range d.file.Peers() {
			if remote, ok := p.Link(l.Label); ok {
				link.Peers[p.ID] = netip.AddrPortFrom(remote.Address, d.file.Cluster.Port)
			}
		}
		c.Links = append(c.Links, link)
	}
	t, err := udp.Open(c)
	if err != nil {
		return err
	}
	d.opened(t.Close)
	d.transport = t
	return nil
}

func (d *daemon) openStack() error {
	f := d.file
	d.journal = &journal{log: d.log, file: f}
	c := stack.Config{
		Self: d.self, Cluster: f.Cluster.Name, Fingerprint: f.Fingerprint(), Links: len(f.Self().Links),
		Heartbeat: f.Cluster.Heartbeat, SuspectAfter: f.Cluster.SuspectAfter,
		Preempt: f.Firewall.Preempt, Inject: stack.Continuously,
		ObjectsMax: f.Firewall.MaxFlows, Recorder: d.journal,
	}
	if f.Firewall.Inject == config.AtTakeover {
		c.Inject = stack.AtTakeover
	}
	for _, m := range f.Cluster.Members {
		c.Members = append(c.Members, stack.Member{ID: m.ID, Name: m.Name, Priority: m.Priority})
	}
	var err error
	seed := uint64(d.self.Incarnation)
	if d.stack, err = stack.New(c, stack.Recovered{}, rand.New(rand.NewPCG(seed, uint64(d.self.ID)))); err != nil {
		return err
	}
	if d.loop, err = driver.NewLoop(); err != nil {
		return err
	}
	d.opened(d.loop.Close)
	if d.node, err = driver.NewNode(d.loop, d.stack, d.transport, d.kernel); err != nil {
		return err
	}
	return d.join()
}

// join connects the kernel with the stack and the loop.
func (d *daemon) join() error {
	own, err := d.ownAddresses()
	if err != nil {
		return err
	}
	k := d.kernel
	k.loop, k.stack, k.node = d.loop, d.stack, d.node
	k.firewall = firewall.New(firewall.Config{Own: own, Ignore: d.file.Firewall.Ignore}, source{d.stack, d.node})
	if err := d.loop.Watch(k.events.FD(), k.readable); err != nil {
		return err
	}
	d.stack.Health(time.Now(), len(d.watch.Down()), d.node.Out())
	return d.loop.Watch(d.watch.FD(), func(now time.Time) {
		if err := d.watch.Read(func(name string, up bool) {
			d.log.Warn("interface changed", "interface", name, "up", up)
		}); err != nil {
			d.log.Error("interfaces cannot be watched", "error", err)
		}
		d.stack.Health(now, len(d.watch.Down()), d.node.Out())
	})
}

// ownAddresses are those of this host, the virtual ones excepted.
func (d *daemon) ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("the addresses of this host cannot be listed: %w", err)
	}
	var own []netip.Addr
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || d.virtual(p.Addr()) {
			continue
		}
		own = append(own, p.Addr())
	}
	for _, m := range d.file.Cluster.Members {
		for _, l := range m.Links {
			own = append(own, l.Address)
		}
	}
	return own, nil
}

func (d *daemon) virtual(a netip.Addr) bool {
	for _, v := range d.file.Firewall.Addresses {
		if v.Prefix.Addr() == a {
			return true
		}
	}
	return false
}

func (d *daemon) openControl() error {
	server, err := control.Listen(control.Config{
		Socket: d.file.Control.Socket, Node: answers{d}, Version: d.version, Logger: d.log,
	})
	if err != nil {
		return err
	}
	d.node.Observe(d.wake)
	d.node.Observe(func(time.Time) { d.kernel.hear() })
	d.opened(func() {
		ctx, cancel := context.WithTimeout(context.Background(), apiGrace)
		defer cancel()
		_ = server.Close(ctx)
	})
	return nil
}

// leave takes back what this node put into the kernel for others.
func (d *daemon) leave() {
	if !d.stack.Owning() {
		var ids []view.ID
		for _, p := range d.file.Peers() {
			ids = append(ids, p.ID)
		}
		d.kernel.forget(ids)
	}
	if err := d.kernel.addresses.Lower(); err != nil {
		d.log.Error("virtual addresses could not be removed; they expire by themselves", "error", err)
	}
}
