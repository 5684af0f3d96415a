package command

import (
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/config"
)

// DemoOptions is what a person may choose for the demonstration.
type DemoOptions struct {
	Flows         int           // long transfers; 0: as the demonstration likes
	Inject        string        // the nodes' setting of that name
	RetransmitMin time.Duration // TCP's least retransmission time; 0: as the test bed has it
	JSON          bool          // one JSON value at the end and nothing else
	Quiet         bool          // the figures at the end and nothing else
	Live          bool          // somebody looks: a screen that is drawn anew; else lines
	Colours       bool
	ASCII         bool // no characters beyond it
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
		Example: "  holdfast demo\n  holdfast demo --json --flows 5000",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			options.Live = isTerminal(p.Output) && !options.JSON && !options.Quiet
			options.Colours = coloured(p.Output)
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return p.Demo(ctx, options, p.Output)
		},
	}
	f := c.Flags()
	f.IntVar(&options.Flows, "flows", 0, "how `MANY` long transfers (default 1000)")
	f.StringVar(&options.Inject, "inject", string(config.Continuous), "`WHEN` the nodes inject: continuous or takeover")
	f.DurationVar(&options.RetransmitMin, "retransmit", 0, "TCP's least retransmission `TIME`; 200ms is a common kernel's (default 5ms)")
	f.BoolVar(&options.JSON, "json", false, "print the figures as JSON and nothing else")
	f.BoolVarP(&options.Quiet, "quiet", "q", false, "print the figures and nothing else")
	f.BoolVar(&options.ASCII, "ascii", false, "draw with ASCII characters only")
	return c
}
