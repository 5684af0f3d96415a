package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/demo"
	"github.com/holdfast-ha/holdfast/internal/lab/userns"
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

// codeInterrupted is the shell's code for a program that Ctrl-C has ended.
const codeInterrupted = 130

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

The exit code is 0 only if no established flow was lost. The figures are explained in
docs/guides/demo.md.`,
		Example: "  holdfast demo\n  holdfast demo --json --flows 5000\n  holdfast demo --inject takeover --rto-min 200ms",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			options.Live = roomy(p.Output)
			options.Colours = coloured(p.Output)
			options.ASCII = options.ASCII || plainCharacters()
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
			defer stop()
			// A reader that goes shall not kill us on the spot: something is to be cleaned up.
			broken := make(chan os.Signal, 1)
			signal.Notify(broken, unix.SIGPIPE)
			defer signal.Stop(broken)
			err := p.Demo(ctx, options, p.Output)
			var exit *exitError
			if ctx.Err() != nil && !errors.As(err, &exit) {
				return &exitError{codeInterrupted, errors.New("interrupted; nothing is left behind")}
			}
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&options.Flows, "flows", 0, "how `MANY` long transfers (default 1000)")
	f.StringVar(&options.Inject, "inject", string(config.Continuous), "`WHEN` the nodes inject: continuous or takeover")
	f.DurationVar(&options.RetransmitMin, "rto-min", 0, "TCP's least retransmission `TIME` on client and server; 200ms is a common kernel's (default 5ms)")
	f.BoolVar(&options.JSON, "json", false, "print the figures as JSON and nothing else")
	f.BoolVarP(&options.Quiet, "quiet", "q", false, "print the figures and nothing else")
	f.BoolVar(&options.ASCII, "ascii", false, "draw with ASCII characters only")
	return c
}

// playDemo is the demonstration, in a user namespace of its own where that is needed.
func playDemo(ctx context.Context, o DemoOptions, output io.Writer) error {
	if userns.Needed() {
		code, err := userns.Run(os.Args[1:])
		if err == nil && code != codeDone {
			err = &exitError{code: code} // the second run has said why
		}
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("this program's own file cannot be found, which the nodes run: %w", err)
	}
	_, err = demo.Run(ctx, demo.Config{
		Program: program, Flows: o.Flows, Inject: config.Inject(o.Inject), RetransmitMin: o.RetransmitMin, Output: output,
		Look: demo.Look{JSON: o.JSON, Quiet: o.Quiet, Live: o.Live, Colours: o.Colours, ASCII: o.ASCII},
	})
	return err
}

// roomy says whether a picture can be drawn: on a terminal that is large enough and can
// move its cursor.
func roomy(output io.Writer) bool {
	f, ok := output.(*os.File)
	if !ok || !isTerminal(output) || os.Getenv("TERM") == "dumb" {
		return false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	return err == nil && width >= demo.ScreenColumns && height >= demo.ScreenRows
}

// plainCharacters says whether the locale has ASCII only. Where nothing is set, as in
// containers, terminals have more.
func plainCharacters() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return !strings.Contains(value, "utf-8") && !strings.Contains(value, "utf8")
		}
	}
	return false
}
