package command

import (
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// DemoOptions is what a person may choose for the demonstration.
type DemoOptions struct {
	JSON bool // one JSON value in place of the live picture
}

func (p *Program) demo() *cobra.Command {
	var options DemoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "see it: two firewalls on this machine, one is killed",
		Long: `Builds a client, two firewalls and a web server in network namespaces of its own, runs
two real nodes, opens transfers through them, kills the active node, and counts what was
lost; then does the same with a planned switch. Takes under 30 seconds.

Changes nothing on this machine: the namespaces vanish with the program. Needs Linux; no
root where the kernel lets users make namespaces, and says what to do where not.

The exit code is 0 only if no established flow was lost.`,
		Example: "  holdfast demo\n  holdfast demo --json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return p.Demo(ctx, options, p.Output)
		},
	}
	c.Flags().BoolVar(&options.JSON, "json", false, "print the figures as JSON")
	return c
}
