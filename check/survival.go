package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// The two ways to give the addresses up, as Fact.Name of Pledged and Took has them.
const (
	ByCrash    = "crash"
	ByHandover = "handover"
)

// survival: what the active showed as proven at a peer when it died is in that peer's
// table, as it was, when the peer holds the addresses.
type survival struct {
	name    string
	pledged []map[string]string // by ID less one of who ought to have it; nil: nothing
}

// Survival judges the successor of an active that died.
func Survival(nodes int) Judge {
	return &survival{name: ByCrash, pledged: make([]map[string]string, nodes)}
}

// Promise names the promise.
func (j *survival) Promise() string { return "survival" }

// Hear judges a successor.
func (j *survival) Hear(f *Fact) error {
	switch f.Kind {
	case Pledged:
		if f.Name == j.name {
			m := make(map[string]string, len(f.Objects))
			for _, o := range f.Objects {
				m[string(o.Key)] = string(o.State)
			}
			j.pledged[f.Peer.ID-1] = m
		}
	case Crashed:
		j.pledged[f.Node.ID-1] = nil
	case Opened, Closed:
		// It went on elsewhere, and is something else now.
		for _, m := range j.pledged {
			delete(m, string(f.Key))
		}
	case Took:
		if f.Name == j.name {
			defer clear(j.pledged) // whoever takes over next does so from this one
			return missing(f.Node.ID, f.Objects, j.pledged[f.Node.ID-1])
		}
	}
	return nil
}

// missing says which object of a pledge a table does not have.
func missing(node view.ID, table []Object, pledged map[string]string) error {
	has := make(map[string]string, len(table))
	for _, o := range table {
		has[string(o.Key)] = string(o.State)
	}
	for _, key := range sortedKeys(pledged) {
		switch state, ok := has[key]; {
		case !ok:
			return fmt.Errorf("%v holds the addresses and does not have the flow %q, which it had confirmed", node, key)
		case state != pledged[key]:
			return fmt.Errorf("%v holds the addresses and has the flow %q as %q; it had confirmed %q", node, key, state, pledged[key])
		}
	}
	return nil
}
