package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

const clusterName = "demo"

// newFolder makes a folder for the nodes' files. Its path must be short enough for
// a Unix socket in it.
func newFolder() (string, error) {
	folder, err := os.MkdirTemp("", "holdfast-demo-")
	if err == nil && len(folder) > socketMax {
		_ = os.Remove(folder)
		folder, err = os.MkdirTemp("/tmp", "holdfast-demo-")
	}
	return folder, err
}

// pair is what `holdfast init firewall` would have been told about the test bed.
func pair(bed *lab.Lab, key string) config.Pair {
	own := func(node, name string) string {
		prefix := bed.Node(node).Addresses(name)[0] // IPv4 comes first
		address, _, _ := strings.Cut(prefix, "/")
		return address
	}
	p := config.Pair{Cluster: clusterName, Nodes: [2]string{lab.FW1, lab.FW2}, KeyFile: key}
	for _, l := range []struct{ label, name string }{{"sync", lab.Sync}, {"lan", lab.LAN}} {
		p.Links = append(p.Links, config.PairLink{
			Label: l.label, Ends: [2]string{own(lab.FW1, l.name), own(lab.FW2, l.name)},
		})
	}
	for _, a := range []config.PairAddress{
		{Prefix: lab.VirtualLAN4, Interface: lab.LAN}, {Prefix: lab.VirtualWAN4, Interface: lab.WAN},
		{Prefix: lab.VirtualLAN6, Interface: lab.LAN}, {Prefix: lab.VirtualWAN6, Interface: lab.WAN},
	} {
		if bed.HasIPv6() || !strings.Contains(a.Prefix, ":") {
			p.Addresses = append(p.Addresses, a)
		}
	}
	return p
}

// writeFiles writes the two nodes' files and their key, and gives their control
// sockets. What differs from `holdfast init` is what two nodes on one machine need.
func writeFiles(folder string, bed *lab.Lab, inject config.Inject) (sockets map[string]string, err error) {
	key := filepath.Join(folder, clusterName+".key")
	if _, err := config.MakeKey(key, false); err != nil {
		return nil, err
	}
	p := pair(bed, key)
	sockets = map[string]string{}
	for _, node := range p.Nodes {
		sockets[node] = filepath.Join(folder, node+".sock")
		text := strings.Replace(p.Text(node), fmt.Sprintf("inject = %q", config.Continuous), fmt.Sprintf("inject = %q", inject), 1)
		text += fmt.Sprintf("\ncontrol { socket = %q }\n\nlog {\n  level  = \"info\"\n  format = \"json\"\n}\n", sockets[node])
		f, diags := config.Parse([]byte(text), fileOf(folder, node))
		if diags.HasErrors() {
			return nil, diags
		}
		if f.Firewall.Inject != inject {
			return nil, fmt.Errorf("the file of %s says inject = %q, not %q", node, f.Firewall.Inject, inject)
		}
		if err := os.WriteFile(fileOf(folder, node), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

func fileOf(folder, node string) string { return filepath.Join(folder, node+".hcl") }
