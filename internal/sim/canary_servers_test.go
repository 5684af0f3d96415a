//go:build canary

package sim_test

import (
	"github.com/holdfast-ha/holdfast/internal/sim/servers"
	"github.com/holdfast-ha/holdfast/protocol/replica/checkpointed"
	"github.com/holdfast-ha/holdfast/protocol/replica/pair"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
)

// serverPlants are the bugs of a service on two servers, and of their arbiter, each with the judge that must find
// it. No seed damages memory, so none finds pair.BelievesDigests: TestCanaryEveryStep of package servers does.
func serverPlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		return plant{servers.Name, name, plants, want, nil}
	}
	machine := func(b pair.Bug, name, want string) plant {
		return bug("pair."+name, func() { pair.Plant(b) }, want)
	}
	storing := func(b checkpointed.Bug, name, want string) plant {
		return bug("checkpointed."+name, func() { checkpointed.Plant(b) }, want)
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
		storing(checkpointed.AnswersEarly, "AnswersEarly", ""),
		storing(checkpointed.IgnoresFence, "IgnoresFence", ""),
		storing(checkpointed.SkipsLog, "SkipsLog", ""),
		storing(checkpointed.LoadsFirst, "LoadsFirst", ""),
		wiring(duo.GrantsBoth, "GrantsBoth", ""),
		wiring(duo.GrantsUnsaved, "GrantsUnsaved", ""),
		wiring(duo.AnswersUnsaved, "AnswersUnsaved", ""),
	}
}

func healServers() {
	pair.Plant(pair.NoBug)
	checkpointed.Plant(checkpointed.NoBug)
	duo.Plant(duo.NoBug)
}
