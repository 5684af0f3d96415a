package group

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/bench/process"
)

// corosync is Debian's, with a member in C on libcpg. It has several settings, for none is
// the best at every size: with its default, real-time priority, the daemon takes the
// processors from its clients, and without it senders that try again at once take them
// from the daemon.
func corosync() peer {
	return peer{
		name: "Corosync",
		needs: []need{
			{"corosync", "corosync"}, {"/usr/include/corosync/cpg.h", "libcpg-dev"}, {"cc", "gcc"},
			{"unshare", "util-linux"}, {"nsenter", "util-linux"},
		},
		build: func(ctx context.Context, s *Sources) error {
			return compile(ctx, filepath.Join(s.root, "cpg"), "cc", "-O2", "-o", s.built("cpg-member"), "member.c", "-lcpg", "-lpthread")
		},
		version: func(ctx context.Context, s *Sources) string { return answer(ctx, "", "corosync", "-v") },
		settings: []Program{
			// The default detection: token 3,000 ms and 650 ms for the third node, and then
			// 1.2 times as long for consensus.
			{Setting: "knet, defaults", Uses: Throughput | View, Detection: 3650 * time.Millisecond, start: totem{transport: "knet", retry: "spin"}.start},
			{Setting: "knet, sched_rr: no, polite sender", Uses: Throughput, start: totem{transport: "knet", ordinary: true, retry: "polite"}.start},
			{Setting: "udpu, defaults", Uses: Throughput | Latency, start: totem{transport: "udpu", retry: "spin"}.start},
			{Setting: "udpu, sched_rr: no", Uses: Latency, start: totem{transport: "udpu", ordinary: true, retry: "polite"}.start},
			{Setting: "udpu, token 200 ms, coefficient 0", Uses: View, Detection: 200 * time.Millisecond, start: totem{transport: "udpu", retry: "spin", token: 200}.start},
		},
	}
}

// totem is the settings of one corosync.conf, and of the member.
type totem struct {
	transport string
	ordinary  bool   // no real-time priority
	token     int    // milliseconds, and nothing for each node; 0 for the defaults
	retry     string // what the sender does when told to try again: "spin" or "polite"
}

// start starts the daemon in a mount namespace of its own, where nothing that it leaves in
// fixed places is seen by another, and the member in the same.
func (t totem) start(c *Cluster, s *starting) error {
	file := filepath.Join(s.folder, s.node.Name+".conf")
	if err := os.WriteFile(file, []byte(t.config(s)), 0o600); err != nil {
		return err
	}
	const private = `for folder in /dev/shm /run /var/lib/corosync; do mount -t tmpfs tmpfs $folder; done && exec corosync -f -c "$0"`
	daemon, err := process.Launch(s.node.machine, s.folder, nil, nil, "unshare", "-m", "sh", "-ec", private, file)
	if err != nil {
		return err
	}
	c.daemons[s.node.Number] = append(c.daemons[s.node.Number], daemon)
	if err := awaitProgram(daemon, "corosync"); err != nil {
		return err
	}
	return s.member(c, "nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", daemon.PID()),
		s.sources.built("cpg-member"), fmt.Sprint(s.node.Number), t.retry)
}

// awaitProgram waits until a process has become another program, as a shell's exec does.
func awaitProgram(p *process.Process, name string) error {
	limit := time.NewTimer(answerMost)
	defer limit.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID()))
		if err == nil && strings.TrimSpace(string(text)) == name {
			return nil
		}
		select {
		case <-again.C:
		case <-p.Ended():
			return fmt.Errorf("%s has ended:\n%s", name, p.LastLines())
		case <-limit.C:
			return fmt.Errorf("%s did not start within %v:\n%s", name, answerMost, p.LastLines())
		}
	}
}

func (t totem) config(s *starting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "totem {\n version: 2\n cluster_name: bench\n transport: %s\n", t.transport)
	if t.transport == "knet" {
		b.WriteString(" crypto_cipher: none\n crypto_hash: none\n")
	}
	if t.token > 0 {
		fmt.Fprintf(&b, " token: %d\n token_coefficient: 0\n", t.token)
	}
	b.WriteString("}\n")
	if t.ordinary {
		b.WriteString("system {\n sched_rr: no\n}\n")
	}
	fmt.Fprintf(&b, "logging {\n to_stderr: yes\n to_logfile: no\n to_syslog: no\n}\nnodelist {\n")
	for _, n := range s.bed.Nodes {
		fmt.Fprintf(&b, " node {\n  ring0_addr: %s\n  name: %s\n  nodeid: %d\n }\n", n.Address, n.Name, n.Number)
	}
	b.WriteString("}\n")
	return b.String()
}
