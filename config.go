package holdfast

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Config says which cluster a process belongs to and how it speaks with the others. It
// is checked by [Open] and must not be changed after.
type Config struct {
	// Cluster is the cluster's name, 1 to 63 bytes. Nodes of other clusters are refused.
	// It must be the same at all members.
	Cluster string

	// Name is this process's name, one of Members.
	Name string

	// Members are all processes that may ever be members, at most 32: for each name, 1 to
	// 63 bytes, its addresses, "192.0.2.1:7400" or "[2001:db8::1]:7400". The first one is
	// on the first link, the second on the second, and so on: links are networks that fail
	// apart from one another, and all are used. "" if a member is not on a link; this
	// process's own list must have no such gap, so put links that not all are on last. The
	// names must be the same at all members.
	Members map[string][]string

	// Votes of members that have not exactly one: 0 to 255. They decide which part goes on
	// when the network falls apart. They must be the same at all members.
	Votes map[string]int

	// Witnesses are members that vote and have neither messages nor state: a cheap third
	// machine for two that do the work. They must be the same at all members.
	Witnesses []string

	// KeyFile is a file of `holdfast key new`, the same at all members: what they send is
	// sealed with its first key. Insecure sends clear text, for a network on which nobody
	// lies. One of the two is necessary.
	KeyFile  string
	Insecure bool

	// Transport is "udp", the default, or "tcp". It must be the same at all members.
	Transport string

	// Multicast gives for each link an IP multicast group and port, "239.1.2.3:7401", for
	// Transport "udp": what is for all members is sent once. "" or left out: each member
	// is sent a copy. It must be the same at all members.
	Multicast []string

	// Heartbeat is how often members tell that they are alive, 1 ms at least; 0 for 50 ms.
	// SuspectAfter is how long a member may be silent until it is taken for crashed, at
	// least three heartbeats; 0 for ten. Shorter finds crashes sooner and takes pauses for
	// crashes more often. They should be the same at all members.
	Heartbeat, SuspectAfter time.Duration

	// Control is the path of a Unix socket to be made, at most 107 bytes, at which
	// `holdfast group` asks this process who is in its groups and what waits for whom; ""
	// for none. All whom the folder lets in may ask: the socket's mode is 0660.
	Control string

	// Logger is told what happens to members and views; nil for nothing. Its handler must
	// neither wait nor call the node: nothing goes on meanwhile.
	Logger *slog.Logger
}

// GroupConfig says what a group is. Name, Partition, Engine, MessageMax and whether there
// is a state must be the same at all members: who says otherwise is refused.
type GroupConfig struct {
	Name string // 1 to 63 bytes

	// Partition says who goes on when the network falls apart: "primary", the default, the
	// part with more than half of the votes of the view before; "all", every part.
	Partition string

	// Engine finds the total order: "sequencer", the default, one member numbers messages;
	// "lamport", by the stamps of logical clocks; "isis", by priorities that all propose.
	// The order that comes out is as good with each; what it costs differs.
	Engine string

	// MessageMax is the longest message in bytes; 0 for 1 MiB, which is the most.
	MessageMax int

	// QueueMax is how many bytes of events wait for this process to ask for them; 0 for 4
	// MiB. Beyond it the member tells the others to wait, and they learn who is [Slow].
	QueueMax int

	// Snapshot and Restore make the group one with a state; both or none.
	//
	// When members join, one that has the state is asked to write it: Snapshot is called
	// by Next, on its caller's goroutine, between the events before the joining and those
	// after. So it writes the state that the application has from the events before, and
	// nothing else needs to be done. Until the application comes to ask for that event, the
	// joining members wait. What it writes is kept in memory up to 4 MiB and beyond that
	// in a temporary file, until the next snapshot or the end of the group.
	//
	// Restore reads that state: called by Join on its caller's goroutine, and by Next in a
	// member that had been expelled and is let in again. It replaces all state that there
	// was. If it gets an error from the reader, which happens when the member that gives
	// the state crashes, it returns any error and is called again, with another state
	// from its beginning. An error of its own ends Join or Next with an [*Error] of kind
	// [Failed]; the member has no state then and must leave.
	Snapshot func(w io.Writer) error
	Restore  func(r io.Reader) error

	// Stateful says at a witness, which has neither Snapshot nor Restore, that the others
	// have them. At another member it says nothing that those do not say.
	Stateful bool
	// Service says at a witness that the group is a service, and how it is configured: what all
	// members must agree on of it is its Style, Voters, whether there is a Comparer, whether there is
	// Data, and what its Service wants to be alike (session.Termed). The rest is not looked at.
	Service *ServiceConfig
}

