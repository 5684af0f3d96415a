package segment

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	vishnetns "github.com/vishvananda/netns"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
	"github.com/holdfast-ha/holdfast/internal/lab/userns"
)

const (
	// device is the interface of each machine.
	device = "net0"

	// machineMax is how many machines have an address in 203.0.113.0/24, by position.
	machineMax = 254

	// carrierMost is how long the kernel may take to find out that the cables are in. It
	// does so in a worker of its own; on a busy machine that takes some hundred
	// milliseconds, in which everything that is sent is dropped.
	carrierMost  = 10 * time.Second
	carrierEvery = time.Millisecond
)

// Segment is one network with machines. It is safe for concurrent use, but for Close.
type Segment struct {
	machines map[string]*Machine
	wires    *netns.Namespace // the switch
	handle   *netlink.Handle  // in the switch

	mu     sync.Mutex
	faults map[string]*faults // by the name of the machine that loses
}

// Machine is a place on the segment where programs run.
type Machine struct {
	name, address string
	space         *netns.Namespace
}

// Open builds a segment with machines of these names, in some tens of milliseconds. An
// error leaves nothing behind.
func Open(names ...string) (*Segment, error) {
	s := &Segment{machines: map[string]*Machine{}, faults: map[string]*faults{}}
	if err := s.build(names); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Segment) build(names []string) (err error) {
	if len(names) > machineMax {
		return &OpError{"check the machines", fmt.Errorf("there are %d; at most %d have an address", len(names), machineMax)}
	}
	if s.wires, err = netns.New("switch"); err != nil {
		return &OpError{"make network namespaces", userns.Explain(err)}
	}
	if err := s.wires.Do(leaveFramesAlone); err != nil {
		return &OpError{"set up the switch", err}
	}
	if s.handle, err = handleAt(s.wires); err != nil {
		return &OpError{"open netlink in the switch", err}
	}
	// Without snooping it floods what goes to a multicast group, as a plain switch does.
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	bridge.Name = "switch"
	if err := s.handle.LinkAdd(bridge); err != nil {
		return &OpError{"make the switch", err}
	}
	if err := s.handle.LinkSetUp(bridge); err != nil {
		return &OpError{"switch the switch on", err}
	}
	for i, name := range names {
		m := &Machine{name: name, address: fmt.Sprintf("203.0.113.%d", i+1)}
		if m.space, err = netns.New(name); err != nil {
			return &OpError{"make network namespaces", userns.Explain(err)}
		}
		s.machines[name], s.faults[name] = m, &faults{}
		if err := s.connect(m, bridge); err != nil {
			return &OpError{"connect " + name, err}
		}
	}
	return s.awaitCarrier()
}

// leaveFramesAlone keeps the bridge from showing frames to packet filters. A kernel
// without them has no such setting.
func leaveFramesAlone() error {
	err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func handleAt(n *netns.Namespace) (*netlink.Handle, error) {
	return netlink.NewHandleAt(vishnetns.NsHandle(n.FD()))
}

// connect gives a machine its interface and plugs it in.
func (s *Segment) connect(m *Machine, bridge netlink.Link) error {
	port := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: device, PeerNamespace: netlink.NsFd(m.space.FD())}
	port.Name = "to-" + m.name
	if err := s.handle.LinkAdd(port); err != nil {
		return err
	}
	link, err := s.handle.LinkByName(port.Name)
	if err != nil {
		return err
	}
	if err := errors.Join(s.handle.LinkSetMaster(link, bridge), s.handle.LinkSetUp(link)); err != nil {
		return err
	}
	inside, err := handleAt(m.space)
	if err != nil {
		return err
	}
	defer inside.Close()
	loop, err := inside.LinkByName("lo")
	if err != nil {
		return err
	}
	own, err := inside.LinkByName(device)
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(m.address + "/24")
	if err != nil {
		return err
	}
	everyone, err := netlink.ParseIPNet("224.0.0.0/4")
	if err != nil {
		return err
	}
	return errors.Join(inside.LinkSetUp(loop), inside.LinkSetUp(own), inside.AddrAdd(own, address),
		inside.RouteAdd(&netlink.Route{Dst: everyone, LinkIndex: own.Attrs().Index, Scope: netlink.SCOPE_LINK}))
}

// awaitCarrier waits until every cable carries.
func (s *Segment) awaitCarrier() error {
	limit := time.NewTimer(carrierMost)
	defer limit.Stop()
	again := time.NewTicker(carrierEvery)
	defer again.Stop()
	for {
		links, err := s.handle.LinkList()
		if err != nil {
			return &OpError{"look at the cables", err}
		}
		var silent []string
		for _, l := range links {
			if a := l.Attrs(); (l.Type() == "veth" || l.Type() == "bridge") && a.OperState != netlink.OperUp {
				silent = append(silent, a.Name)
			}
		}
		if len(silent) == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-limit.C:
			return &OpError{"plug the cables in", fmt.Errorf("after %v there is no carrier on %s", carrierMost, strings.Join(silent, ", "))}
		}
	}
}

// Machine gives a machine by its name. Another name is a mistake of the program, and
// panics.
func (s *Segment) Machine(name string) *Machine {
	m := s.machines[name]
	if m == nil {
		panic(fmt.Sprintf("segment: there is no machine %q; machines: %s", name, strings.Join(s.names(), ", ")))
	}
	return m
}

func (s *Segment) names() []string { return slices.Sorted(maps.Keys(s.machines)) }

// Close takes the segment down. Who started something on a machine ends it before.
func (s *Segment) Close() error {
	var errs []error
	for _, name := range s.names() {
		errs = append(errs, s.machines[name].space.Close())
	}
	if s.handle != nil {
		s.handle.Close()
		s.handle = nil
	}
	if s.wires != nil {
		errs = append(errs, s.wires.Close())
	}
	return errors.Join(errs...)
}

// Name is the machine's name.
func (m *Machine) Name() string { return m.name }

// Address is the machine's IPv4 address.
func (m *Machine) Address() string { return m.address }

// Start starts a program on the machine. It is killed when this process ends, however it
// ends; before the segment is closed it is the caller's to end.
func (m *Machine) Start(cmd *exec.Cmd) error { return m.space.Start(cmd) }

// Do runs f on a thread that is on the machine, and returns its error. Sockets that f
// opens stay there; goroutines that f starts are not there.
func (m *Machine) Do(f func() error) error { return m.space.Do(f) }
