package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// delivery: the deliveries, replayed from the beginning of a life, give exactly what the
// copy holds; and what a node was told of its own objects gives exactly those.
type delivery struct{ ledger *Ledger }

// Delivery judges lists of what a node holds.
func Delivery(l *Ledger) Judge { return delivery{l} }

// Promise names the promise.
func (j delivery) Promise() string { return "delivery" }

// Hear judges a list.
func (j delivery) Hear(f *Fact) error {
	if f.Kind != Listed {
		return nil
	}
	what, want := "its own objects", func(key string) (string, bool) {
		r, ok := j.ledger.source(f.Node.ID).objects[key]
		return r.state, ok
	}
	count := len(j.ledger.source(f.Node.ID).objects)
	if f.Peer.ID != f.Node.ID {
		c := j.ledger.copy(f.Peer.ID, f.Node.ID)
		what, count = "its copy of "+f.Peer.ID.String(), len(c.objects)
		want = func(key string) (string, bool) { r, ok := c.objects[key]; return r.state, ok }
	}
	return compare(f.Node.ID, what, f.Objects, count, want)
}

// compare holds a list against a map of count objects.
func compare(node view.ID, what string, objects []Object, count int, want func(string) (string, bool)) error {
	for i := range objects {
		o := &objects[i]
		switch state, ok := want(string(o.Key)); {
		case !ok:
			return fmt.Errorf("%v has %q in %s, which it was not given", node, o.Key, what)
		case state != string(o.State):
			return fmt.Errorf("%v has %q as %q in %s, and was given %q", node, o.Key, o.State, what, state)
		}
	}
	if len(objects) != count {
		return fmt.Errorf("%v has %d objects in %s, and was given %d", node, len(objects), what, count)
	}
	return nil
}
