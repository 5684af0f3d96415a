// Package passive replicates a service by a primary and its backups ("serveur primaire -
// serveur de secours" in Krakowiak's lectures on fault tolerance; Alsberg and Day 1976,
// Budhiraja, Marzullo, Schneider and Toueg 1993).
//
// The most senior member that is no witness is the primary: the succession is known in
// advance, it is the order of seats. A request that comes to another member is sent on to it. It gives a request the next index and the agreed time, executes it, and multicasts the
// update: the request and the digest after it, in its own order and uniform. It answers when
// the update is delivered to itself, for then every member that survives has it. The
// backups execute the update when it is delivered to them, and the one to which the client came answers.
//
// # When the primary crashes
//
// It is out of the next view, and the most senior backup is the primary. View synchrony has
// delivered the same updates to all who are in both views, before the new view: so the new
// primary has all that anybody was answered, and it is in no doubt whether an update still
// comes. The client asks it again. In the seed's case 1 no backup has the update: it is
// executed anew. In case 2 all have: the table of sessions, part of the state, has the reply,
// and it is given again. The identity of the request tells the two apart.
//
// # What is under way
//
// The primary does not wait for one update before it executes the next; it is ahead of what
// is delivered. It executes only what leaves at once in the view that it knows ([Machine.Next]),
// never into a queue. So when the view changes and the primary stays, all that it executed was
// delivered in the old view, and the state that it gives to a joiner then is that of
// the cut. A primary that is expelled may have executed what nobody else has: its state is
// void, it answers nothing from it, gives it to nobody, and is given another's. If a primary ever
// finds itself ahead at a new view, it begins anew too.
//
// # Replicas that differ
//
// Each backup compares its digest after an update with the primary's. Who finds a
// difference says so, all members of the view tell their digests of the last commands up to that
// one, and all decide the same from the same digests: who is not with more than half has
// diverged, the primary like any other, is named with the command, and is given the others'
// state. If no more than half agree, all stop. As the decision is made from what was told only,
// it needs no order between the members' messages.
//
// Until then the primary answers from its state. A damaged primary answers wrongly until the
// update that shows it: who cannot bear that votes (protocol/replica/voted).
//
// # On disks
//
// How a service is kept on disks, and why nothing that was answered is lost, is said in package protocol/replica/active.
// Steps (1) and (2) of the argument there are about promises and positions, whatever the style. Step (3) wants
// that the members' logs within an era are beginnings of one sequence; and that is where a primary that is ahead
// would break it: it has executed what nobody else may ever have, and on its disk two positions that are equal could
// have different commands. So a command is written when it is *delivered*, by the primary as by the
// backups. What is delivered in a view are updates of one primary, in its order, each with the index after the one
// before; all who go on to the next view have delivered the same; and the next primary goes on from there. So the
// logs are beginnings of one sequence.
//
// What a primary has in memory may still be more than that when it falls out of its view. At a founding it must stand
// for what it has written and nothing else, for its state may be the one that all are given. It
// takes back the rest: it keeps a copy of the state at a point that is written, and the commands since, and executes
// those again. (Waiting for another's state would not do: after a power cut of the others there
// may be nobody else with enough.) For the same reason a snapshot that is taken while it is ahead is
// kept until all that is in it is delivered.
//
// # Cost
//
// One multicast a command, by the primary, of 18 bytes more than the request at most; a client is
// answered after one round trip between the primary and those with the votes; one that came to a backup half a trip later, and
// for one multicast more. The backups send acknowledgements, and every member its digest, five times a second at most and
// once before it rests: so each knows what of its state the others have.
// On disks: the sync comes behind that round, not beside it; a second copy of the state in memory.
// Messages: docs/rfc/0019-passive.md.
package passive
