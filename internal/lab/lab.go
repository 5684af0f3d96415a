package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
	"github.com/holdfast-ha/holdfast/internal/lab/userns"
)

// switchName is the namespace that holds the bridges. It is no node: nothing runs there.
const switchName = "switch"

// Config says what may differ from one test bed to another. Its zero value is good.
type Config struct {
	// RetransmitMin is the least time after which TCP of client and server repeats a
	// segment, at most a second. Zero means 5 ms; the kernel's own 200 ms would be
	// all that a client sees of a takeover.
	RetransmitMin time.Duration
}

const (
	retransmitMin = 5 * time.Millisecond
	retransmitMax = time.Second
)

func (c *Config) complete() error {
	if c.RetransmitMin == 0 {
		c.RetransmitMin = retransmitMin
	}
	if c.RetransmitMin < time.Millisecond || c.RetransmitMin > retransmitMax {
		return fmt.Errorf("RetransmitMin is %v; it must be from 1ms to %v", c.RetransmitMin, retransmitMax)
	}
	return nil
}

// Lab is one test bed. It is safe for concurrent use, but for Close.
type Lab struct {
	config Config
	nodes  map[string]*Node
	ipv6   bool
	wires  *netns.Namespace // the switch
	handle *netlink.Handle  // in the switch

	mu  sync.Mutex
	cut map[string]bool // nodes that Cut has taken off
}

// Open builds a test bed, in some tens of milliseconds. An error leaves nothing behind.
func Open(c Config) (*Lab, error) {
	if err := c.complete(); err != nil {
		return nil, &OpError{Op: "check its configuration", Err: err}
	}
	_, noIPv6 := os.Stat("/proc/sys/net/ipv6") // a kernel started with ipv6.disable=1
	l := &Lab{config: c, nodes: map[string]*Node{}, cut: map[string]bool{}, ipv6: noIPv6 == nil}
	if err := l.build(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Lab) build() (err error) {
	if l.wires, err = netns.New(switchName); err != nil {
		return &OpError{Op: "make network namespaces", Err: explain(err)}
	}
	if err := l.wires.Do(setSwitch); err != nil {
		return &OpError{Op: "set up the switch", Err: err}
	}
	if l.handle, err = handleAt(l.wires); err != nil {
		return &OpError{Op: "open netlink in the switch", Err: err}
	}
	for _, name := range []string{LAN, WAN, Sync} {
		if err := l.addBridge(bridgeOf(name)); err != nil {
			return &OpError{Op: "make the bridge " + bridgeOf(name), Err: err}
		}
	}
	for _, name := range []string{Client, FW1, FW2, Server} {
		node, err := openNode(name)
		if err != nil {
			return &OpError{Op: "make " + name, Err: explain(err)}
		}
		l.nodes[name] = node
	}
	for _, p := range plan {
		if err := l.connect(l.nodes[p.node], p.name, p.addresses); err != nil {
			return &OpError{Op: fmt.Sprintf("connect %s's %s", p.node, p.name), Err: err}
		}
	}
	return l.finish()
}

// explain adds the remedy to a refusal of a namespace; other errors tell their own.
func explain(err error) error {
	var refused *netns.OpError
	if errors.As(err, &refused) {
		return userns.Explain(err)
	}
	return err
}

// finish gives the nodes what needs their interfaces.
func (l *Lab) finish() error {
	for _, name := range []string{Client, Server} {
		if err := l.addGateways(l.nodes[name]); err != nil {
			return &OpError{Op: "give " + name + " its routes", Err: err}
		}
	}
	for _, name := range []string{FW1, FW2} {
		node := l.nodes[name]
		if err := loadRuleset(node.space.FD()); err != nil {
			return &OpError{Op: "load the ruleset of " + name + " (the kernel needs nf_tables with ct and nat)", Err: err}
		}
		// After the ruleset: loading it brings the tracker's module and its settings.
		if err := node.Do(setTracker); err != nil {
			return &OpError{Op: "set " + name + "'s connection tracker", Err: err}
		}
	}
	if err := l.awaitCarrier(); err != nil {
		return &OpError{Op: "plug the cables in", Err: err}
	}
	return nil
}

// Node gives one of Client, FW1, FW2 and Server. Another name is a mistake of the
// program, and panics.
func (l *Lab) Node(name string) *Node {
	n := l.nodes[name]
	if n == nil {
		known := slices.Sorted(maps.Keys(l.nodes))
		panic(fmt.Sprintf("lab: there is no node %q; nodes: %s", name, strings.Join(known, ", ")))
	}
	return n
}

// HasIPv6 says whether the test bed has IPv6: whether this kernel does. Without it the
// nodes have their IPv4 addresses only.
func (l *Lab) HasIPv6() bool { return l.ipv6 }

// Close kills what runs on the nodes, waits for it, and removes the test bed. Sockets
// opened on a node are the caller's to close; one left open keeps its namespace.
func (l *Lab) Close() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		errs = append(errs, l.nodes[name].close())
	}
	if l.handle != nil {
		l.handle.Close()
		l.handle = nil
	}
	if l.wires != nil {
		errs = append(errs, l.wires.Close())
	}
	return errors.Join(errs...)
}

// bridgeOf gives the bridge that an interface of a node hangs on: "lan" for "lan0".
func bridgeOf(name string) string { return strings.TrimRight(name, "0123456789") }

// portOf gives the switch's end of a node's cable, such as "fw1-lan".
func portOf(node, name string) string { return node + "-" + bridgeOf(name) }
