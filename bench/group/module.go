package group

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Ports of the servers, each in its own namespace.
const (
	natsPort = 6222
	raftPort = 7000
)

// buildPeer builds a program of the module bench/peers, which has the modules that ours
// must not get.
func buildPeer(name string) func(ctx context.Context, s *Sources) error {
	return func(ctx context.Context, s *Sources) error {
		return compile(ctx, filepath.Join(s.root, "..", "peers"), "go", "build", "-o", s.built(name), "./"+name)
	}
}

// moduleVersion tells which one bench/peers is built with.
func moduleVersion(module string) func(ctx context.Context, s *Sources) string {
	return func(ctx context.Context, s *Sources) string {
		return answer(ctx, filepath.Join(s.root, "..", "peers"), "go", "list", "-m", "-f", "{{.Version}}", module)
	}
}

// nats is three NATS servers with a JetStream stream of three replicas in memory.
func nats() peer {
	return peer{
		name: "NATS", needs: []need{{"go", "golang"}}, build: buildPeer("nats"),
		version: moduleVersion("github.com/nats-io/nats-server/v2"),
		settings: []Program{{
			Setting: "JetStream, 3 replicas in memory", Uses: Throughput | Latency | View,
			start: func(c *Cluster, s *starting) error {
				folder := filepath.Join(s.folder, s.node.Name)
				if err := os.Mkdir(folder, 0o700); err != nil {
					return err
				}
				return s.member(c, s.sources.built("nats"), "-number", fmt.Sprint(s.node.Number),
					"-members", s.addresses(natsPort), "-folder", folder)
			},
		}},
	}
}

// raft is hashicorp/raft, with the log in memory.
func raft() peer {
	start := func(wait time.Duration, batch int) func(*Cluster, *starting) error {
		return func(c *Cluster, s *starting) error {
			return s.member(c, s.sources.built("raft"), "-number", fmt.Sprint(s.node.Number),
				"-members", s.addresses(raftPort), "-timeout", wait.String(), "-batch", fmt.Sprint(batch))
		}
	}
	return peer{
		name: "raft", needs: []need{{"go", "golang"}}, build: buildPeer("raft"),
		version: moduleVersion("github.com/hashicorp/raft"),
		settings: []Program{
			{Setting: "hashicorp, defaults", Uses: Throughput | Latency | View, OneSender: true, Detection: time.Second, start: start(0, 0)},
			{Setting: "hashicorp, MaxAppendEntries 512", Uses: Throughput, OneSender: true, start: start(0, 512)},
			{Setting: "hashicorp, timeouts of 200 ms", Uses: View, OneSender: true, Detection: 200 * time.Millisecond, start: start(200*time.Millisecond, 0)},
		},
	}
}
