package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/holdfast-ha/holdfast/internal/key"
)

// Pair is what a person must say so that the files of two nodes can be written.
type Pair struct {
	Cluster   string
	Nodes     [2]string // names; the first is preferred when both start at once
	KeyFile   string    // where the key will be on both nodes
	Links     []PairLink
	Addresses []PairAddress
}

// PairLink is one network between the two nodes.
type PairLink struct {
	Label string
	Ends  [2]string // addresses, in the order of Nodes
}

// PairAddress is one virtual address.
type PairAddress struct {
	Prefix, Interface string
}

// Text is the commented file of one node. It may be wrong where the answers are;
// [Parse] tells.
func (p *Pair) Text(node string) string {
	var b strings.Builder
	fmt.Fprintf(&b, pairHead, node, p.Cluster, p.KeyFile)
	for i, name := range p.Nodes {
		fmt.Fprintf(&b, "\n  member %q {\n    priority = %d\n", name, 150-50*i)
		for _, l := range p.Links {
			fmt.Fprintf(&b, "    link %q { address = %q }\n", l.Label, l.Ends[i])
		}
		b.WriteString("  }\n")
	}
	b.WriteString(pairMiddle)
	for _, a := range p.Addresses {
		fmt.Fprintf(&b, "  address %q { interface = %q }\n", a.Prefix, a.Interface)
	}
	b.WriteString(pairTail)
	return b.String()
}

const pairHead = `# Holdfast: a pair of firewalls with one state. Every key is explained in
# docs/guides/configuration.md; after a change run: holdfast check FILE

# Which member this node is. The two nodes' files differ in this line only.
node = %q

cluster %q {
  # The key that seals what the nodes say to each other: the same file on both,
  # readable by root only.
  key_file = %q

  # The two nodes. When both start at once, the one of higher priority becomes active.
  # Links of the same label are the two ends of one network. All links are used at
  # once; have two that do not share a switch.
`

const pairMiddle = `
  # A node that is silent on every link for suspect_after counts as dead.
  heartbeat     = "10ms"
  suspect_after = "50ms"
}

firewall {
  # The addresses that only the active node holds: what hosts use as their router.
  # The name of the interface may differ between the nodes.
`

const pairTail = `
  # "continuous": the standby's kernel has every flow at once, a takeover only moves the
  # addresses. "takeover": flows wait in memory, a takeover takes longer.
  inject = "continuous"

  # true: the node of higher priority takes the addresses back when it has returned.
  preempt = false

  # Interfaces that must be up for a node to be active; those of the addresses if this is
  # left out.
  # track = ["eth0", "eth1"]

  # Networks whose flows are not replicated. The links' own traffic never is.
  # ignore = ["198.51.100.0/24"]
}
`

// Write writes the two nodes' files, NODE.hcl, and a new key, CLUSTER.key, into a
// folder, and gives their paths. It overwrites nothing: if one of the files exists, or
// the answers do not make a working pair (the error is then hcl.Diagnostics), nothing is
// written.
func (p *Pair) Write(folder string) (written []string, err error) {
	if diags := p.Check(); diags.HasErrors() {
		return nil, diags
	}
	return writeFiles(folder, p.Cluster, p.Nodes[:], map[string]string{p.Nodes[0]: p.Text(p.Nodes[0]), p.Nodes[1]: p.Text(p.Nodes[1])})
}

// writeFiles writes the nodes' texts and a new key, or nothing.
func writeFiles(folder, cluster string, nodes []string, texts map[string]string) (written []string, err error) {
	keyPath := filepath.Join(folder, cluster+".key")
	var paths []string
	for _, node := range nodes {
		paths = append(paths, filepath.Join(folder, node+".hcl"))
	}
	paths = append(paths, keyPath)
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s exists and is not overwritten: remove it, or choose another folder", path)
		}
	}
	defer func() {
		if err != nil {
			for _, path := range written {
				_ = os.Remove(path)
			}
			written = nil
		}
	}()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for i, node := range nodes {
		if err := writeNew(paths[i], texts[node]); err != nil {
			return written, err
		}
		written = append(written, paths[i])
	}
	if _, err := key.Create(keyPath, "made by holdfast init"); err != nil {
		return written, err
	}
	return append(written, keyPath), nil
}

// Check reads what Text writes, as each node would.
func (p *Pair) Check() hcl.Diagnostics {
	for _, node := range p.Nodes {
		if _, diags := Parse([]byte(p.Text(node)), node+".hcl"); diags.HasErrors() {
			return diags
		}
	}
	return nil
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		_ = os.Remove(path)
		return err
	}
	return f.Close()
}

// MakeKey makes what key_file names: a new file with one key or, if add is set, one
// more key in a file. It gives the number of the new key.
func MakeKey(path string, add bool) (number int, err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	makeKey := key.Create
	if add {
		makeKey = key.Add
	}
	k, err := makeKey(path, "made on "+host)
	return int(k.ID), err
}
