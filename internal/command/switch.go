package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/control"
)

func (p *Program) switchOver() *cobra.Command {
	var where target
	var to string
	var asJSON bool
	c := &cobra.Command{
		Use:   "switch [--to NODE]",
		Short: "hand the addresses over, losing nothing",
		Long: `A planned handover, on the node that is active: the last changes are sent, the other node
proves that it holds every state, puts them into its kernel, and then the addresses move.
If any of that cannot be had, nothing is changed and the reason is told.

Changes: the other node becomes active. Ask as root, or as the node's user or group.`,
		Example: "  holdfast switch\n  holdfast switch --to fw2",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := p.dial(where)
			if err != nil {
				return err
			}
			defer client.Close()
			r, err := client.Switch(c.Context(), to)
			if err != nil {
				return otherProcess(err)
			}
			if asJSON {
				return p.writeJSON(r)
			}
			_, err = fmt.Fprintf(p.Output, "%s is active since epoch %d: took over from %s in %s with %s\n",
				r.To, r.Epoch, r.From, control.Age(r.TookMS.Duration()), control.Count(r.Flows, "flow"))
			return err
		},
	}
	where.flags(c)
	c.Flags().StringVar(&to, "to", "", "the `NODE` that takes over (default: the only other one)")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) resync() *cobra.Command {
	var where target
	var peer string
	var asJSON bool
	c := &cobra.Command{
		Use:   "resync [--to NODE]",
		Short: "send the other node every state again",
		Long: `Begins to send another node every state of this one, which also removes what it holds and
should not. Holdfast does so by itself when copies differ; this is for a person who wants
to see it done.

Changes: the other node's copy, which does not count as proven until all of it has come.
Connections are not touched. Ask as root, or as the node's user or group.`,
		Example: "  holdfast resync\n  holdfast resync --to fw2",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := p.dial(where)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Resync(c.Context(), peer); err != nil {
				return otherProcess(err)
			}
			if asJSON {
				return p.writeJSON(struct {
					To string `json:"to"`
				}{peer})
			}
			_, err = fmt.Fprintln(p.Output, "the resync has begun; see: holdfast status --watch")
			return err
		},
	}
	where.flags(c)
	c.Flags().StringVar(&peer, "to", "", "the `NODE` to send to (default: the only other one)")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}
