//go:build canary

package sim_test

import (
	"github.com/holdfast-ha/holdfast/protocol/cast"
	"github.com/holdfast-ha/holdfast/protocol/detect"
	"github.com/holdfast-ha/holdfast/protocol/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/transfer"
)

// cohortPlants are the bugs of group communication, each with the judge that must find it.
// Some of the machines' bugs do no harm in a whole stack, and are left to the machines'
// own tests: with DeafToFreeze a member hands over what the cut has anyway; AnyCut and
// WrongResume need a donor that changes, and Unchecked damage that wire's checksum misses.
// group's Deaf is found once in some thousand seeds: it takes two proposers with the same
// voters at the same moment.
func cohortPlants() []plant {
	detecting := func(b detect.Bug, name, want string) plant {
		return plant{"cohorts", "detect" + name, func() { detect.Plant(b) }, want + ": "}
	}
	agreeing := func(b group.Bug, name, want string) plant {
		return plant{"cohorts", "group" + name, func() { group.Plant(b) }, want + ": "}
	}
	casting := func(b cast.Bug, name, want string) plant {
		return plant{"cohorts", "cast" + name, func() { cast.Plant(b) }, want + ": "}
	}
	ordering := func(b order.Bug, name, want string) plant {
		return plant{"cohorts", "order" + name, func() { order.Plant(b) }, want + ": "}
	}
	moving := func(b transfer.Bug, name, want string) plant {
		return plant{"cohorts", "transfer" + name, func() { transfer.Plant(b) }, want + ": "}
	}
	return []plant{
		agreeing(group.Minority, "Minority", "primary"),
		agreeing(group.NoAdoption, "NoAdoption", "primary"),
		agreeing(group.HalfCommit, "HalfCommit", "primary"),
		agreeing(group.NoFill, "NoFill", "view synchrony"),
		agreeing(group.ShortCut, "ShortCut", "view synchrony"),
		agreeing(group.KeepsDead, "KeepsDead", "liveness"),
		agreeing(group.KeepsOldLife, "KeepsOldLife", ""),
		agreeing(group.ForgetsFloor, "ForgetsFloor", ""),
		agreeing(group.NoPatience, "NoPatience", "liveness"),
		agreeing(group.NoEpoch, "NoEpoch", "view agreement"),

		detecting(detect.NeverSuspect, "NeverSuspect", "detector"),
		detecting(detect.CountPause, "CountPause", ""),
		detecting(detect.OneLink, "OneLink", "detector"),
		detecting(detect.ForgetFormer, "ForgetFormer", ""),
		detecting(detect.Unbounded, "Unbounded", "detector"),

		casting(cast.LostTail, "LostTail", "liveness"),
		casting(cast.BoastfulAck, "BoastfulAck", ""),
		casting(cast.HastyAgreement, "HastyAgreement", "uniform"),
		casting(cast.EarlyTwice, "EarlyTwice", "integrity"),
		casting(cast.HastyRelease, "HastyRelease", ""),
		casting(cast.ForgetfulHolding, "ForgetfulHolding", ""),
		casting(cast.ForeignView, "ForeignView", ""),
		casting(cast.GreedyWindow, "GreedyWindow", "flow"),

		ordering(order.Premature, "Premature", "total"),
		ordering(order.Blind, "Blind", "causal"),
		ordering(order.Hasty, "Hasty", "fifo"),
		ordering(order.Unagreed, "Unagreed", "uniform"),
		ordering(order.Unfixed, "Unfixed", "uniform"),
		ordering(order.OwnFirst, "OwnFirst", "total"),
		ordering(order.Stubborn, "Stubborn", "total"),
		ordering(order.FirstProposal, "FirstProposal", "total"),
		ordering(order.Deaf, "Deaf", "total"),
		ordering(order.Careless, "Careless", ""),

		moving(transfer.SkipLost, "SkipLost", "liveness"),
		moving(transfer.Twice, "Twice", "state transfer"),
		moving(transfer.Forgetful, "Forgetful", "liveness"),
	}
}

func healCohorts() {
	detect.Plant(detect.NoBug)
	group.Plant(group.NoBug)
	cast.Plant(cast.NoBug)
	order.Plant(order.NoBug)
	transfer.Plant(transfer.NoBug)
}
