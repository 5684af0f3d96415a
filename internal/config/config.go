// Package config reads the one configuration file of a Holdfast node, of a pair of
// firewalls or of a cluster with groups, and refuses
// what cannot work before anything is started.
//
// The file is HCL, and it is data: every value is written out, there are no
// variables, functions or conditions. [Load] reports every error at once, each with
// its line and column, the value found and what to write instead. A [File] that Load
// returned is complete (every default is filled in) and must not be changed.
//
// The nodes have the same file but for the line that says which of the members the node
// is. What both must agree on is folded into [File.Fingerprint],
// which every frame carries, so that two nodes with different ideas refuse each other
// by name.
//
// The file for people is docs/guides/configuration.md; a test keeps it complete.
package config

import (
	"net/netip"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// File is a whole configuration with its defaults filled in.
type File struct {
	// Path is where the file was read from, as it was given.
	Path string

	// Node is the name of the member this node is. Required; no default. With the
	// wrong name the node would claim the other node's links, and fails to bind them.
	Node string

	// Cluster is what the nodes share. Required.
	Cluster Cluster

	// Firewall is the protected service. Required, unless there are Groups.
	Firewall Firewall

	// Groups are those that this node is in, in the order of their names. A file has
	// either groups or a firewall.
	Groups []Group

	// Control is how this node is administered. Not shared with other nodes.
	Control Control

	// Log is what this node writes about itself. Not shared with other nodes.
	Log Log
}

// Cluster is what the nodes share: who they are and how they hear each other.
type Cluster struct {
	// Name tells this cluster from others on the same networks. It is in the
	// fingerprint of every frame. 1 to 32 bytes of letters, digits, "-", "_", ".".
	Name string

	// KeyFile is the path of the key ring that seals every datagram, the same on all
	// nodes. "" when Insecure. A node with another key hears nobody.
	KeyFile string

	// Insecure sends datagrams unsealed. Anyone on a link can then take the
	// addresses away or plant flows. Default: false.
	Insecure bool

	// Port is the UDP port of every link. Default 7946. Different ports mean that the
	// nodes never hear each other.
	Port uint16

	// Members are the nodes, in the order of their names. Members[i].ID is i+1.
	Members []Member

	// Heartbeat is the time between two heartbeats on each link. Default 10 ms.
	// Shorter finds a dead node sooner and costs more processor time.
	Heartbeat time.Duration

	// SuspectAfter is the silence on every link after which a member counts as dead.
	// Default 50 ms, or five heartbeats if that is more; at least three heartbeats. Too short, and a pause of the other
	// node is taken for its death.
	// With groups the defaults are 50 ms and ten heartbeats: a process that is late is
	// expelled, and there is no client that waits for an address.
	SuspectAfter time.Duration

	// Transport is "udp" or "tcp", with groups. Default udp. "" with a firewall.
	Transport string

	// Multicast are the IP multicast groups of links, in the order of the links' labels.
	// Default: none; each member is sent a copy. With groups only.
	Multicast []Multicast
}

// Multicast is the IP multicast group of one link, for what goes to all members.
type Multicast struct {
	// Label is the link's.
	Label string

	// Address is the multicast address, of the IP version of the link's addresses.
	Address netip.Addr

	// Port is the UDP port. Default: that of the cluster.
	Port uint16
}

// Group is a group that this node is in: as a witness, or as a member that takes part in
// every view and has no use for messages. Members that keep a state are programs that
// import the package holdfast. All keys are shared.
type Group struct {
	// Name tells the group from others of the cluster. 1 to 32 bytes of letters, digits,
	// "-", "_", ".".
	Name string

	// Partition says who goes on when the network falls apart: "primary", the part with
	// more than half of the votes, or "all". Default primary.
	Partition string

	// Engine finds the total order: "sequencer", "lamport" or "isis". Default sequencer.
	Engine string

	// MessageMax is the longest message in bytes, 1 to 1,048,576, which is the default.
	MessageMax int

	// Stateful says that members have a state that joiners are given. A node with this
	// file can then be a witness only. Default: false.
	Stateful bool

	// Locks makes the group a lock service, whose clients come to a Unix socket of each
	// member. nil: the group is for programs.
	Locks *Locks
}

// Member is one configured node.
type Member struct {
	// ID is the member's position in the order of names, from 1.
	ID view.ID

	// Name is how logs, status and commands call the member. 1 to 32 bytes of
	// letters, digits, "-", "_", ".".
	Name string

	// Priority decides who becomes active when nobody is: the highest. 1 to 254,
	// default 100. With equal priorities the first in the order of names wins.
	// With a firewall only.
	Priority uint8

	// Votes decide which part of a group goes on when the network falls apart. 0 to 255,
	// default 1. With groups only.
	Votes uint8

	// Witness is a member that votes and has neither messages nor state. Default: false.
	// With groups only.
	Witness bool

	// Links are the member's ways to the others, in the order of their labels. Links
	// with the same label are the two ends of one network. All are used at once.
	Links []Link
}

// Link is a member's end of one network.
type Link struct {
	// Label names the network; the other members use the same label. 1 to 32 bytes of
	// letters, digits, "-", "_", ".".
	Label string

	// Address is the member's own address there. It must be configured on the node
	// before Holdfast starts and is never moved.
	Address netip.Addr
}

// Inject says when a peer's flows are put into this node's kernel.
type Inject string

// The two ways to inject.
const (
	// Continuous puts each flow into the kernel as it arrives: a takeover has nothing
	// left to do but the addresses. Costs kernel memory on the standby.
	Continuous Inject = "continuous"
	// AtTakeover keeps flows in memory and puts them into the kernel before the
	// addresses move: a takeover lasts longer, by the time of the injection.
	AtTakeover Inject = "takeover"
)

// Firewall is the protected service: connection tracking and virtual addresses.
type Firewall struct {
	// Inject says when a peer's flows enter this node's kernel. Default Continuous.
	Inject Inject

	// Preempt lets a node of higher priority take the addresses back as soon as it
	// holds every state. Default false: the active node stays active.
	Preempt bool

	// Coalesce is how long changes are gathered before they are sent. Default 2 ms, at
	// most 1 s. It is the most that is lost of the newest changes when a node dies;
	// longer saves bytes because only the latest state of a flow is sent.
	Coalesce time.Duration

	// Track names the interfaces that must be up for this node to be active. Default:
	// the interfaces of the addresses. An interface missing here is one whose failure
	// moves nothing.
	Track []string

	// Addresses are the virtual addresses that only the active node holds, in the
	// order of their prefixes. At least one.
	Addresses []Address

	// Ignore are the networks whose flows are not replicated, by original source or
	// destination. The nodes' link addresses are always ignored. Default: none.
	Ignore []netip.Prefix

	// MaxFlows bounds the flows held per member, own and foreign. Default 262,144,
	// 1,024 to 16,777,216. Flows beyond it are not replicated, and status says so.
	MaxFlows int
}

// Address is one virtual address.
type Address struct {
	// Prefix is the address with the length of its network, as `ip address add` takes
	// it: host bits set.
	Prefix netip.Prefix

	// Interface is where this node adds it. The nodes may use different names.
	Interface string
}

// Control is how this node is administered.
type Control struct {
	// Socket is the path of the Unix socket of the control interface. Default
	// /run/holdfast/CLUSTER.sock. At most 107 bytes.
	Socket string
}

// Log is what this node writes about itself, to its standard error.
type Log struct {
	// Level is the least severe level that is written: debug, info, warn, error.
	// Default info.
	Level string

	// Format is text, json or auto. Default auto: coloured text on a terminal, JSON
	// otherwise.
	Format string
}

// Self is the member this node is.
func (f *File) Self() Member {
	m, _ := f.Cluster.Member(f.Node)
	return m
}

// Peers are the other members, in the order of their names.
func (f *File) Peers() []Member {
	peers := make([]Member, 0, len(f.Cluster.Members))
	for _, m := range f.Cluster.Members {
		if m.Name != f.Node {
			peers = append(peers, m)
		}
	}
	return peers
}

// Member finds a member by name.
func (c *Cluster) Member(name string) (Member, bool) {
	for _, m := range c.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// NameOf gives the name of a member, or "" for an ID that the file does not name.
func (c *Cluster) NameOf(id view.ID) string {
	if id == view.Nobody || int(id) > len(c.Members) {
		return ""
	}
	return c.Members[id-1].Name
}

// Link finds a member's end of a network.
func (m Member) Link(label string) (Link, bool) {
	for _, l := range m.Links {
		if l.Label == label {
			return l, true
		}
	}
	return Link{}, false
}

// Locks is a lock service.
type Locks struct {
	// Socket is where clients come in. Default: /run/holdfast/NAME.locks, NAME being the
	// group's.
	Socket string

	// Order is in which order those who wait are granted a lock, if they do not say
	// otherwise: "strict" (first come, first served) or "loose". Default: strict.
	Order string

	// Data is the directory of this member's log. Default: none, and everything is in memory.
	Data string

	// Style is how the service is replicated: "active", "passive", "voted", "pair" or "checkpointed". Default: active.
	Style string

	// Alone is, with the style pair, which of two servers goes on when they do not hear one another: "witness",
	// "prefer NAME" or "freeze". Default: witness, if the cluster has one.
	Alone string

	// Durability is, with the style pair, what is in Data: "log", all that is executed, or "memory": the state is in memory
	// only, and in Data in which epoch a server went on alone. Default: log; "" with another style.
	Durability string

	// Voters is how many members vote with the style voted, 2 to 32. Default: 3; 0 with
	// another style.
	Voters int

	// Recovery is from what a service that all members have lost begins again: "clients", who say
	// what they held and where they waited, or "log". Default: log if there is Data, else clients; with the style pair,
	// which has no log, clients.
	Recovery string

	// Window is for how long it hears from clients before it grants anything, also when it begins for the
	// first time; 0 with a log. Default: 10 s.
	Window time.Duration

	// LeaseMax is the longest lease of a client, no longer than the window, if there is one. Default: that, or 24 h.
	LeaseMax time.Duration
}
