//go:build canary

package sim_test

import (
	"github.com/holdfast-ha/holdfast/internal/sim/servers"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
)

// serverPlants are the bugs of a service on two servers, and of their arbiter, each with the judge that must find
// it. In this world no memory is damaged, so it does not find pair.BelievesDigests: the package's own schedules do.
func serverPlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		return plant{servers.Name, name, plants, want, nil}
	}
	machine := func(b pair.Bug, name, want string) plant {
		return bug("pair."+name, func() { pair.Plant(b) }, want)
	}
	wiring := func(b duo.Bug, name, want string) plant {
		return bug("duo."+name, func() { duo.Plant(b) }, want)
	}
	return []plant{
		machine(pair.AnswersEarly, "AnswersEarly", ""),
		machine(pair.BothGoOn, "BothGoOn", ""),
		machine(pair.KeepsOld, "KeepsOld", ""),
		machine(pair.DropsHeld, "DropsHeld", ""),
		machine(pair.PairsUnsaved, "PairsUnsaved", ""),
		machine(pair.TrustsShorter, "TrustsShorter", ""),
		wiring(duo.GrantsBoth, "GrantsBoth", ""),
		wiring(duo.GrantsUnsaved, "GrantsUnsaved", ""),
		wiring(duo.AnswersUnsaved, "AnswersUnsaved", ""),
	}
}

func healServers() {
	pair.Plant(pair.NoBug)
	duo.Plant(duo.NoBug)
}
