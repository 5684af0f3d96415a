//go:build canary

package sim_test

import (
	"github.com/holdfast-ha/holdfast/internal/sim/peers"
	"github.com/holdfast-ha/holdfast/protocol/order"
	machine "github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// peerPlants are the bugs of locks without a server, each with the judge that must find it.
func peerPlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		return plant{peers.Name, name, plants, want + ": ", nil}
	}
	among := func(b machine.Bug, name, want string) plant {
		return bug("peers."+name, func() { machine.Plant(b) }, want)
	}
	queued := func(b lock.Bug, name, want string) plant {
		return bug("lock."+name, func() { lock.Plant(b) }, want)
	}
	return []plant{
		among(machine.NoWindow, "NoWindow", "lease"),
		among(machine.OpensAtOnce, "OpensAtOnce", "lease"),
		among(machine.CountsDelivery, "CountsDelivery", "lease"),
		among(machine.OpensEarly, "OpensEarly", "lease"),
		among(machine.SameNumbers, "SameNumbers", "fencing"),
		among(machine.ForgetsGone, "ForgetsGone", "liveness"),
		among(machine.AsksFirst, "AsksFirst", "exclusion"),
		queued(lock.Rewound, "Rewound", "fencing"),
		queued(lock.Crowded, "Crowded", "exclusion"),
		queued(lock.QueueJumper, "QueueJumper", "queue"),
		queued(lock.Haunted, "Haunted", "liveness"),
		bug("lamport.Deaf", func() { order.Plant(order.Deaf) }, "queue"),
	}
}

func healPeers() {
	machine.Plant(machine.NoBug)
	lock.Plant(lock.NoBug)
	order.Plant(order.NoBug)
}
