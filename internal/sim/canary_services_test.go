//go:build canary

package sim_test

import (
	"github.com/holdfast-ha/holdfast/internal/sim/services"
	"github.com/holdfast-ha/holdfast/protocol/replica/active"
	"github.com/holdfast-ha/holdfast/protocol/replica/passive"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
)

// servicePlants are the bugs of the replication styles, each with the judge that must find it. A
// seed draws one of the styles, so a bug of one can show in a third of them. voted.Unchecked does harm
// only if the damaged one and its copies outvote the others, which the world does not let
// happen by more than chance: a story of package replicated has that.
func servicePlants() []plant {
	bug := func(name string, plants func(), want string) plant {
		if want != anybody {
			want += ": "
		}
		return plant{services.Name, name, plants, want, nil}
	}
	everybody := func(b active.Bug, name, want string) plant {
		return bug("active."+name, func() { active.Plant(b) }, want)
	}
	following := func(b passive.Bug, name, want string) plant {
		return bug("passive."+name, func() { passive.Plant(b) }, want)
	}
	voting := func(b voted.Bug, name, want string) plant {
		return bug("voted."+name, func() { voted.Plant(b) }, want)
	}
	return []plant{
		everybody(active.BelievesDigests, "BelievesDigests", "honesty"),
		everybody(active.KeepsDiverged, "KeepsDiverged", "honesty"),
		everybody(active.OwnClock, "OwnClock", "honesty"),
		everybody(active.AnswersEarly, "AnswersEarly", "agreement"),

		following(passive.AnswersEarly, "AnswersEarly", "execution"),
		following(passive.BelievesPrimary, "BelievesPrimary", "honesty"),
		following(passive.KeepsDiverged, "KeepsDiverged", "honesty"),
		following(passive.ServesAll, "ServesAll", "agreement"),
		following(passive.GivesAhead, "GivesAhead", "agreement"),

		voting(voted.AnswersAlone, "AnswersAlone", "votes"),
		voting(voted.AnswersOwn, "AnswersOwn", "linearizability"),
		voting(voted.KeepsRetired, "KeepsRetired", "honesty"),
		voting(voted.OneSuffices, "OneSuffices", "votes"),
	}
}

func healServices() {
	active.Plant(active.NoBug)
	passive.Plant(passive.NoBug)
	voted.Plant(voted.NoBug)
}
