// Package process runs programs on machines of a test bed, with what they write in a file, and
// kills them.
package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/holdfast-ha/holdfast/bench/usage"
)

// logLines is how much of its log LastLines gives.
const logLines = 8

// Machine is where a program can be started.
type Machine interface {
	Name() string
	Start(command *exec.Cmd) error
}

// OpError says which program could not be started, and where.
type OpError struct {
	Op  string // such as "start etcd on n1"
	Err error
}

// Error gives the step and its cause.
func (e *OpError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Process is a program that runs on a machine, or has. Its methods may be called by any
// goroutine.
type Process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// Launch starts a program. What it writes to its standard error is appended to a file in the
// folder, named by machine and program. out gets its standard output; nil: the file does. in may
// be nil.
func Launch(m Machine, folder string, in io.Reader, out io.Writer, name string, args ...string) (*Process, error) {
	p := &Process{
		command: exec.Command(name, args...), ended: make(chan struct{}),
		log: filepath.Join(folder, fmt.Sprintf("%s-%s.log", m.Name(), filepath.Base(name))),
	}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the process has its own
	p.command.Stdin, p.command.Stdout, p.command.Stderr = in, file, file
	if out != nil {
		p.command.Stdout = out
	}
	if err := m.Start(p.command); err != nil {
		return nil, &OpError{fmt.Sprintf("start %s on %s", name, m.Name()), err}
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // how it ended is in its log, or it was killed
	}()
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when it has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Failed says whether it has ended, and not well.
func (p *Process) Failed() bool {
	select {
	case <-p.ended:
		return !p.command.ProcessState.Success()
	default:
		return false
	}
}

// Signal kills it by SIGKILL and does not wait.
func (p *Process) Signal() { _ = p.command.Process.Kill() } // one that has ended is fine

// Kill ends it at once, and waits.
func (p *Process) Kill() {
	p.Signal()
	<-p.ended
}

// Use is what it and its children have used until now.
func (p *Process) Use() (usage.Use, error) { return usage.Of(p.PID()) }

// LastLines gives the end of its log, for messages.
func (p *Process) LastLines() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-logLines):], "\n")
}
