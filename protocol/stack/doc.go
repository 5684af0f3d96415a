// Package stack joins the machines of one node: the takeover, which decides who is
// active, and the state proxy, which replicates what the active knows. It is the only
// place where machines meet, and what the simulator runs is exactly what the daemon
// runs.
//
// The rules that join them:
//
//   - State first, address second. The takeover's Commit becomes injections of all
//     replicated state; only when the service says that they are done is the takeover
//     told, and only then does it ask for the addresses.
//   - Only the active is a source. A node that becomes active reads its service's whole
//     table, which holds what was injected, and replicates it as its own. A node that
//     is active no more goes on until it sees its successor active and a while longer,
//     because packets still come by until the neighbours have learned; then it clears
//     its internal cache, and the successor's state is the only one.
//   - Only the active's state is injected, and while there is none that of the last one.
//     An active takes no state from others but one kind: flows that its predecessor
//     still saw begin while handing over, and that it does not have (Create, which never
//     overwrites).
//   - A standby is a mirror. When its copy is complete it reads its service's table once
//     and removes what the active does not have, adds what is missing, and puts back
//     what expired here while it lives there. A takeover relies on the table only if such
//     a comparison has ended and nothing has called for another since; otherwise its
//     Commit puts everything there once more.
//   - A former life's state is kept until somebody is active whose state is known.
//   - A silent peer is one for which nothing is queued.
//
// Frames of another cluster or configuration are dropped; the peer says who it is on a
// channel of its own (docs/rfc/0006-identify.md), so that the refusal can be by name.
package stack
