package check

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// agreement: some time after calm exactly one node is active and holds the addresses, and
// every node takes it as the active.
type agreement struct {
	stood []Fact
}

// Agreement judges that, when the history ends, one node is active and all agree on it.
func Agreement() Judge { return &agreement{} }

// Promise names the promise.
func (j *agreement) Promise() string { return "agreement" }

// Hear judges the end.
func (j *agreement) Hear(f *Fact) error {
	switch f.Kind {
	case Stood:
		j.stood = append(j.stood, *f)
	case Ended:
		defer func() { j.stood = nil }()
		return j.end()
	}
	return nil
}

func (j *agreement) end() error {
	active := view.Member{}
	for i := range j.stood {
		f := &j.stood[i]
		if f.Value != 1 {
			continue
		}
		if active.Known() {
			return fmt.Errorf("%v and %v hold the addresses", active, f.Node)
		}
		active = f.Node
	}
	for i := range j.stood {
		f := &j.stood[i]
		switch {
		case !active.Known():
			return fmt.Errorf("nobody holds the addresses; %v is %s", f.Node, f.Name)
		case f.Peer != active:
			return fmt.Errorf("%v holds the addresses; %v, which is %s, takes %v as the active", active, f.Node, f.Name, f.Peer)
		}
	}
	return nil
}
