package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-ha/holdfast/client"
	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/lock"
	"github.com/holdfast-ha/holdfast/protocol/session"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// lockTarget says which lock service is meant.
type lockTarget struct {
	sockets []string
	wait    time.Duration
}

func (t *lockTarget) flags(c *cobra.Command) {
	c.Flags().StringSliceVarP(&t.sockets, "socket", "s", nil, "the `SOCKET` of a member of the lock service; several, in the order of the members' names, if several run here (default: all *.locks in "+config.SocketFolder+")")
	c.Flags().DurationVar(&t.wait, "timeout", 5*time.Second, "how long to wait for an answer of the service")
}

// open begins a session.
func (t *lockTarget) open(lease, margin time.Duration) (*lock.Client, error) {
	switch {
	case t.wait <= 0:
		return nil, wrongUse("--timeout %v is not positive: no service answers in that time", t.wait)
	case lease < session.LeaseMin || lease > session.LeaseMax:
		return nil, wrongUse("--lease %s: give %s to %s", spell(lease), spell(session.LeaseMin), spell(session.LeaseMax))
	case margin < 0 || 2*margin >= lease:
		return nil, wrongUse("--margin %v: give more than 0, and less than half of the lease, %s", margin, spell(lease))
	}
	if len(t.sockets) == 0 {
		found, err := filepath.Glob(filepath.Join(config.SocketFolder, "*.locks"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("there is no *.locks socket in %s%s; run a node whose configuration has group \"NAME\" { locks {} }, or name its socket with -s", config.SocketFolder, closed())
		}
		t.sockets = found
	}
	k, err := lock.Open(lock.Config{Servers: t.sockets, Lease: lease, Margin: margin})
	if err != nil {
		return nil, wrongUse("%w", err)
	}
	return k, nil
}

// silence words the error of a service that has not answered in time.
func (t *lockTarget) silence(err error) error {
	var why *client.Error
	if errors.Is(err, context.DeadlineExceeded) && errors.As(err, &why) {
		if len(why.Faults) == 0 { // a member was reached, and knows more
			return fmt.Errorf("the lock service has not answered within %v: %w; holdfast status tells why", t.wait, why)
		}
		return fmt.Errorf("the lock service has not answered within %v: %w", t.wait, why)
	}
	return err
}

func (p *Program) locks() *cobra.Command {
	return p.group("lock", "hold locks of a lock service, and look at who does", p.lockRun(), p.lockList(), p.lockExplain(), p.lockBreak())
}

func (p *Program) lockRun() *cobra.Command {
	var where lockTarget
	var o lock.Options
	var lease, margin time.Duration
	c := &cobra.Command{
		Use:   "run NAME [-s SOCKET] -- COMMAND [ARGUMENT…]",
		Short: "run a command while holding a lock",
		Long: `Waits for the lock NAME, runs COMMAND, and gives the lock back when it ends. The command has the
lock's token in the environment variable HOLDFAST_TOKEN: give it to whatever the lock guards. The
lock's name is in HOLDFAST_LOCK.

If the lease cannot be renewed (the service or the network is gone, or this process was
stopped), the command is told to stop (SIGTERM) a margin before anybody else can have the
lock, and killed before the lease ends; if the lock is broken, a second after it was told. It
is killed as well if this process is. Signals are passed on to it. Where the input is no terminal,
all of this goes to the whole process group of the command; at a terminal to the command alone.

If the service itself is lost, all members at once, and comes back within the lease, the command
runs on: the service is told who held what.

In which style the service is replicated, and whether its members keep it on disks, is said in their
configuration (locks { style = "…" data = "…" }) and makes no difference here but in time.

Changes who holds the lock, and nothing else. The exit code is the command's, or 128 and the
number of the signal that ended it, or that came while it waited; 1, with a message, if the lock
was not granted or was lost, or the command could not be started; 2 for wrong use.`,
		Example: "  holdfast lock run nightly-report -- /usr/local/bin/report\n  holdfast lock run --try deploy -- ./deploy.sh",
		Args:    nameAndCommand,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := exec.LookPath(args[1]); err != nil { // who has waited for hours should not hear of it then
				return fmt.Errorf("there is no such command: %w", err)
			}
			return p.with(c.Context(), where, lease, margin, func(k *lock.Client) error {
				return (&locked{p, k, &where, args[0], args[1:]}).run(c.Context(), o)
			})
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&o.Try, "try", false, "do not wait if somebody has the lock")
	c.Flags().BoolVar(&o.Shared, "shared", false, "share the lock with others that share it")
	c.Flags().StringVar(&o.Purpose, "purpose", "", "what for, for people")
	c.Flags().DurationVar(&lease, "lease", 0, "for how long the lock outlives this process's silence (default: 10s, or what the service allows if that is less)")
	c.Flags().DurationVar(&margin, "margin", 0, "how long before the end of the lease the command is told to stop (default: a fourth of the lease)")
	return c
}

// nameAndCommand wants a NAME before "--", and only that: where a shell has made nothing of an empty variable, the command
// must not be taken for the name and its argument for the command.
func nameAndCommand(c *cobra.Command, args []string) error {
	const write = "write: holdfast lock run NAME -- COMMAND"
	dash := c.ArgsLenAtDash()
	switch {
	case len(args) == 0 || dash == 0:
		return wrongUse("NAME is missing; %s", write)
	case len(args) == 1:
		return wrongUse("COMMAND is missing; %s", write)
	case dash > 1:
		return wrongUse("%q is too much before --; %s", args[1], write)
	}
	return nil
}

// hangUp ends the session: its locks are free at once.
func (p *Program) hangUp(ctx context.Context, k *lock.Client, wait time.Duration) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	if err := k.Close(out); err != nil {
		p.complain(err)
	}
}

