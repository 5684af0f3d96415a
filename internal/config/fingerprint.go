package config

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// agreementVersion changes when the meaning of a shared setting changes, so that two
// programs that would understand one file differently refuse each other.
const agreementVersion = 1

// Fingerprint is 32 bits over everything that the nodes must agree on:
//
//   - the cluster's name and port;
//   - each member's name and priority, and the label and address of each of its links;
//   - heartbeat and suspect_after;
//   - the virtual addresses with their prefix lengths;
//   - inject and preempt.
//
// Of a file with groups it is for comparing files only: votes and witnesses in the place of
// priorities, transport, multicast, and each group. Nodes compare what the package holdfast
// says of the cluster, and the terms of each group by themselves.
//
// Not in it, because nodes may differ there: which member the node is, names of
// interfaces (also tracked ones), coalesce, ignore, max_flows, the path of the key, the
// control socket and the log. Whether links are sealed is not in it either: unsealed
// and sealed datagrams already refuse each other.
//
// It is the first four bytes of the SHA-256 of [File.Agreement]. It tells honest
// mistakes apart; it is no protection against an attacker, which the key is for.
func (f *File) Fingerprint() uint32 {
	sum := sha256.Sum256([]byte(f.Agreement()))
	return binary.BigEndian.Uint32(sum[:4])
}

// Agreement is the text under the fingerprint, one setting a line in a fixed order.
// Where two nodes refuse each other, the difference between their texts is the cause.
func (f *File) Agreement() string {
	var b strings.Builder
	c := &f.Cluster
	fmt.Fprintf(&b, "agreement %d\n", agreementVersion)
	fmt.Fprintf(&b, "cluster %q port %d\n", c.Name, c.Port)
	for _, m := range c.Members {
		if len(f.Groups) > 0 {
			fmt.Fprintf(&b, "member %q votes %d witness %v\n", m.Name, m.Votes, m.Witness)
		} else {
			fmt.Fprintf(&b, "member %q priority %d\n", m.Name, m.Priority)
		}
		for _, l := range m.Links {
			fmt.Fprintf(&b, "link %q %q %s\n", m.Name, l.Label, l.Address.WithZone(""))
		}
	}
	fmt.Fprintf(&b, "heartbeat %s suspect_after %s\n", c.Heartbeat, c.SuspectAfter)
	if len(f.Groups) > 0 {
		f.agreeGroups(&b)
		return b.String()
	}
	for _, a := range f.Firewall.Addresses {
		fmt.Fprintf(&b, "address %s\n", a.Prefix)
	}
	fmt.Fprintf(&b, "inject %s preempt %v\n", f.Firewall.Inject, f.Firewall.Preempt)
	return b.String()
}

// agree adds what members of a lock service must agree on, as far as it is set.
func (l *Locks) agree(b *strings.Builder) {
	fmt.Fprintf(b, "locks order %s style %s", l.Order, l.Style)
	if l.Voters > 0 {
		fmt.Fprintf(b, " voters %d", l.Voters)
	}
	if l.Alone != "" {
		fmt.Fprintf(b, " alone %q", l.Alone)
	}
	fmt.Fprintf(b, " recovery %s", l.Recovery)
	if l.Window > 0 {
		fmt.Fprintf(b, " window %s", l.Window)
	}
	fmt.Fprintf(b, " lease_max %s\n", l.LeaseMax)
}

// agreeGroups adds what nodes with groups must agree on.
func (f *File) agreeGroups(b *strings.Builder) {
	c := &f.Cluster
	fmt.Fprintf(b, "transport %s insecure %v\n", c.Transport, c.Insecure)
	for _, m := range c.Multicast {
		fmt.Fprintf(b, "multicast %q %s port %d\n", m.Label, m.Address, m.Port)
	}
	for _, g := range f.Groups {
		fmt.Fprintf(b, "group %q partition %s engine %s message_max %d stateful %v\n", g.Name, g.Partition, g.Engine, g.MessageMax, g.Stateful)
		if g.Locks != nil {
			g.Locks.agree(b)
		}
	}
}
