package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
)

// installed is where configuration and key are on a node, in what init proposes.
const installed = "/etc/holdfast"

// answers is what init was told by flags or will ask.
type answers struct {
	cluster   string
	nodes     []string
	links     []string
	addresses []string
	folder    string
	asJSON    bool
}

func (p *Program) initialise() *cobra.Command {
	return p.group("init", "write a configuration to begin with", p.initFirewall(), p.initGroup(), p.initLocks())
}

func (p *Program) initFirewall() *cobra.Command {
	var a answers
	c := &cobra.Command{
		Use:   "firewall",
		Short: "write the configuration of a pair of firewalls",
		Long: `Writes a commented configuration file for each of the two nodes, and the key they share.
What no flag says is asked, if a person sits at the terminal.

Changes: writes NODE.hcl for both nodes and CLUSTER.key into the folder; overwrites nothing.`,
		Example: `  holdfast init firewall
  holdfast init firewall --node fw1 --node fw2 \
      --link sync=198.51.100.1,198.51.100.2 --link lan=192.0.2.2,192.0.2.3 \
      --address 192.0.2.1/24@eth0 --address 203.0.113.1/24@eth1`,
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error { return p.writePair(&a) },
	}
	f := c.Flags()
	f.StringVar(&a.cluster, "cluster", "", "a `NAME` for the pair (default \"edge\")")
	f.StringArrayVar(&a.nodes, "node", nil, "a node's `NAME`; twice, the preferred one first")
	f.StringArrayVar(&a.links, "link", nil, "a network between the nodes: `LABEL=ADDRESS,ADDRESS`; may be repeated")
	f.StringArrayVar(&a.addresses, "address", nil, "a virtual address: `ADDRESS/LENGTH@INTERFACE`; may be repeated")
	f.StringVar(&a.folder, "folder", ".", "the `FOLDER` to write into")
	f.BoolVar(&a.asJSON, "json", false, "print the paths as JSON; asks nothing")
	return c
}

func (p *Program) writePair(a *answers) error {
	if !a.asJSON && isTerminal(p.Input) {
		if err := p.ask(a); err != nil {
			return err
		}
	}
	pair, err := a.pair()
	if err != nil {
		return err
	}
	written, err := pair.Write(a.folder)
	if err != nil {
		return p.nothingWritten(err, "pair")
	}
	if a.asJSON {
		return p.printWritten(written)
	}
	fmt.Fprintf(p.Output, "wrote %s\n\nOn each node, with its own file:\n\n", strings.Join(written, ", "))
	file := filepath.Join(installed, pair.Cluster+".hcl")
	for i, node := range pair.Nodes {
		fmt.Fprintf(p.Output, "  scp %s %s:%s && scp -p %s %s:%s\n", written[i], node, file, written[2], node, pair.KeyFile)
	}
	fmt.Fprintf(p.Output, "\nand there, as root:\n\n  holdfast check %s\n  holdfast run -c %s\n\n", file, file)
	_, err = fmt.Fprintf(p.Output, "Then ask either node: holdfast status\n")
	return err
}

// nothingWritten tells why files could not be written, mistakes in the answers one by one.
func (p *Program) nothingWritten(err error, what string) error {
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		_ = config.Print(p.Errors, diags)
		return wrongUse("nothing was written: the answers do not make a working %s", what)
	}
	return fmt.Errorf("nothing was written: %w", err)
}

// printWritten tells the paths as JSON.
func (p *Program) printWritten(paths []string) error {
	return p.writeJSON(struct {
		Written []string `json:"written"`
	}{paths})
}

// pair makes the pair of what was said; what is missing is told at once.
func (a *answers) pair() (*config.Pair, error) {
	var missing []string
	if len(a.nodes) != 2 {
		missing = append(missing, fmt.Sprintf("--node twice (found %d)", len(a.nodes)))
	}
	if len(a.links) == 0 {
		missing = append(missing, "--link")
	}
	if len(a.addresses) == 0 {
		missing = append(missing, "--address")
	}
	if len(missing) > 0 {
		return nil, wrongUse("missing: %s; see: holdfast init firewall --help", strings.Join(missing, ", "))
	}
	if a.cluster == "" {
		a.cluster = "edge"
	}
	pair := &config.Pair{
		Cluster: a.cluster, Nodes: [2]string(a.nodes),
		KeyFile: filepath.Join(installed, a.cluster+".key"),
	}
	for _, text := range a.links {
		l, err := parseLink(text)
		if err != nil {
			return nil, err
		}
		pair.Links = append(pair.Links, l)
	}
	for _, text := range a.addresses {
		v, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		pair.Addresses = append(pair.Addresses, v)
	}
	return pair, nil
}

func parseLink(text string) (config.PairLink, error) {
	label, ends, ok := strings.Cut(text, "=")
	first, second, both := strings.Cut(ends, ",")
	if !ok || !both || label == "" {
		return config.PairLink{}, wrongUse("--link %q is not LABEL=ADDRESS,ADDRESS, as in sync=198.51.100.1,198.51.100.2", text)
	}
	return config.PairLink{Label: strings.TrimSpace(label), Ends: [2]string{strings.TrimSpace(first), strings.TrimSpace(second)}}, nil
}

func parseAddress(text string) (config.PairAddress, error) {
	prefix, device, ok := strings.Cut(text, "@")
	if !ok || prefix == "" || device == "" {
		return config.PairAddress{}, wrongUse("--address %q is not ADDRESS/LENGTH@INTERFACE, as in 192.0.2.1/24@eth0", text)
	}
	return config.PairAddress{Prefix: strings.TrimSpace(prefix), Interface: strings.TrimSpace(device)}, nil
}
