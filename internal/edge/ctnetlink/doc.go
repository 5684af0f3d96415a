// Package ctnetlink talks to the connection tracker of the Linux kernel: [Events] are
// heard, the [Table] is written, a [Dump] reads it whole. It knows netlink and
// [flow.Flow], and no machine.
//
// Everything concerns the network namespace of the thread that calls Open…; the
// objects may be used from any thread afterwards, by one goroutine at a time. All
// sockets are non-blocking, all buffers are used again, and reading and writing flows
// allocates nothing.
//
// What the kernel does that one would not expect, and what this package does about it
// (linux/net/netfilter/nf_conntrack_netlink.c; each is covered by a test):
//
//   - Many messages go in one sendmsg and are done one after the other, not atomically;
//     each failure answers with its sequence number, success is silent. So a batch
//     asks for one acknowledgement, at its last message, and matches failures by number.
//   - A reply tuple that is already translated makes an entry that looks right and
//     translates nothing. The inverse of the original tuple is sent instead, with
//     CTA_NAT_SRC and CTA_NAT_DST; port and ICMP identifier always included, for the
//     kernel may otherwise choose others.
//   - Translation, master and helper can be given to new entries only. A change must
//     not mention them, and an entry whose translation is another must be replaced.
//   - TCP window scales count only when both directions have the flag for it in the
//     same message. The edges of the window cannot be restored at all.
//   - Status bits can be set, not cleared (EBUSY): an entry that was assured in an
//     earlier life of the same tuple must be replaced.
//   - An event says what changed, not what is; see [Events.Read].
//   - An own change comes back as an event, with the port of the socket that made it.
//   - With nf_conntrack_events=2, an entry made while nobody on the machine listens never
//     has events, not even for its end; see [Check].
//   - An entry's translation is done by the hooks of a base chain of type nat, which may
//     be empty but must be there; without it the entry is right and nothing happens.
//   - A lost event is told once (ENOBUFS), before the events that were not lost.
//   - A dump read with less than 32 KiB leaves entries out without a word.
package ctnetlink
