package pair

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/holdfast-ha/holdfast/bench/usage"
	"github.com/holdfast-ha/holdfast/internal/lab"
)

// process is a daemon on a node. What it writes goes to a file.
type process struct {
	command *lab.Command
	log     string
	file    *os.File
}

// launch starts a daemon on a node.
func launch(node *lab.Node, folder, name string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(folder, fmt.Sprintf("%s-%s.log", filepath.Base(name), node.Name()))}
	var err error
	if p.file, err = os.Create(p.log); err != nil {
		return nil, err
	}
	p.command = node.Command(name, args...)
	p.command.Stdout, p.command.Stderr = p.file, p.file
	if err := p.command.Start(); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// Kill ends it at once, and waits.
func (p *process) Kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // says that it was killed
	p.file.Close()
}

// lastLines gives the end of what it wrote, for messages.
func (p *process) lastLines(count int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// KillTree ends it and what it started at once, and waits for itself.
func (p *process) KillTree() {
	for _, pid := range usage.Tree(p.command.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended is fine
	}
	p.Kill()
}