// The bounds of a configuration.
const (
	nameMax      = 63      // bytes: names travel in frames
	messageMax   = 1 << 20 // bytes: one message must not hold the others up for long
	heartbeatMin = time.Millisecond
	votesMax     = 255
	linkMax      = 8
	socketMax    = 107 // bytes: sun_path of the kernel's sockaddr_un, less its final zero

	heartbeatDefault   = 50 * time.Millisecond
	suspectDefault     = 10 // heartbeats
	suspectMin         = 3  // heartbeats: one may be lost, and one late
	agreementVersion   = 1
	transportUDP       = "udp"
	transportTCP       = "tcp"
	transportsForError = "udp or tcp"
)

// checked is a configuration in the form of what is below.
type checked struct {
	Config
	names     []string // by ID; the first is nobody's
	addresses [][]netip.AddrPort
	multicast []netip.AddrPort
	links     int
	node      cohort.NodeConfig
}

// check finds what is wrong with a configuration.
func (c Config) check() (*checked, error) {
	k := &checked{Config: c, names: append([]string{""}, slices.Sorted(maps.Keys(c.Members))...)}
	switch {
	case c.Cluster == "" || len(c.Cluster) > nameMax:
		return nil, fmt.Errorf("the cluster's name has %d bytes; give it 1 to %d", len(c.Cluster), nameMax)
	case !slices.Contains(k.names[1:], c.Name):
		return nil, fmt.Errorf("this process is named %q, and the members are %s; set Name to one of them, or add it", c.Name, quoted(k.names[1:]))
	case len(c.Members) > view.SeatMax:
		return nil, fmt.Errorf("%d members; a cluster has at most %d", len(c.Members), view.SeatMax)
	case c.KeyFile == "" && !c.Insecure:
		return nil, errors.New("there is no key: make one with `holdfast key new FILE` and set KeyFile, or set Insecure")
	case len(c.Control) > socketMax:
		return nil, fmt.Errorf("the path Control has %d bytes; the kernel allows %d", len(c.Control), socketMax)
	case c.KeyFile != "" && c.Insecure:
		return nil, errors.New("there is a KeyFile and Insecure is set: remove one of the two")
	}
	if err := k.checkTimes(); err != nil {
		return nil, err
	}
	if err := k.checkAddresses(); err != nil {
		return nil, err
	}
	if err := k.checkVotes(); err != nil {
		return nil, err
	}
	k.node.Self = view.Member{
		ID:          view.ID(slices.Index(k.names, c.Name)),
		Incarnation: view.Incarnation(time.Now().UnixNano()),
	}
	k.node.Fingerprint, k.node.Links = k.fingerprint(), k.links
	return k, link.Check(k.node.Self.ID, k.linkList())
}

func (k *checked) checkTimes() error {
	if k.Heartbeat == 0 {
		k.Heartbeat = heartbeatDefault
	}
	if k.SuspectAfter == 0 {
		k.SuspectAfter = suspectDefault * k.Heartbeat
	}
	if k.Heartbeat < heartbeatMin {
		return fmt.Errorf("a heartbeat every %v; every %v is the shortest", k.Heartbeat, heartbeatMin)
	}
	if k.SuspectAfter < suspectMin*k.Heartbeat {
		return fmt.Errorf("SuspectAfter is %v with a heartbeat every %v; it must be %v or more, since heartbeats may be lost or late",
			k.SuspectAfter, k.Heartbeat, suspectMin*k.Heartbeat)
	}
	k.node.Heartbeat, k.node.SuspectAfter = k.Heartbeat, k.SuspectAfter
	return nil
}

