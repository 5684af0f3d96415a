package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/trace"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// divergence: a copy is called diverged only if something happened that can make it so.
// Members do not lie and memory is not damaged in a history, so that is one thing only:
// the holder had no room for an object.
type divergence struct {
	nodes    int
	overflow uint64 // the bound that stands for it
	full     []bool // by holder and source
}

// Divergence judges that no copy is called diverged without a cause: an overflow of the
// bound given, at the holder.
func Divergence(nodes int, overflow uint64) Judge {
	return &divergence{nodes: nodes, overflow: overflow, full: make([]bool, nodes*nodes)}
}

// Promise names the promise.
func (j *divergence) Promise() string { return "divergence" }

func (j *divergence) cause(holder, from view.ID) *bool {
	return &j.full[(int(holder)-1)*j.nodes+int(from)-1]
}

// Hear judges a divergence.
func (j *divergence) Hear(f *Fact) error {
	if f.Kind != Traced {
		return nil
	}
	switch e := &f.Event; {
	case e.Kind == trace.Overflow && e.A == j.overflow && e.Peer != view.Nobody:
		*j.cause(e.Node, e.Peer) = true
	case e.Kind == trace.Diverged && !*j.cause(e.Peer, e.Node):
		return fmt.Errorf("%v calls %v diverged at number %d, and nothing has damaged its copy", e.Node, e.Peer, e.A)
	}
	return nil
}
