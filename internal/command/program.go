package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
)

// The exit codes.
const (
	codeDone   = 0
	codeFailed = 1
	codeWrong  = 2
)

// Program is the command line with what it stands on. Tests fill in their own.
type Program struct {
	// Run runs a node until ctx is done.
	Run func(ctx context.Context, f *config.File, logger *slog.Logger) error

	// Demo runs the demonstration. With JSON it writes one value to output, otherwise a
	// live picture. The error says what was lost, or why it could not run.
	Demo func(ctx context.Context, options DemoOptions, output io.Writer) error

	Input          *os.File // nil: the standard input
	Output, Errors io.Writer
}

// Main runs the program as the operating system started it and gives its exit code.
func Main(args []string) int {
	p := Program{Output: os.Stdout, Errors: os.Stderr, Input: os.Stdin}
	p.wire()
	return p.Execute(context.Background(), args)
}

// Execute runs one command line, without the program's name, and gives the exit code.
func (p *Program) Execute(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetOut(p.Output)
	root.SetErr(p.Errors)
	root.SetContext(ctx)
	err := root.Execute()
	var exit *exitError
	switch {
	case err == nil:
		return codeDone
	case errors.As(err, &exit):
		if exit.err != nil {
			p.complain(exit.err)
		}
		return exit.code
	}
	p.complain(err)
	return codeFailed
}

// exitError ends the program with a code. err may be nil: all has been said.
type exitError struct {
	code int
	err  error
}

// Error gives the cause.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e *exitError) Unwrap() error { return e.err }

// wrongUse is a command line that makes no sense.
func wrongUse(format string, values ...any) error {
	return &exitError{codeWrong, fmt.Errorf(format, values...)}
}

// complain writes an error on one line, and on a second what helps.
func (p *Program) complain(err error) {
	var refusal *control.Refusal
	if errors.As(err, &refusal) {
		err = refusal // who was asked does not matter: it answered
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	text = strings.TrimPrefix(text, "holdfast: ") // errors of the package at the root have it too
	fmt.Fprintf(p.Errors, "holdfast: %s\n", text)
	if refusal != nil && refusal.Action != "" {
		fmt.Fprintf(p.Errors, "  try: %s\n", refusal.Action)
	}
}

const firstScreen = `Holdfast: two Linux firewalls, one state. The standby knows every flow, takes the
addresses when the active node dies, and can prove at any moment that it could.

Begin with:

  holdfast demo            see it: two firewalls on this machine, one is killed (30 s, changes nothing)
  holdfast init firewall   write the configuration of a pair
  holdfast status          ask a running node: is the service protected? why not? what to do?

For programs that work as a group (docs/guides/groups.md):

  holdfast init group      write the configuration of a group, with a witness
  holdfast group members   ask a process: is the group whole? who is missing? what to do?

For locks that a cluster shares (docs/guides/locks.md):

  holdfast init locks      write the configuration of a lock service
  holdfast lock run        run a command on one machine at a time
  holdfast lock ls         which locks are held, by whom? how many wait?

Every command: holdfast help        Every setting: docs/guides/configuration.md
`

func (p *Program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "holdfast",
		Short:         "Two Linux firewalls, one state",
		Long:          "Holdfast keeps a pair of stateful Linux firewalls alive: flows are replicated, failures\ndetected, and addresses handed over after the state, not before. For programs that work\nas a group it is the member that only votes, and it tells who is in a group and what waits for\nwhom. It is also a lock service, and runs commands under its locks.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          p.knownVerb,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.Output, firstScreen)
			return err
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return wrongUse("%w; see: %s --help", err, c.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(p.demo(), p.initialise(), p.key(), p.check(), p.run(), p.status(), p.groups(), p.locks(), p.switchOver(), p.resync(), p.version())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// knownVerb words an unknown verb as everything else is worded.
func (p *Program) knownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return wrongUse("unknown command %q; did you mean %q?", args[0], near[0])
	}
	return wrongUse("unknown command %q; see: %s --help", args[0], c.CommandPath())
}

// group is a verb that only holds others.
func (p *Program) group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: p.knownVerb, SuggestionsMinimumDistance: 2}
	c.RunE = func(c *cobra.Command, _ []string) error {
		var names []string
		for _, verb := range c.Commands() {
			names = append(names, c.CommandPath()+" "+verb.Name())
		}
		return wrongUse("%s needs a further word: %s", c.CommandPath(), strings.Join(names, ", "))
	}
	c.AddCommand(verbs...)
	return c
}

// exactly wants so many arguments, and says which.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return wrongUse("%s is missing; write: %s", names[len(args)], c.UseLine())
		case len(args) > len(names):
			return wrongUse("%q is too much; write: %s", args[len(names)], c.UseLine())
		}
		return nil
	}
}
