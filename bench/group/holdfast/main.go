// Command holdfast is a member of a group of ours, for the benchmark of groups, on the
// public API and with its defaults, as a user would write it. It speaks the lines of package
// bench/group/line.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/bench/group/line"
)

type member struct {
	group *holdfast.Group
	name  string
	order holdfast.Order
}

// Multicast queues a message, and waits where the queue is full.
func (m *member) Multicast(payload []byte) error {
	_, err := m.group.Multicast(context.Background(), payload, m.order)
	return err
}

// Role tells who numbers the messages: the sequencer begins as the first of the view.
func (m *member) Role() string {
	if v := m.group.View(); v != nil && len(v.Members) > 0 && v.Members[0] == m.name {
		return "leads"
	}
	return "follows"
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "holdfast member: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	number := flag.Uint64("number", 1, "of this member, from 1")
	members := flag.String("members", "", "addresses of all, in order of their numbers, with commas between")
	order := flag.String("order", "total", "total or uniform")
	multicast := flag.String("multicast", "", "IP multicast group and port; without, each member is sent a copy")
	flag.Parse()

	// Clear text, as the others send it. Every peer keeps the order in which one member
	// sends, so ours must too.
	config := holdfast.Config{Cluster: "bench", Name: fmt.Sprintf("n%d", *number), Members: map[string][]string{}, Insecure: true}
	config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	for i, address := range strings.Split(*members, ",") {
		config.Members[fmt.Sprintf("n%d", i+1)] = []string{address}
	}
	if *multicast != "" {
		config.Multicast = []string{*multicast}
	}
	m := &member{name: config.Name, order: holdfast.Total | holdfast.FIFO}
	switch *order {
	case "total":
	case "uniform":
		m.order |= holdfast.Uniform
	default:
		return fmt.Errorf("-order is %q; it must be total or uniform", *order)
	}
	node, err := holdfast.Open(config)
	if err != nil {
		return err
	}
	defer node.Close()
	if m.group, err = node.Join(context.Background(), holdfast.GroupConfig{Name: "bench"}); err != nil {
		return err
	}
	port := line.NewPort(*number, os.Stdout)
	go deliver(m.group, port)
	return port.Serve(os.Stdin, m)
}

// deliver hands to the port what the group tells.
func deliver(group *holdfast.Group, port *line.Port) {
	for event, err := range group.Events(context.Background()) {
		switch {
		case err != nil:
			port.Fault(err)
		case event.Kind == holdfast.Message:
			port.Delivered(event.Payload)
		case event.Kind == holdfast.Viewed:
			port.Viewed(len(event.View.Members))
		case event.Kind == holdfast.Expelled || event.Kind == holdfast.Lost || event.Kind == holdfast.Refused:
			port.Fault(fmt.Errorf("%v: %d to %d %s", event.Kind, event.Number, event.Last, event.Reason))
		}
	}
}