func (k *checked) checkAddresses() error {
	switch k.Transport {
	case "":
		k.Transport = transportUDP
	case transportUDP, transportTCP:
	default:
		return fmt.Errorf("the transport %q does not exist; choose %s", k.Transport, transportsForError)
	}
	k.links = len(k.Members[k.Name])
	if k.links == 0 || k.links > linkMax {
		return fmt.Errorf("%q has %d addresses; give it 1 to %d, one for each link", k.Name, k.links, linkMax)
	}
	if i := slices.Index(k.Members[k.Name], ""); i >= 0 {
		return fmt.Errorf("%q, this process, has no address on link %d; give it one, or make it the last link and end the list before it", k.Name, i+1)
	}
	k.addresses = make([][]netip.AddrPort, len(k.names))
	for id, name := range k.names[1:] {
		if name == "" || len(name) > nameMax {
			return fmt.Errorf("the member %q has a name of %d bytes; give it 1 to %d", name, len(name), nameMax)
		}
		for _, text := range k.Members[name] {
			if text == "" && name == k.Name {
				return fmt.Errorf("the address of member %q, which is this process, is empty; write one like 192.0.2.1:7400 for each link", name)
			}
			var at netip.AddrPort
			if text != "" {
				var err error
				if at, err = netip.ParseAddrPort(text); err != nil {
					return fmt.Errorf("the address %q of member %q is not one like 192.0.2.1:7400 or [2001:db8::1]:7400: %w", text, name, err)
				}
			}
			k.addresses[id+1] = append(k.addresses[id+1], at)
		}
	}
	if len(k.Multicast) > 0 && k.Transport != transportUDP {
		return fmt.Errorf("multicast groups with the transport %q; use udp, or leave Multicast out", k.Transport)
	}
	for _, text := range k.Multicast {
		var at netip.AddrPort
		if text != "" {
			var err error
			if at, err = netip.ParseAddrPort(text); err != nil || !at.Addr().IsMulticast() {
				return fmt.Errorf("%q is not a multicast group and port like 239.1.2.3:7401", text)
			}
		}
		k.multicast = append(k.multicast, at)
	}
	return nil
}

func (k *checked) checkVotes() error {
	for _, name := range slices.Sorted(maps.Keys(k.Votes)) {
		if !slices.Contains(k.names[1:], name) {
			return fmt.Errorf("votes for %q, who is not a member; the members are %s", name, quoted(k.names[1:]))
		}
		if v := k.Votes[name]; v < 0 || v > votesMax {
			return fmt.Errorf("%q has %d votes; give it 0 to %d", name, v, votesMax)
		}
	}
	for _, name := range k.Witnesses {
		if !slices.Contains(k.names[1:], name) {
			return fmt.Errorf("the witness %q is not a member; the members are %s", name, quoted(k.names[1:]))
		}
	}
	sum, voters := 0, 0
	for i, name := range k.names[1:] {
		votes, ok := k.Votes[name]
		if !ok {
			votes = 1
		}
		witness := slices.Contains(k.Witnesses, name)
		sum += votes
		if !witness {
			voters += votes
		}
		k.node.Candidates = append(k.node.Candidates, cohort.Candidate{
			ID: view.ID(i + 1), Name: name, Votes: uint8(votes), Witness: witness,
		})
	}
	if sum == 0 || voters == 0 {
		return errors.New("no member that is not a witness has a vote; then nobody can ever decide who the members are")
	}
	return nil
}

// agreement is the text of what all members must agree on.
func (k *checked) agreement() string {
	var b strings.Builder
	fmt.Fprintf(&b, "group agreement %d\ncluster %q\n", agreementVersion, k.Cluster)
	for _, c := range k.node.Candidates {
		fmt.Fprintf(&b, "member %q votes %d witness %v\n", c.Name, c.Votes, c.Witness)
	}
	return b.String()
}

func (k *checked) fingerprint() uint32 {
	sum := sha256.Sum256([]byte(k.agreement()))
	return binary.BigEndian.Uint32(sum[:4])
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, ", ")
}
