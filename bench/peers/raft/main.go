// Command raft is a member of a group of hashicorp/raft's, for the benchmark of groups: a
// replicated log whose entries are the messages. It speaks the lines of package
// bench/group/line. Only the leader can append; what followers want to say they would have
// to send to it by means that the library does not have, so only the leader is a sender.
//
// Log and terms are in memory. Settings are the library's defaults but where flags and
// comments say otherwise.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-ha/holdfast/bench/group/line"
)

const (
	// Entries under way: as many as the fastest of earlier measurements had, within 16 MiB.
	windowEntries = 512
	windowBytes   = 16 << 20
	// keptBytes bounds the log in memory: what followers may lack before they are sent a
	// snapshot. Ours is empty, so messages that it replaces are not delivered and not counted.
	keptBytes   = 256 << 20
	keptEntries = 1 << 18
)

type member struct {
	raft   *raft.Raft
	window []raft.ApplyFuture // oldest first
}

// Multicast appends an entry and waits for the oldest where too many are under way.
func (m *member) Multicast(payload []byte) error {
	if len(m.window) >= max(1, min(windowEntries, windowBytes/len(payload))) {
		if err := m.window[0].Error(); err != nil {
			return err
		}
		m.window = slices.Delete(m.window, 0, 1)
	}
	m.window = append(m.window, m.raft.Apply(slices.Clone(payload), 0))
	return nil
}

// Role tells who is leader.
func (m *member) Role() string {
	if m.raft.State() == raft.Leader {
		return "leads"
	}
	return "follows"
}

// machine is the replicated state: the count of what was applied.
type machine struct {
	port  *line.Port
	sizes chan int // of messages, when it has changed
	size  int
}

func (m *machine) Apply(entry *raft.Log) any {
	if len(entry.Data) != m.size {
		m.size = len(entry.Data)
		m.sizes <- m.size
	}
	m.port.Delivered(entry.Data)
	return nil
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return nothing{}, nil }
func (m *machine) Restore(r io.ReadCloser) error       { return r.Close() }

// keep adapts how many entries the log keeps to the size of the messages, in the bounds
// of memory.
func keep(node *raft.Raft, port *line.Port, sizes <-chan int) {
	for size := range sizes {
		config := node.ReloadableConfig()
		config.TrailingLogs = uint64(min(keptBytes/max(size, 1), keptEntries))
		config.SnapshotThreshold, config.SnapshotInterval = config.TrailingLogs/4, time.Second
		if err := node.ReloadConfig(config); err != nil {
			port.Fault(err)
		}
	}
}

// nothing is the snapshot of a state that needs none.
type nothing struct{}

func (nothing) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (nothing) Release()                             {}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "raft: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	number := flag.Uint64("number", 1, "of this member, from 1")
	members := flag.String("members", "", "addresses of all, in order of their numbers, with commas between")
	wait := flag.Duration("timeout", 0, "heartbeat, election and lease timeout; 0 for the library's defaults")
	batch := flag.Int("batch", 0, "the most entries in a message; 0 for the library's default")
	flag.Parse()
	port := line.NewPort(*number, os.Stdout)

	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(fmt.Sprint(*number))
	if *batch > 0 {
		config.MaxAppendEntries = *batch
	}
	config.LogLevel, config.LogOutput = "WARN", os.Stderr
	if *wait > 0 {
		config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = *wait, *wait, *wait
	}

	var servers []raft.Server
	for i, address := range strings.Split(*members, ",") {
		servers = append(servers, raft.Server{ID: raft.ServerID(fmt.Sprint(i + 1)), Address: raft.ServerAddress(address)})
	}
	if *number < 1 || int(*number) > len(servers) {
		return fmt.Errorf("-number is %d and -members names %d", *number, len(servers))
	}
	own := string(servers[*number-1].Address)
	transport, err := raft.NewTCPTransport(own, nil, 3, 10*time.Second, os.Stderr)
	if err != nil {
		return err
	}
	store := raft.NewInmemStore()
	state := &machine{port: port, sizes: make(chan int)}
	node, err := raft.NewRaft(config, state, store, store, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		return err
	}
	go keep(node, port, state.sizes)
	watch(node, port, len(servers))
	if err := node.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		return err
	}
	return port.Serve(os.Stdin, &member{raft: node})
}

// watch tells a view when there is a first leader, of all, and when there is another, of
// one less: raft has no views, and this is the moment from which it goes on.
func watch(node *raft.Raft, port *line.Port, members int) {
	seen := make(chan raft.Observation, 64)
	node.RegisterObserver(raft.NewObserver(seen, true, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	}))
	go func() {
		var leader raft.ServerID
		for o := range seen {
			now := o.Data.(raft.LeaderObservation).LeaderID
			if now == "" || now == leader {
				continue
			}
			if leader != "" {
				members--
			}
			leader = now
			port.Viewed(members)
		}
	}()
}
