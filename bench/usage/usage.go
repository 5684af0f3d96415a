// Package usage reads from Linux what processes have used: time on a processor and memory.
//
// Source: proc_pid_schedstat(5), proc_pid_status(5), proc_pid_task(5).
package usage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
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

// Plus is what both have used.
func (u Use) Plus(v Use) Use {
	return Use{u.CPU + v.CPU, u.Resident + v.Resident, u.Anonymous + v.Anonymous}
}

// Tree is a process and those that it started and that still run.
func Tree(pid int) []int {
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil { // it has ended, or the kernel does not list children
		return all
	}
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, Tree(child)...)
		}
	}
	return all
}

// Of reads what the process and its children have used. A process that has ended has
// used nothing.
func Of(pid int) (Use, error) {
	var sum Use
	for _, pid := range Tree(pid) {
		u, err := useOf(pid)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Use{}, err
		}
		sum = sum.Plus(u)
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
