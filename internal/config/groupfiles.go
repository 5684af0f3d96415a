package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// GroupFiles is what a person must say so that the files of a group's members can be
// written.
type GroupFiles struct {
	Cluster, Group string
	KeyFile        string // where the key will be on all machines
	Sockets        string // the folder of the sockets of members that are [GroupFiles.Local]; empty: [SocketFolder]
	Stateful       bool   // the members have a state: then only witnesses have a file
	Locks          bool   // they are a lock service
	Data           string // with Locks: the folder of their logs, in which those that share a machine have one each; empty: none
	Members        []GroupFilesMember
}

// GroupFilesMember is one member.
type GroupFilesMember struct {
	Name      string
	Witness   bool
	Addresses []string // one for each link
}

// Nodes are those that have a file.
func (g *GroupFiles) Nodes() []string {
	var names []string
	for _, m := range g.Members {
		if m.Witness || !g.Stateful {
			names = append(names, m.Name)
		}
	}
	return names
}

// Text is the commented file of one node. It may be wrong where the answers are;
// [Parse] tells.
func (g *GroupFiles) Text(node string) string {
	var b strings.Builder
	fmt.Fprintf(&b, groupHead, g.Cluster, node, g.Cluster, g.KeyFile)
	for _, m := range g.Members {
		fmt.Fprintf(&b, "\n  member %q {\n", m.Name)
		if m.Witness {
			b.WriteString("    witness = true # votes, and has neither messages nor state\n")
		}
		for i, address := range m.Addresses {
			fmt.Fprintf(&b, "    link \"link%d\" { address = %q }\n", i+1, address)
		}
		b.WriteString("  }\n")
	}
	stateful := "# stateful = true"
	if g.Stateful {
		stateful = "stateful = true"
	}
	b.WriteString(groupTimes)
	if g.Locks {
		b.WriteString(g.locks(node))
	} else {
		fmt.Fprintf(&b, groupTail, g.Group, stateful)
	}
	if g.Local() {
		fmt.Fprintf(&b, groupLocal, filepath.Join(cmp.Or(g.Sockets, SocketFolder), g.Cluster+"-"+node+".sock"))
	}
	return b.String()
}

// locks is the group of a lock service.
func (g *GroupFiles) locks(node string) string {
	data := `# data = "/var/lib/holdfast/` + g.Group + `"`
	if g.Data != "" {
		data = fmt.Sprintf("data = %q", g.Data)
		if g.Local() {
			data = fmt.Sprintf("data = %q", filepath.Join(g.Data, node))
		}
	}
	return fmt.Sprintf(groupLocks, g.Group, g.LockSocket(node), data)
}

// LockSocket is where a node's lock service is asked.
func (g *GroupFiles) LockSocket(node string) string {
	if g.Local() {
		return filepath.Join(cmp.Or(g.Sockets, SocketFolder), node+".locks")
	}
	return filepath.Join(SocketFolder, g.Group+".locks")
}

// Local says whether the members share a machine: one has a loopback address.
func (g *GroupFiles) Local() bool {
	for _, m := range g.Members {
		for _, text := range m.Addresses {
			if a, err := netip.ParseAddr(text); err == nil && a.IsLoopback() {
				return true
			}
		}
	}
	return false
}

const groupLocal = `
# The members share this machine: each has a socket of its own.
control {
  socket = %q
}
`

const groupHead = `# Holdfast: the processes of cluster %q, which are in groups. Every key is explained in
# docs/guides/configuration.md; after a change run: holdfast check FILE

# Which member this node is. The files of the nodes differ in this line only.
node = %q

cluster %q {
  # The key that seals what the members say to each other: the same file on all.
  key_file = %q

  # All who may ever take part. More than half of the votes are needed to go on; a member
  # has one unless it says votes = 2. Links of the same label are one network. All links
  # are used at once; have two that do not share a switch.
`

const groupTimes = `
  # A member that is silent on every link for suspect_after is taken for crashed.
  heartbeat     = "50ms"
  suspect_after = "500ms"

  # "tcp" is for networks that let nothing else through.
  transport = "udp"

  # What goes to all leaves once on a network whose switches carry multicast:
  # multicast "link1" { address = "239.192.0.1" }
}
`

const groupLocks = `
# A lock service. All members must say the same here but for the socket, or refuse each other.
group %q {
  locks {
    # Where programs and "holdfast lock" ask: whoever may use this socket may have locks.
    socket = %q

    # A log: what was granted outlives a power cut of all members. Without one, a service that
    # has lost all members hears its clients for ten seconds, who held what, before it grants.
    %s

    # How the members keep the state: docs/guides/styles.md.
    style = "active"

    # "strict": who asks first has the lock first. "loose": who shares it may overtake.
    order = "strict"
  }
}
`

const groupTail = `
# All members of a group must say the same here, or refuse each other.
group %q {
  # "primary": the part with more than half of the votes goes on. "all": every part does.
  partition = "primary"

  # How the total order is found: "sequencer", "lamport" or "isis".
  engine = "sequencer"

  # The longest message, in bytes.
  message_max = 1048576

  # Whether the members have a state that joiners are given; then this node must be a witness.
  %s
}
`

// Write writes a file for each node, NAME.hcl, and a new key, CLUSTER.key, into a folder,
// and gives their paths, the key's last. It overwrites nothing: if one of the files exists,
// or the answers do not make a working group (the error is then hcl.Diagnostics), nothing
// is written.
func (g *GroupFiles) Write(folder string) (written []string, err error) {
	nodes := g.Nodes()
	if len(nodes) == 0 {
		return nil, errors.New("no member has a file: with a state, members are programs of your own, and a witness is missing")
	}
	files := make(map[string]string)
	for _, node := range nodes {
		text := g.Text(node)
		if _, diags := Parse([]byte(text), node+".hcl"); diags.HasErrors() {
			return nil, hcl.Diagnostics(diags)
		}
		files[node] = text
	}
	return writeFiles(folder, g.Cluster, nodes, files)
}
