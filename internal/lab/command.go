package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// outputDelay is how long Wait stays for the output of a process that has ended while
// a child of it still holds the pipe.
const outputDelay = 2 * time.Second

// Command is a program to run on a node, set up like an [exec.Cmd]. Its process is
// killed when the Lab is closed, when the node loses its power, and when this process
// ends, however it ends.
type Command struct {
	*exec.Cmd
	node *Node
	once sync.Once
	err  error
}

// Command makes a command that will run on the node. It is found and started as by
// [exec.Command]; only the network is the node's.
func (n *Node) Command(name string, args ...string) *Command {
	c := &Command{Cmd: exec.Command(name, args...), node: n}
	c.WaitDelay = outputDelay
	return c
}

// Start starts the command and does not wait for it.
func (c *Command) Start() error {
	// One lock over the start and the entry, so that no kill comes between.
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	if err := c.node.space.Start(c.Cmd); err != nil {
		return &OpError{Op: fmt.Sprintf("start %s on %s", c.Path, c.node.name), Err: err}
	}
	c.node.commands[c] = true
	return nil
}

// Wait waits for the end of a started command, as [exec.Cmd.Wait] does. It may be
// called by several goroutines, and more than once.
func (c *Command) Wait() error {
	c.once.Do(func() {
		c.err = c.Cmd.Wait()
		c.node.mu.Lock()
		delete(c.node.commands, c)
		c.node.mu.Unlock()
	})
	return c.err
}

// Run starts the command and waits for its end.
func (c *Command) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// CombinedOutput runs the command and gives what it wrote to both outputs.
func (c *Command) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Output runs the command and gives what it wrote to its standard output.
func (c *Command) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// killAll kills what runs on the node and waits for its end.
func (n *Node) killAll() error {
	n.mu.Lock()
	running := make([]*Command, 0, len(n.commands))
	for c := range n.commands {
		running = append(running, c)
	}
	n.mu.Unlock()
	var errs []error
	for _, c := range running {
		if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, &OpError{Op: fmt.Sprintf("kill %s on %s", c.Path, n.name), Err: err})
			continue // waiting could take for ever
		}
		_ = c.Wait() // says that it was killed
	}
	return errors.Join(errs...)
}
