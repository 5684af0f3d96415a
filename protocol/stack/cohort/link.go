package cohort

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// route sends large frames of the streams over one link instead of all: as long as
// everybody who must get it is heard on that link and hears this member there. Small frames
// (questions, acknowledgements, single messages) go over all links, so that losing a
// link costs them nothing.
func (n *Node) route(send []wire.Envelope) {
	if n.cfg.Links < 2 {
		return
	}
	for i := range send {
		e := &send[i]
		if e.Link != wire.AllLinks || len(e.Frame) < largeFrame {
			continue
		}
		if e.To == view.Everyone {
			e.Link = n.linkTo(e.Members)
		} else {
			n.one[0] = e.To
			e.Link = n.linkTo(n.one[:])
		}
	}
}

// linkTo is the first link that works in both directions with all of these, or AllLinks.
func (n *Node) linkTo(members []view.ID) uint8 {
	for link := uint8(1); int(link) <= n.cfg.Links; link++ {
		works := true
		for _, id := range members {
			works = works && n.detect.LinkHeard(id, link) && n.detect.LinkHears(id, link)
		}
		if works {
			return link
		}
	}
	return wire.AllLinks
}
