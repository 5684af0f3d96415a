// Package census tells who is in the groups of a process, what waits for whom, and what
// follows from it. A [Status] is plain values: names instead of numbers, milliseconds
// instead of durations. The driver fills in the facts; [Status.Judge] draws the conclusions,
// once, for people, scripts and metrics alike: is the group whole, how many more failures
// does it survive, why, and what to do.
//
// The package does no I/O and knows no machine: a Status comes from JSON as well.
package census
