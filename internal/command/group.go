package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/control/groups"
)

// groupVerb is one way to look at groups.
type groupVerb struct {
	use, short, long, example string
	render                    func(s *groups.Status, g *groups.Group, colours bool) []byte
}

const groupEnd = `

Asks a process on this machine that is in the group: one that runs "holdfast run" with a
group block, or a program with Control set in its configuration. Without GROUP it tells of
all groups of the process.

Changes nothing. The exit code is 0 if the group is whole, 1 if it is degraded, 2 if it
does not go on, if this process is not in it, or if nobody answers. With --watch it goes on
until q or Ctrl-C.`

func (p *Program) groups() *cobra.Command {
	var verbs []*cobra.Command
	for _, v := range []groupVerb{
		{"members", "who is in the group? how many may fail? who is slow or silent?",
			`The first line says whether the group is whole and how many more of its members may fail at
once; then why, and what to do. Then every configured member: whether it is in the view and
since when, its votes, how suspicious its silence is, which links work, whether it is slow,
and how far its state has come.`,
			"  holdfast group members\n  holdfast group members orders --watch\n  holdfast group members --json -s /run/shop/a.sock", renderMembers},
		{"views", "what happened? who came and went, when, and why?",
			`Lists the views that this process was in, the newest first, the last 32: the epoch, when, who
came and went and why, how long the change took, who led it, and who held it up.`,
			"  holdfast group views\n  holdfast group views orders --json", renderViews},
		{"why", "what waits, for whom, and what to do about it?",
			`Says what keeps the group from going on: votes that are missing, who refuses whom and why (other
terms, another key, another cluster, another version, a twin), a change of the view that does
not end, a member that is slow. Then each message that is held back, and what it waits for.`,
			"  holdfast group why\n  holdfast group why orders --watch", renderWhy},
	} {
		verbs = append(verbs, p.groupVerb(v))
	}
	verbs = append(verbs, p.proceed())
	return p.group("group", "ask who is in the groups of a process, and what waits for whom", verbs...)
}

func (p *Program) proceed() *cobra.Command {
	var where target
	var sure, asJSON bool
	c := &cobra.Command{
		Use:   "proceed GROUP --other-is-gone [-s SOCKET | -c FILE]",
		Short: "say that the other of two servers is gone, so that this one goes on",
		Long: `For a service of two servers (style "pair") that is blocked at this one, since the other is
silent and neither the witness nor the configuration lets this one go on alone. Say it at one
server only, and only when you know that the other is switched off, or has lost its state: what
it has answered alone is lost. Look first: holdfast group members GROUP.

Changes: this server goes on with the state that it has. Ask as root, or as the process's user
or group.`,
		Example: "  holdfast group proceed locks --other-is-gone",
		Args:    exactly("GROUP"),
		RunE: func(c *cobra.Command, args []string) error {
			if !sure {
				return wrongUse("what the other server has answered alone is lost if this one goes on: make sure that it is switched off, then add --other-is-gone")
			}
			client, err := p.dial(where)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := client.Proceed(c.Context(), args[0]); err != nil {
				return otherNode(err)
			}
			if asJSON {
				return p.writeJSON(groups.Proceed{Group: args[0]})
			}
			_, err = fmt.Fprintf(p.Output, "this server goes on alone; see: holdfast group members %s\n", args[0])
			return err
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&sure, "other-is-gone", false, "yes, the other server is switched off or has lost its state")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) groupVerb(v groupVerb) *cobra.Command {
	var where target
	var asJSON, watch bool
	c := &cobra.Command{
		Use:     v.use + " [GROUP] [-s SOCKET | -c FILE]",
		Short:   v.short,
		Long:    v.long + groupEnd,
		Example: v.example,
		Args:    atMost("GROUP"),
		RunE: func(c *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			if watch {
				return p.watch(c.Context(), where, asJSON, v.watching(name))
			}
			return p.showGroups(c.Context(), where, name, asJSON, v)
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON; the fields are in docs/guides/group-commands.md")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on, showing every change")
	return c
}

// atMost allows one argument.
func atMost(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return wrongUse("%q is too much after %s %q; write: %s", args[1], name, args[0], c.UseLine())
		}
		return nil
	}
}

func (p *Program) showGroups(ctx context.Context, where target, name string, asJSON bool, v groupVerb) error {
	client, err := p.dial(where)
	if err != nil {
		return unanswered(err)
	}
	defer client.Close()
	s, err := client.Groups(ctx)
	if err == nil {
		err = choose(&s, name)
	}
	if err != nil {
		return unanswered(otherNode(err))
	}
	if asJSON {
		err = p.writeJSON(s)
	} else {
		_, err = p.Output.Write(v.draw(&s, coloured(p.Output)))
	}
	if err != nil {
		return err
	}
	if code := groupsCode(&s); code != codeDone {
		return &exitError{code: code}
	}
	return nil
}

func (v groupVerb) watching(name string) watching {
	return func(ctx context.Context, client *control.Client, show showing) error {
		return otherNode(client.WatchGroups(ctx, func(s groups.Status) error {
			// A program joins its groups when it likes.
			if err := choose(&s, name); err != nil {
				return show(&s, func(bool) []byte { return fmt.Appendf(nil, "NO SUCH GROUP\n why     %v\n\nwaiting for it\n", err) })
			}
			return show(&s, func(colours bool) []byte { return v.draw(&s, colours) })
		}))
	}
}

func (v groupVerb) draw(s *groups.Status, colours bool) []byte {
	var text []byte
	for i := range s.Groups {
		if i > 0 {
			text = append(text, '\n', '\n')
		}
		text = append(text, v.render(s, &s.Groups[i], colours)...)
	}
	return text
}

// otherNode says what to ask a node that has no groups.
func otherNode(err error) error {
	if errors.Is(err, control.ErrOther) {
		return fmt.Errorf("%w: it protects a firewall, and is in no group; ask: holdfast status", err)
	}
	return err
}

// choose leaves the group that was asked for, or all of them.
func choose(s *groups.Status, name string) error {
	var names []string
	for _, g := range s.Groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	switch {
	case len(names) == 0 && name == "":
		return wrongUse("%s is in no group of cluster %s: its program has not called Join, or has left", s.Member, s.Cluster)
	case len(names) == 0:
		return wrongUse("%s is in no group %q of cluster %s, nor in any other: its program has not called Join, or has left", s.Member, name, s.Cluster)
	case name == "":
		return nil
	case !slices.Contains(names, name):
		return wrongUse("%s is in no group %q; its groups are: %s", s.Member, name, strings.Join(names, ", "))
	}
	s.Groups = slices.DeleteFunc(s.Groups, func(g groups.Group) bool { return g.Name != name })
	return nil
}

// groupsCode is the worst of the groups' verdicts as an exit code.
func groupsCode(s *groups.Status) int {
	code := codeDone
	for i := range s.Groups {
		code = max(code, groupCode(&s.Groups[i]))
	}
	return code
}

func groupCode(g *groups.Group) int {
	switch g.Verdict {
	case groups.Whole:
		return codeDone
	case groups.Degraded:
		return codeFailed
	}
	return codeWrong
}
