package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/lock"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// stopSoon is how long a command may take to stop when somebody else may have the lock already.
const stopSoon = time.Second

// bySignal is what a shell adds to the number of the signal that ended a command.
const bySignal = 128

// locked is a command that is run under a lock.
type locked struct {
	p     *Program
	k     *lock.Client
	where *lockTarget
	name  string
	words []string
}

// run waits for the lock and runs the command.
func (r *locked) run(ctx context.Context, o lock.Options) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)
	l, err := r.enter(ctx, o, signals)
	if err != nil {
		return err
	}
	return r.command(ctx, l, signals)
}

// enter waits for the lock: for as long as it takes if the service answers at all, and nobody wants this to end.
func (r *locked) enter(ctx context.Context, o lock.Options, signals chan os.Signal) (*lock.Lock, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silent := time.AfterFunc(r.where.wait, func() { stop(context.DeadlineExceeded) })
	defer silent.Stop()
	last, told := 0, false
	o.Recovering = func(left time.Duration) {
		if !told {
			fmt.Fprintf(r.p.Errors, "holdfast: %s\n", recoveringWords(left))
		}
		told = true
	}
	o.Queued = func(place int) {
		silent.Stop()
		if place != last {
			fmt.Fprintf(r.p.Errors, "holdfast: waiting for %s, place %d in the queue\n", r.name, place)
		}
		last = place
	}
	entered := make(chan struct{})
	defer close(entered)
	go func() {
		for {
			select {
			case s := <-signals:
				if s != unix.SIGUSR1 && s != unix.SIGUSR2 {
					stop(&exitError{bySignal + int(s.(syscall.Signal)), fmt.Errorf("%v while waiting for lock %q", s, r.name)})
					return
				}
			case <-entered:
				return
			}
		}
	}()
	l, err := r.k.Enter(ctx, r.name, o)
	var ended *exitError
	switch why := context.Cause(ctx); {
	case err == nil && errors.As(why, &ended):
		return nil, ended // both at once: the session's end gives it back
	case err == nil:
		return l, nil
	case errors.As(why, &ended):
		return nil, ended
	case errors.Is(why, context.DeadlineExceeded):
		return nil, r.where.silence(errors.Join(why, err))
	}
	return nil, err
}

// command runs the command, and ends it when the lock is lost.
func (r *locked) command(ctx context.Context, l *lock.Lock, signals chan os.Signal) error {
	// The kernel kills the command when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	in := r.p.Input
	if in == nil {
		in = os.Stdin
	}
	terminal := isTerminal(in)
	cmd := exec.Command(r.words[0], r.words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, r.p.Output, r.p.Errors
	cmd.Env = append(os.Environ(), fmt.Sprintf("HOLDFAST_TOKEN=%d", l.Token()), "HOLDFAST_LOCK="+r.name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: !terminal}
	cmd.WaitDelay = stopSoon
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	tell := func(s syscall.Signal) {
		if terminal {
			_ = cmd.Process.Signal(s) // it may have ended
		} else {
			_ = unix.Kill(-cmd.Process.Pid, s)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	lost, stop := l.Context().Done(), ctx.Done()
	var kill <-chan time.Time
	var cause error
	for {
		select {
		case err := <-ended:
			if left := l.Left(); cause == nil && left == 0 && l.Context().Err() != nil { // this process stood still meanwhile
				return fmt.Errorf("%w; the command has ended, perhaps after that", context.Cause(l.Context()))
			}
			return r.outcome(cause, err)
		case s := <-signals:
			if !terminal || s != unix.SIGINT && s != unix.SIGQUIT { // the terminal has told the command itself
				tell(s.(syscall.Signal))
			}
		case <-stop:
			stop = nil
			tell(unix.SIGTERM)
		case <-lost:
			lost, cause = nil, context.Cause(l.Context())
			left := l.Left()
			switch {
			case left == 0 && (errors.Is(cause, service.LeaseEnding) || errors.Is(cause, service.LeaseOver) || errors.Is(cause, service.ClockBack)):
				tell(unix.SIGKILL) // there was no time to hear of it sooner
				continue
			case left == 0:
				left = stopSoon
			}
			tell(unix.SIGTERM)
			tell(unix.SIGCONT) // one that is stopped would not hear of it
			t := time.NewTimer(left)
			defer t.Stop()
			kill = t.C
		case <-kill:
			tell(unix.SIGKILL)
		}
	}
}

// outcome says how the command has ended: in its exit code, if the lock was held till then.
func (r *locked) outcome(lost, err error) error {
	var exit *exec.ExitError
	switch {
	case lost != nil:
		return fmt.Errorf("%w; the command was stopped", lost)
	case errors.As(err, &exit):
		if w, is := exit.Sys().(syscall.WaitStatus); is && w.Signaled() {
			return &exitError{bySignal + int(w.Signal()), nil}
		}
		return &exitError{exit.ExitCode(), nil}
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // something that it has left behind has its output still
	}
	return err
}
