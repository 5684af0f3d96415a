package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// versionsMax is how many states of an object are remembered. A copy that is further
// behind is not judged, and the object no more.
const versionsMax = 1024

// order: a copy never goes back to an earlier state of an object, within a life of its
// source.
type order struct {
	nodes   int
	sources []map[string]*versions // by source
	seen    []map[string]uint64    // by source and holder: the number of the state that a copy has
	lives   []view.Incarnation     // of the sources
}

// versions are the states that an object had, the last at the end; numbered from 1.
type versions struct {
	first  uint64 // the number of the first one that is remembered
	states []string
}

// Order judges the sequence of the states of each object in each copy.
func Order(nodes int) Judge {
	j := &order{nodes: nodes, lives: make([]view.Incarnation, nodes)}
	for range nodes {
		j.sources = append(j.sources, map[string]*versions{})
	}
	for range nodes * nodes {
		j.seen = append(j.seen, map[string]uint64{})
	}
	return j
}

// Promise names the promise.
func (j *order) Promise() string { return "order" }

// Hear judges a delivery.
func (j *order) Hear(f *Fact) error {
	i := int(f.Node.ID) - 1
	switch f.Kind {
	case Booted:
		j.lives[i], j.sources[i] = f.Node.Incarnation, map[string]*versions{}
		for k := range j.nodes {
			clear(j.seen[i*j.nodes+k]) // what its copies have seen was another life's
			clear(j.seen[k*j.nodes+i]) // and what it had seen is forgotten
		}
	case Stored:
		v := j.sources[i][string(f.Key)]
		if v == nil {
			v = &versions{first: 1}
			j.sources[i][string(f.Key)] = v
		}
		if len(v.states) == versionsMax {
			v.first += versionsMax / 2
			v.states = append(v.states[:0], v.states[versionsMax/2:]...)
		}
		v.states = append(v.states, string(f.State))
	case Copied:
		if f.Peer.Incarnation == j.lives[f.Peer.ID-1] {
			return j.copied(f)
		}
	}
	return nil
}

func (j *order) copied(f *Fact) error {
	from := int(f.Peer.ID) - 1
	v := j.sources[from][string(f.Key)]
	if v == nil {
		return fmt.Errorf("%v has %q in its copy of %v, which never had it", f.Node, f.Key, f.Peer)
	}
	seen := j.seen[from*j.nodes+int(f.Node.ID)-1]
	at := max(seen[string(f.Key)], 1)
	if at < v.first {
		return nil // further behind than is remembered, and states repeat
	}
	for n := at; n < v.first+uint64(len(v.states)); n++ {
		if v.states[n-v.first] == string(f.State) {
			seen[string(f.Key)] = n
			return nil
		}
	}
	return fmt.Errorf("%v has %q as %q in its copy of %v after it had a later state of it", f.Node, f.Key, f.State, f.Peer)
}
