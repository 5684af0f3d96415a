package cohort

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab/segment"
)

// Process is one life of a member, from outside. It belongs to one goroutine.
type Process struct {
	Settings Settings
	Started  time.Duration // by the monotonic clock
	Ended    time.Duration // 0 while it runs

	cmd    *exec.Cmd
	gone   chan struct{} // closed when it has ended
	input  io.WriteCloser
	output bytes.Buffer
	read   int64 // bytes of the history
	rest   []byte
}

// Start starts the program on a machine. command is how it is run, such as this very
// program with an argument or a variable that makes it call [Run].
func Start(m *segment.Machine, command *exec.Cmd, s Settings) (*Process, error) {
	p := &Process{Settings: s, cmd: command, gone: make(chan struct{})}
	name := s.Node.Name
	var err error
	if p.input, err = command.StdinPipe(); err != nil {
		return nil, &OpError{"start " + name, err}
	}
	command.Stdout, command.Stderr = &p.output, &p.output
	p.Started = Now()
	if err = m.Start(command); err != nil {
		return nil, &OpError{"start " + name, err}
	}
	go func() {
		_ = command.Wait() // what it says is in the output
		close(p.gone)
	}()
	line, err := json.Marshal(&s)
	if err == nil {
		_, err = p.input.Write(append(line, '\n'))
	}
	if err != nil {
		p.Kill()
		return nil, &OpError{"give " + name + " its settings", err}
	}
	return p, nil
}

// Tell gives the program a command:
//
//	join     ask to be let into the group
//	leave    ask to be let out
//	rate N   multicast N messages a second from now on
//	probe    multicast one message of each order
//	deaf     ask for no more events
//	hear     ask for them again
//	status   record the status of the node
func (p *Process) Tell(command string) error {
	if _, err := io.WriteString(p.input, command+"\n"); err != nil {
		return &OpError{fmt.Sprintf("tell %s to %s", p.Settings.Node.Name, command), err}
	}
	return nil
}

// Signal sends a signal, such as SIGSTOP.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return &OpError{fmt.Sprintf("send %v to %s", s, p.Settings.Node.Name), err}
	}
	return nil
}

// Kill ends the process by SIGKILL and waits until it is gone. It gives the time just
// before. A second Kill does nothing.
func (p *Process) Kill() time.Duration {
	if p.Ended == 0 {
		at := Now()
		_ = p.cmd.Process.Kill() // it may have ended by itself
		<-p.gone
		p.Ended = at
	}
	return p.Ended
}

// IsGone says whether it has ended, by itself or killed.
func (p *Process) IsGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// Output is what it wrote to its standard output and error; it has it whole once killed.
func (p *Process) Output() string {
	if p.Ended == 0 {
		return ""
	}
	return p.output.String()
}

// Read gives the records that were written since the last Read, oldest first. A line that
// is not complete is left for the next one.
func (p *Process) Read() ([]Record, error) {
	f, err := os.Open(p.Settings.History)
	if os.IsNotExist(err) {
		return nil, nil // it has only just been started
	}
	if err != nil {
		return nil, &OpError{"read the history of " + p.Settings.Node.Name, err}
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, p.read, 1<<62))
	if err != nil {
		return nil, &OpError{"read the history of " + p.Settings.Node.Name, err}
	}
	p.read += int64(len(b))
	p.rest = append(p.rest, b...)
	var records []Record
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return records, nil
		}
		p.rest = rest
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return records, &OpError{"read the history of " + p.Settings.Node.Name, fmt.Errorf("%w in %q", err, line)}
		}
		records = append(records, r)
	}
}
