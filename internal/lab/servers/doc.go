// Package servers lets real processes be the two servers of a service, and for a pair the witness that says which of them goes on alone, on
// machines of their own (internal/lab/segment): they are killed and started again, stopped for longer than the others wait, and cut off from one another,
// while clients ask. What clients were answered goes to the judge of linearizability (check/service): registers that are added to, so that
// an answer that was lost and a call that was executed twice are seen.
//
// A server of a pair is killed when the other has the state, for it is in memory; of a process pair, whose state is in a store that both reach, at any
// moment, both at once too. All else happens at any moment.
package servers
