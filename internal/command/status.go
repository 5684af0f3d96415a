package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/control"
)

func (p *Program) status() *cobra.Command {
	var where target
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status [-s SOCKET | -c FILE]",
		Short: "is the service protected? why not? what to do?",
		Long: `Asks the node that runs on this machine. The first line is the verdict and how many more
nodes may fail; then the causes, the worst first, and a command that helps; then every
node with its role, its links and how much of its copy is proven.

A node of services and locks tells for each of them what this member does, how far every
copy and every disk is proven, and what would survive which loss now; the verdicts are
those of "holdfast group members", which tells more of the network.

  PROTECTED    a further node may fail: its successor's copy was proven equal within the
               last second
  DEGRADED     another node would take over, but something promised is missing
  UNPROTECTED  the next failure stops the service, or it has stopped

Changes nothing. The exit code is 0, 1 or 2 for the three verdicts, and 2 if no node
answers. With --watch it goes on until q or Ctrl-C; where the output is no terminal it
prints each status after the other, with --json one a line.`,
		Example: "  holdfast status\n  holdfast status --watch\n  holdfast status --json -c /etc/holdfast/edge.hcl",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return p.watch(c.Context(), where, asJSON, watchStatus)
			}
			return p.showStatus(c.Context(), where, asJSON)
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON; the fields are in docs/guides/status.md, and for services in docs/guides/group-commands.md")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on, showing every change")
	return c
}

// exitCode gives the code of a verdict.
func exitCode(v control.Verdict) int {
	switch v {
	case control.Protected:
		return codeDone
	case control.Degraded:
		return codeFailed
	}
	return codeWrong
}

// unanswered is a node that could not be asked: its verdict is not known to be better
// than unprotected.
func unanswered(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	return &exitError{codeWrong, err}
}

// otherProcess says what to ask a process that protects no addresses.
func otherProcess(err error) error {
	if errors.Is(err, control.ErrOther) {
		return fmt.Errorf("%w: it may be in groups; ask: holdfast group members", err)
	}
	return err
}

func (p *Program) showStatus(ctx context.Context, where target, asJSON bool) error {
	client, err := p.dial(where)
	if err != nil {
		return unanswered(err)
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if errors.Is(err, control.ErrOther) {
		return p.showGroups(ctx, where, "", asJSON, serviceStatus)
	}
	if err != nil {
		return unanswered(otherProcess(err))
	}
	if asJSON {
		err = p.writeJSON(st)
	} else {
		_, err = p.Output.Write(render(&st, coloured(p.Output)))
	}
	if err != nil {
		return err
	}
	if code := exitCode(st.Verdict); code != codeDone {
		return &exitError{code: code}
	}
	return nil
}

// watchStatus shows each status.
func watchStatus(ctx context.Context, client *control.Client, show showing) error {
	err := client.Watch(ctx, func(st control.Status) error {
		return show(&st, func(colours bool) []byte { return render(&st, colours) })
	})
	if errors.Is(err, control.ErrOther) {
		return serviceStatus.watching("")(ctx, client, show)
	}
	return err
}
