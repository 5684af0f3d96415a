package holdfast

import (
	"fmt"
	"net/netip"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/udp"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// transport is what a node needs of what carries its frames.
type transport interface {
	driver.Transport
	SetKeys(*key.Ring) error
	Stats() []link.Stats
	Close()
}

// refusals tells what a transport refused so far, for people.
func (k *checked) refusals(t transport) []driver.Refusal {
	var all []driver.Refusal
	for i, l := range t.Stats() {
		for reason, n := range l.Dropped {
			r := wire.Reason(reason)
			if n == 0 || r == wire.Duplicate || r == wire.Stale {
				continue
			}
			refusal := driver.Refusal{Reason: r.String(), Count: n, Link: i + 1}
			if r == l.LastReason {
				refusal.Source = l.LastSource.String()
			}
			all = append(all, refusal)
		}
	}
	return all
}

// openTransport opens what carries frames to the others.
func openTransport(k *checked) (transport, error) {
	var ring *key.Ring
	if !k.Insecure {
		var err error
		if ring, err = key.Load(k.KeyFile); err != nil {
			return nil, err
		}
	}
	if k.Transport == transportTCP {
		return nil, fmt.Errorf("the transport %q is not there yet; use udp", k.Transport)
	}
	c := udp.Config{Self: k.node.Self, Keys: ring, Insecure: k.Insecure}
	for i := range k.links {
		l := link.Link{Local: k.addresses[k.node.Self.ID][i], Peers: make(map[view.ID]netip.AddrPort)}
		if i < len(k.multicast) {
			l.Group = k.multicast[i]
		}
		for id, addresses := range k.addresses {
			if view.ID(id) != k.node.Self.ID && i < len(addresses) && addresses[i].IsValid() {
				l.Peers[view.ID(id)] = addresses[i]
			}
		}
		c.Links = append(c.Links, l)
	}
	return udp.Open(c)
}
