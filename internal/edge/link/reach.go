package link

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// Reach says which members a transport can send to, and over which links.
type Reach struct {
	self  view.ID
	names []string // of the links, in messages
	on    []uint64 // by ID: a bit for each link that the member is on; a map would be asked for each datagram
}

// NewReach makes it of links that [Check] found good.
func NewReach(self view.ID, links []Link) *Reach {
	r := &Reach{self: self}
	for i := range links {
		r.names = append(r.names, links[i].Name(i))
		for id := range links[i].Peers {
			for len(r.on) <= int(id) {
				r.on = append(r.on, 0)
			}
			r.on[id] |= 1 << i
		}
	}
	return r
}

// Check finds why an envelope cannot be sent. Of one for [view.Everyone] all members must
// be known, and one of them, this one left out, must be on the link.
func (r *Reach) Check(e *wire.Envelope) error {
	if int(e.Link) > len(r.names) {
		return fmt.Errorf("there is no link %d; there are %d", e.Link, len(r.names))
	}
	if e.To != view.Everyone {
		return r.checkReceiver(e.To, e.Link)
	}
	var last error
	reached := false
	for _, id := range e.Members {
		if id == r.self {
			continue
		}
		err := r.checkReceiver(id, e.Link)
		if r.links(id) == 0 {
			return err
		}
		reached = reached || err == nil
		last = err
	}
	if !reached && last == nil {
		return fmt.Errorf("a frame for everyone names nobody but %v itself", r.self)
	}
	if !reached {
		return last
	}
	return nil
}

// links gives the links of a member, none if it is not configured.
func (r *Reach) links(id view.ID) uint64 {
	if int(id) >= len(r.on) {
		return 0
	}
	return r.on[id]
}

// checkReceiver finds why a member cannot be sent to over a link.
func (r *Reach) checkReceiver(id view.ID, number uint8) error {
	on := r.links(id)
	switch {
	case on == 0:
		return fmt.Errorf("%v is not another configured member", id)
	case number != wire.AllLinks && on&(1<<(number-1)) == 0:
		return fmt.Errorf("%v is not on %s", id, r.names[number-1])
	}
	return nil
}
