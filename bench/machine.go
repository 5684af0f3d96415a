package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/bench/group"
	"github.com/holdfast-ha/holdfast/bench/locks"
)

// machine is where the figures come from.
type machine struct {
	Kernel     string `json:"kernel"`
	Processor  string `json:"processor"`
	Cores      int    `json:"cores"`
	MemoryMiB  uint64 `json:"memory_mib"`
	Go         string `json:"go"`
	Load       string `json:"load"` // average of 1, 5, 15 minutes before the start
	Conntrackd string `json:"conntrackd"`
	Keepalived string `json:"keepalived,omitempty"`
}

func facts() machine {
	m := machine{
		Cores: runtime.NumCPU(), Go: runtime.Version(), Processor: processor(),
		Conntrackd: firstLine("conntrackd", "-v"), Keepalived: firstLine("keepalived", "--version"),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryMiB = info.Totalram * uint64(info.Unit) >> 20
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return m
}

func (m machine) text() string {
	return fmt.Sprintf("machine: Linux %s, %d cores (%s), %d MiB, load %s, %s\n",
		m.Kernel, m.Cores, m.Processor, m.MemoryMiB, m.Load, m.Go)
}

// peers tells the versions of the programs that a pair of firewalls is compared with.
func (m machine) peers() string {
	return fmt.Sprintf("peers: %s; %s\n", m.Conntrackd, m.Keepalived)
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// firstLine gives the first line that a program writes, "" if it is not there.
func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, ". ") // conntrackd adds its licence
	return strings.TrimSpace(line)
}

// require checks that what is needed is there, before anything is started.
func (s *session) require(verb string) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: it makes network namespaces and reads other processes' figures; run: sudo -E env PATH=$PATH go run ./bench")
	}
	if verb == "group" || verb == "all" {
		if err := group.Require(s.peers); err != nil {
			return err
		}
	}
	if verb == "lock" || verb == "all" {
		if err := locks.Require(s.peers, s.etcd); err != nil {
			return err
		}
	}
	if !pairs(verb) {
		return nil
	}
	needed := []struct{ program, pkg string }{{"conntrackd", "conntrackd"}, {"go", "golang"}}
	if verb == "takeover" || verb == "all" {
		needed = append(needed, struct{ program, pkg string }{"keepalived", "keepalived"})
	}
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			return fmt.Errorf("needs %s to compare with: apt-get install %s", n.program, n.pkg)
		}
	}
	return nil
}
