package group

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/bench/process"
	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

// Node is one machine: a network namespace with one interface on the common switch.
type Node struct {
	Number  int    // from 1
	Name    string // "n1"
	Address string // its IPv4 address
	machine *segment.Machine
}

// Bed is the machines, on one segment.
type Bed struct {
	Nodes   [Members]*Node
	segment *segment.Segment
}

// OpenBed builds it, in some tens of milliseconds. It needs root. An error leaves nothing
// behind.
func OpenBed() (*Bed, error) {
	b := &Bed{}
	var names []string
	for i := range b.Nodes {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	var err error
	if b.segment, err = segment.Open(names...); err != nil {
		return nil, &OpError{"build the network", err}
	}
	for i, name := range names {
		m := b.segment.Machine(name)
		b.Nodes[i] = &Node{Number: i + 1, Name: name, Address: m.Address(), machine: m}
	}
	return b, nil
}

// Machine is where the node's programs run.
func (n *Node) Machine() process.Machine { return n.machine }

// Close removes it. Processes that still run keep their namespace.
func (b *Bed) Close() { _ = b.segment.Close() } // what could not be closed ends with this process
