package pair

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast/internal/lab"
)

// Use is what processes have used until a moment.
type Use struct {
	CPU       time.Duration // user and system, of every thread
	Resident  int64         // bytes in memory, of program and libraries too
	Anonymous int64         // of these, what the process made itself
}

// Since is what was used after an earlier moment.
func (u Use) Since(earlier Use) Use {
	return Use{u.CPU - earlier.CPU, u.Resident - earlier.Resident, u.Anonymous - earlier.Anonymous}
}

func (u Use) plus(v Use) Use {
	return Use{u.CPU + v.CPU, u.Resident + v.Resident, u.Anonymous + v.Anonymous}
}

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

// tree is a process and those that it started and that still run.
func tree(pid int) []int {
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil { // it has ended, or the kernel does not list children
		return all
	}
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, tree(child)...)
		}
	}
	return all
}

// KillTree ends it and what it started at once, and waits for itself.
func (p *process) KillTree() {
	for _, pid := range tree(p.command.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended is fine
	}
	p.Kill()
}

// use reads what the process and its children have used. A process that has ended has
// used nothing.
func use(pid int) (Use, error) {
	var sum Use
	for _, pid := range tree(pid) {
		u, err := useOf(pid)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Use{}, err
		}
		sum = sum.plus(u)
	}
	return sum, nil
}

func useOf(pid int) (Use, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return Use{}, err
	}
	var u Use
	for _, task := range tasks {
		// Nanoseconds on a processor, nanoseconds waiting for one, times run.
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue // a thread that has just ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return Use{}, fmt.Errorf("schedstat of process %d says %q", pid, text)
		}
		u.CPU += time.Duration(ns)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Use{}, err
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "VmRSS":
			u.Resident = kibibytes(value)
		case "RssAnon":
			u.Anonymous = kibibytes(value)
		}
	}
	return u, nil
}

// kibibytes reads "  1234 kB".
func kibibytes(text string) int64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
