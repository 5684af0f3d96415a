package main

import "time"

const (
	// roundsMax keeps a mistyped number from running for days: a round takes seconds.
	roundsMax = 1000

	// roundTime bounds one round. The longest, with 200,000 flows, takes some ten seconds
	// on two busy cores.
	roundTime = 2 * time.Minute

	// triesMax is how often a round is tried that the machine disturbed.
	triesMax = 5

	// calm is how long the standby must have been told nothing new before it is taken
	// to know everything. Both programs acknowledge within a second.
	calm = 1500 * time.Millisecond

	// idleTime is how long an idle pair is looked at: some hundred heartbeats.
	idleTime = 4 * time.Second

	// plotsDefault is the folder whose plots the README shows.
	plotsDefault = "bench/plots"
)
