package holdfast

import (
	"fmt"
	"net/netip"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/tcp"
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
	Refused() (link.Refusal, bool)
	Close()
}

// refusals tells for people what was refused so far, by this member and by the others.
func (k *checked) refusals(t transport) []driver.Refusal {
	var all []driver.Refusal
	if r, ok := t.Refused(); ok {
		words := "this process is refused: " + r.Reason.String()
		if r.Reason == wire.Twin {
			words = fmt.Sprintf("this process is refused, since another one is %q already, at %v; give one of them another name", k.Name, r.Other)
		}
		all = append(all, driver.Refusal{Reason: words, Member: k.nameOf(r.From.ID)})
	}
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
		if l.Twin.Known() {
			all = append(all, driver.Refusal{
				Reason: "a second process under the name of a member that lives", Member: k.nameOf(l.Twin.ID),
				Link: i + 1, Source: l.TwinSource.String(),
			})
		}
	}
	return all
}

func (k *checked) nameOf(id view.ID) string {
	if int(id) < len(k.names) {
		return k.names[id]
	}
	return id.String()
}

// opened keeps a nil transport from being one that is not nil.
func opened[T transport](t T, err error) (transport, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
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
		return opened(tcp.Open(tcp.Config{Self: k.node.Self, Cluster: k.Cluster, Links: k.linkList(), Keys: ring, Insecure: k.Insecure}))
	}
	return opened(udp.Open(udp.Config{Self: k.node.Self, Links: k.linkList(), Keys: ring, Insecure: k.Insecure}))
}

// linkList gives the links of this member, as the transports want them.
func (k *checked) linkList() (links []link.Link) {
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
		links = append(links, l)
	}
	return links
}
