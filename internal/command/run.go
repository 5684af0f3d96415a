package command

import (
	"errors"
	"fmt"
	"os/signal"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/config"
)

func (p *Program) run() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "run -c FILE",
		Short: "run this node until it is told to stop",
		Long: `Runs one node in the foreground, until SIGTERM or SIGINT.

With group blocks in the file it takes part in these groups: as a witness, which votes, or as
a member that has no use for the messages. It opens its UDP or TCP port and the control
socket, changes nothing else, needs no rights, and leaves the groups when it stops.

With a firewall block it is one node of a pair. Changes: while this node is active, the
virtual addresses of the configuration are on its interfaces; the other node's flows are put
into this kernel's connection tracking table; the control socket is made;
net.netfilter.nf_conntrack_events is set to 1. When it stops, addresses, socket and the flows
that it put there are taken away again; flows that traffic made stay. Needs root, or the
capability CAP_NET_ADMIN.

SIGHUP makes it read the key file again. Logs go to the standard error.`,
		Example: "  holdfast run -c /etc/holdfast/edge.hcl",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return wrongUse("the configuration is missing; write: holdfast run -c FILE")
			}
			f, err := p.load(path)
			if err != nil {
				return err
			}
			logger := newLogger(p.Errors, f.Log)
			if f.Cluster.Insecure {
				harm := "take the addresses or plant flows"
				if len(f.Groups) > 0 {
					harm = "take part, and send in the name of members"
				}
				logger.Warn("links are not sealed: anyone on them can "+harm, "cluster", f.Cluster.Name, "setting", "insecure")
			}
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return p.Run(ctx, f, logger)
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "", "the configuration `FILE`")
	return c
}

// errConfig is a file whose errors have been printed.
var errConfig = errors.New("the configuration has errors")

// load reads a configuration; its errors are printed, the last line is the error.
func (p *Program) load(path string) (*config.File, error) {
	f, diags := config.Load(path)
	if unreadable(diags) {
		return nil, errors.New(diags[0].Summary)
	}
	if diags.HasErrors() {
		if err := config.Print(p.Errors, diags); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", path, errConfig)
	}
	return f, nil
}

// unreadable says whether there is no file to point into.
func unreadable(diags hcl.Diagnostics) bool { return len(diags) == 1 && diags[0].Subject == nil }