// lookAt asks the service something that changes nothing, or little.
func (p *Program) lookAt(ctx context.Context, where lockTarget, do func(context.Context, *lock.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, where.wait)
	defer cancel()
	err := p.with(ctx, where, 0, 0, func(k *lock.Client) error { return do(ctx, k) })
	return where.silence(err)
}

// leaseDefault is the lease of who does not say.
const leaseDefault = 10 * time.Second

// with does something in a session. With lease 0 it is the default, or what the service allows if that is less.
func (p *Program) with(ctx context.Context, where lockTarget, lease, margin time.Duration, do func(*lock.Client) error) error {
	try := func(lease time.Duration) error {
		k, err := where.open(lease, margin)
		if err != nil {
			return err
		}
		defer p.hangUp(ctx, k, where.wait)
		return do(k)
	}
	var long *client.LeaseError
	err := try(cmp.Or(lease, leaseDefault))
	if lease == 0 && errors.As(err, &long) && long.Most > 0 {
		err = try(long.Most)
	}
	if errors.As(err, &long) {
		return wrongUse("--lease %s is longer than the lock service allows, %s: use a shorter one, or write lease_max (and window) in the configuration of its members", spell(long.Lease), spell(long.Most))
	}
	var no *lock.Refusal
	if !errors.As(err, &no) {
		return err
	}
	switch no.Reply.Status {
	case service.NameTooLong, service.NameInvalid, service.TextTooLong, service.TextInvalid:
		return wrongUse("%w", no)
	}
	return no // it says all there is to say
}

func (p *Program) lockList() *cobra.Command {
	var where lockTarget
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls [PREFIX] [-s SOCKET]",
		Short: "which locks are held, by whom, since when? how many wait?",
		Long: `Lists the locks that somebody holds or waits for, by name: whether the owner shares it, who the
owner is (host and process) and for how long, its token, how many own it and how many wait. Of a
lock that is shared the longest owner is shown. A service that begins, or has lost its state, says
for how long it grants nothing yet: until then former owners may come back.

Locks that programs share among themselves without a server (package lock/peers) are not listed:
these programs know them, and nobody else (List and Explain there).

Changes nothing.`,
		Example: "  holdfast lock ls\n  holdfast lock ls deploy --json",
		Args:    atMost("PREFIX"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.lookAt(c.Context(), where, func(ctx context.Context, k *lock.Client) error {
				list, err := k.List(ctx, strings.Join(args, ""))
				if err != nil {
					return err
				}
				if asJSON {
					return p.writeJSON(locksFact(list))
				}
				return p.listLocks(strings.Join(args, ""), list)
			})
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) lockExplain() *cobra.Command {
	var where lockTarget
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain NAME [-s SOCKET]",
		Short: "who has a lock, since when, and who waits for it in which order?",
		Long: `Shows who holds a lock, for how long, under which token and what for; then who waits for it, in
order, and for how long; and who broke it last and why, also when it is free. Locks
that programs share without a server (package lock/peers) are known to these programs only.

Changes nothing.`,
		Example: "  holdfast lock explain nightly-report",
		Args:    exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.lookAt(c.Context(), where, func(ctx context.Context, k *lock.Client) error {
				r, err := k.Explain(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return p.writeJSON(lockFact(args[0], r))
				}
				return p.explainLock(args[0], r)
			})
		},
	}
	where.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func (p *Program) lockBreak() *cobra.Command {
	var where lockTarget
	var token uint64
	var reason string
	var asJSON bool
	c := &cobra.Command{
		Use:   "break NAME --reason TEXT [-s SOCKET]",
		Short: "take a lock away from who has it",
		Long: `Takes the lock away from who has it and gives it to who is next. The owner is told, and stops,
when it hears of it; until then it may still believe that it holds the lock: only a guarded
resource, which refuses its token, is safe. Look first: holdfast lock explain NAME.

Changes who holds the lock.`,
		Example: "  holdfast lock break nightly-report --reason \"db2 is being repaired\"",
		Args:    exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return wrongUse("there is no --reason: say why, for whom it was taken from")
			}
			return p.lookAt(c.Context(), where, func(ctx context.Context, k *lock.Client) error {
				fence, err := k.Break(ctx, args[0], token, whoAmI(), reason)
				switch {
				case err != nil:
				case asJSON:
					return p.writeJSON(fenceFact{control.Schema, args[0], fence})
				default:
					fmt.Fprintf(p.Output, "%s is broken; tokens below %d are void\n", args[0], fence)
				}
				return err
			})
		},
	}
	where.flags(c)
	c.Flags().Uint64Var(&token, "token", 0, "only if this is the owner's token")
	c.Flags().StringVar(&reason, "reason", "", "why")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// whoAmI names the person at the keyboard.
func whoAmI() string {
	host, _ := os.Hostname()
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("%.30s@%.40s", name, host)
}
