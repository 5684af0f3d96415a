package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/holdfast-ha/holdfast/internal/lab/netns"
)

// marker is set in the environment of the second run, so that a kernel which makes the
// user namespace but gives no right in it does not make us run for ever.
const marker = "HOLDFAST_USER_NAMESPACE"

// Needed says whether this process may not make network namespaces and Run is worth
// trying. It finds out by making one.
func Needed() bool {
	n, err := netns.New("trial")
	if err == nil {
		n.Close()
		return false
	}
	return os.Getenv(marker) == ""
}

// Run runs this program again with the given arguments in a new user and network
// namespace, with the same input, output and directory, and returns its exit status.
// Interrupt, hangup and terminate signals are handed on, and the second run is killed
// if this one ends first.
func Run(args []string) (code int, err error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	return RunCommand(cmd)
}

// RunCommand is Run for another program. The input, output and environment that cmd
// does not set are this process's own.
func RunCommand(cmd *exec.Cmd) (code int, err error) {
	if cmd.Stdin == nil {
		cmd.Stdin = os.Stdin
	}
	if cmd.Stdout == nil {
		cmd.Stdout = os.Stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	cmd.Env = append(cmd.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A network namespace of the first run's own is what the thread returns to
		// from every other one; going back needs a right over it.
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	// The kernel kills the child when the thread that made it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, &OpError{Op: "make a user namespace", Err: Explain(err)}
	}
	stop := handOn(cmd.Process)
	err = cmd.Wait()
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 0, &OpError{Op: "run in a user namespace", Err: err}
	case exit.ExitCode() < 0: // by a signal; the shell's way to tell so
		if status, ok := exit.Sys().(syscall.WaitStatus); ok {
			return 128 + int(status.Signal()), nil
		}
		return 1, nil
	}
	return exit.ExitCode(), nil
}

// handOn gives the signals that ask this process to end to p instead.
func handOn(p *os.Process) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case s := <-signals:
				p.Signal(s) // an error means it has ended, which Wait tells
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-gone
	}
}

// remedy is one reason why the kernel refuses, and what to do.
type remedy struct {
	file, bad string
	say       string
}

var remedies = []remedy{
	{"sys/user/max_user_namespaces", "0", "the kernel is set to allow no user namespaces: run sudo sysctl -w user.max_user_namespaces=10000"},
	{"sys/kernel/unprivileged_userns_clone", "0", "the kernel is set to allow user namespaces to root only: run sudo sysctl -w kernel.unprivileged_userns_clone=1"},
	{"sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor gives a user namespace no rights: run sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	{"sys/user/max_net_namespaces", "0", "the kernel is set to allow no network namespaces: run sudo sysctl -w user.max_net_namespaces=10000"},
}

// Explain adds to an error about a namespace why the kernel most likely refused it and
// what to do. It keeps the error inside.
func Explain(err error) error { return explain(err, "/proc") }

func explain(err error, proc string) error {
	for _, r := range remedies {
		text, readErr := os.ReadFile(filepath.Join(proc, r.file))
		if readErr == nil && strings.TrimSpace(string(text)) == r.bad {
			return fmt.Errorf("%w; %s, or run this command with sudo", err, r.say)
		}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EUSERS):
		return fmt.Errorf("%w; too many namespaces exist or are nested: raise user.max_user_namespaces and user.max_net_namespaces with sysctl -w, or run this command with sudo", err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("%w; this kernel has no user namespaces (CONFIG_USER_NS): run this command with sudo", err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; a security policy forbids it: run this command with sudo, and in a container start that with --privileged (or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined)", err)
	}
	return err
}
