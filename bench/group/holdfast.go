package group

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const (
	holdfastPort   = 7100
	multicastGroup = "233.252.0.1:7101"     // documentation's, RFC 6676
	suspectAfter   = 500 * time.Millisecond // the default
)

// holdfast is ours: a program on the public API, as a user would write it. Uniform is the
// order that survives the sender and everyone that has delivered.
func holdfast() peer {
	order := func(name, multicast string) func(*Cluster, *starting) error {
		return func(c *Cluster, s *starting) error {
			return s.member(c, s.sources.built("holdfast-member"), "-number", fmt.Sprint(s.node.Number),
				"-members", s.addresses(holdfastPort), "-order", name, "-multicast", multicast)
		}
	}
	return peer{
		name: "Holdfast", needs: []need{{"go", "golang"}},
		build: func(ctx context.Context, s *Sources) error {
			return compile(ctx, filepath.Join(s.root, "holdfast"), "go", "build", "-o", s.built("holdfast-member"), ".")
		},
		version: func(ctx context.Context, s *Sources) string {
			return "of this source tree, " + answer(ctx, s.root, "git", "rev-parse", "--short", "HEAD")
		},
		settings: []Program{
			{Setting: "total order", Uses: Throughput | Latency | View, Detection: suspectAfter, start: order("total", "")},
			{Setting: "total order, IP multicast", Uses: Throughput, start: order("total", multicastGroup)},
			{Setting: "total order, uniform", Uses: Throughput | Latency, start: order("uniform", "")},
		},
	}
}
