// Command nats is a member of a group of three NATS servers with JetStream, for the
// benchmark of groups: a stream with three replicas in memory, to which members publish
// and from which each reads everything. It speaks the lines of package bench/group/line.
//
// Server and client are one process and speak by way of memory, which is the fastest that
// NATS has. Publishing is asynchronous. Settings are the library's defaults but where
// comments say otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/holdfast-ha/holdfast/bench/group/line"
)

const (
	stream = "bench" // and its one subject
	// Messages under way: more do not make it faster; within 16 MiB.
	windowMessages = 1024
	windowBytes    = 16 << 20
	// keptBytes is the most that the stream keeps: a consumer that lags behind by more
	// misses messages, which the bench sees.
	keptBytes = 256 << 20

	startMost = 30 * time.Second
	again     = 50 * time.Millisecond
)

type member struct {
	server *server.Server
	stream nats.JetStreamContext
	window []nats.PubAckFuture // oldest first
}

// Multicast publishes, and waits for the oldest where too many are under way.
func (m *member) Multicast(payload []byte) error {
	if len(m.window) >= max(1, min(windowMessages, windowBytes/len(payload))) {
		select {
		case <-m.window[0].Ok():
		case err := <-m.window[0].Err():
			return err
		}
		m.window = slices.Delete(m.window, 0, 1)
	}
	future, err := m.stream.PublishAsync(stream, slices.Clone(payload))
	if err != nil {
		return err
	}
	m.window = append(m.window, future)
	return nil
}

// Role tells whose server leads the stream.
func (m *member) Role() string {
	if m.server.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
		return "leads"
	}
	return "follows"
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "nats: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	number := flag.Uint64("number", 1, "of this member, from 1")
	members := flag.String("members", "", "addresses of all, in order of their numbers, with commas between")
	folder := flag.String("folder", "", "for the server's files; an empty one")
	flag.Parse()
	port := line.NewPort(*number, os.Stdout)

	addresses := strings.Split(*members, ",")
	if *number < 1 || int(*number) > len(addresses) {
		return fmt.Errorf("-number is %d and -members names %d", *number, len(addresses))
	}
	s, err := serve(int(*number), addresses, *folder)
	if err != nil {
		return err
	}
	connection, err := nats.Connect("", nats.InProcessServer(s), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	js, err := connection.JetStream(nats.PublishAsyncMaxPending(2*windowMessages), nats.MaxWait(2*time.Second))
	if err != nil {
		return err
	}
	if err := open(js, *number, len(addresses)); err != nil {
		return err
	}
	if err := watch(connection, s, port); err != nil {
		return err
	}
	// An ordered consumer is what NATS offers for reading everything once and in order.
	err = until("there is a consumer", func() error {
		_, err := js.Subscribe(stream, func(m *nats.Msg) { port.Delivered(m.Data) }, nats.OrderedConsumer(), nats.DeliverAll())
		return err
	})
	if err != nil {
		return err
	}
	port.Viewed(len(addresses))
	return port.Serve(os.Stdin, &member{server: s, stream: js})
}

// serve starts the server and waits until it has all of the cluster.
func serve(number int, addresses []string, folder string) (*server.Server, error) {
	var routes []*url.URL
	for i, a := range addresses {
		if i+1 != number {
			routes = append(routes, &url.URL{Scheme: "nats", Host: a})
		}
	}
	at, err := url.Parse("nats://" + addresses[number-1])
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: fmt.Sprintf("n%d", number), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
		Cluster: server.ClusterOpts{Name: "bench", Host: at.Hostname()}, Routes: routes,
		JetStream: true, StoreDir: folder, JetStreamMaxMemory: 4 * keptBytes, JetStreamMaxStore: keptBytes,
	}
	if _, err := fmt.Sscan(at.Port(), &options.Cluster.Port); err != nil {
		return nil, err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	s.ConfigureLogger() // to the standard error
	s.Start()
	if !s.ReadyForConnections(startMost) {
		return nil, errors.New("the server is not ready")
	}
	return s, until("the cluster has a leader and all servers", func() error {
		if peers := len(s.JetStreamClusterPeers()); s.JetStreamIsLeader() && peers < len(addresses) {
			return fmt.Errorf("%d of %d servers are known", peers, len(addresses))
		}
		if !s.JetStreamIsCurrent() {
			return errors.New("there is no leader")
		}
		return nil
	})
}

// open makes the stream, or waits until the first member has.
func open(js nats.JetStreamContext, number uint64, replicas int) error {
	return until("there is a stream", func() error {
		if number == 1 {
			_, err := js.AddStream(&nats.StreamConfig{
				Name: stream, Subjects: []string{stream}, Storage: nats.MemoryStorage,
				Replicas: replicas, MaxBytes: keptBytes, Discard: nats.DiscardOld,
			})
			return err
		}
		_, err := js.StreamInfo(stream)
		return err
	})
}

// watch tells a view when the stream has a new leader, of the servers that this one is
// connected with: NATS has no views, and this is the moment from which the stream goes on.
func watch(connection *nats.Conn, s *server.Server, port *line.Port) error {
	_, err := connection.Subscribe(server.JSAdvisoryStreamLeaderElectedPre+"."+stream, func(*nats.Msg) {
		routes, err := s.Routez(nil)
		if err != nil {
			port.Fault(err)
			return
		}
		others := map[string]bool{} // a server has several connections
		for _, r := range routes.Routes {
			others[r.RemoteName] = true
		}
		port.Viewed(1 + len(others))
	})
	return err
}

// until tries again until there is no error.
func until(what string, try func() error) error {
	for end := time.Now().Add(startMost); ; time.Sleep(again) {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v not true: %s: %w", startMost, what, err)
		}
	}
}
