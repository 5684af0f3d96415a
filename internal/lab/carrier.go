package lab

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	// carrierMost is how long the kernel may take to find out that the cables are in. It
	// does so in a worker of its own; on a busy machine that takes some hundred
	// milliseconds, in which everything that is sent is dropped.
	carrierMost  = 10 * time.Second
	carrierEvery = time.Millisecond
)

// awaitCarrier waits until every cable carries: at both ends, and in the bridges.
func (l *Lab) awaitCarrier() error {
	limit := time.NewTimer(carrierMost)
	defer limit.Stop()
	again := time.NewTicker(carrierEvery)
	defer again.Stop()
	for {
		silent, err := l.silentLinks()
		if err != nil || len(silent) == 0 {
			return err
		}
		select {
		case <-again.C:
		case <-limit.C:
			return fmt.Errorf("after %v there is no carrier on %v", carrierMost, silent)
		}
	}
}

// silentLinks names the interfaces that do not carry yet.
func (l *Lab) silentLinks() (silent []string, err error) {
	look := func(where string, handle *netlink.Handle) error {
		links, err := handle.LinkList()
		for _, link := range links {
			a := link.Attrs()
			if (link.Type() == "veth" || link.Type() == "bridge") && a.OperState != netlink.OperUp {
				silent = append(silent, where+" "+a.Name)
			}
		}
		return err
	}
	if err := look("the switch's", l.handle); err != nil {
		return nil, err
	}
	for _, name := range []string{Client, FW1, FW2, Server} {
		if err := look(name+"'s", l.nodes[name].handle); err != nil {
			return nil, err
		}
	}
	return silent, nil
}
