package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/internal/config"
	"github.com/holdfast-ha/holdfast/service/lock"
)

// leaveMax is how long the groups may take to let this node go.
const leaveMax = 5 * time.Second

// runGroups takes part in the groups of a file until ctx is done, then leaves them. It is
// what a program does that imports the package holdfast and has no use for messages.
func runGroups(ctx context.Context, f *config.File, log *slog.Logger) error {
	log = log.With("node", f.Node)
	node, err := holdfast.Open(nodeConfig(f, log))
	if err != nil {
		return err
	}
	defer node.Close()
	log.Info("started", "cluster", f.Cluster.Name, "groups", len(f.Groups), "witness", f.Self().Witness, "transport", f.Cluster.Transport)
	defer reloadAtHangup(node, log)()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	for _, g := range f.Groups {
		parts.Go(func() {
			part := takePart
			if g.Locks != nil && (!f.Self().Witness || g.Locks.Style == "pair") {
				part = serveLocks
			}
			if err := part(ctx, node, f, g, log.With("group", g.Name)); err != nil {
				stop(err)
			}
		})
	}
	parts.Wait()
	log.Info("stopped")
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// nodeConfig says what the file says to the package holdfast.
func nodeConfig(f *config.File, log *slog.Logger) holdfast.Config {
	c := &f.Cluster
	n := holdfast.Config{
		Cluster: c.Name, Name: f.Node, Members: map[string][]string{}, Votes: map[string]int{},
		KeyFile: c.KeyFile, Insecure: c.Insecure, Transport: c.Transport,
		Heartbeat: c.Heartbeat, SuspectAfter: c.SuspectAfter, Control: f.Control.Socket, Logger: log,
	}
	for _, m := range c.Members {
		for _, l := range m.Links { // all have the same labels, in their order
			n.Members[m.Name] = append(n.Members[m.Name], netip.AddrPortFrom(l.Address, c.Port).String())
		}
		n.Votes[m.Name] = int(m.Votes)
		if m.Witness {
			n.Witnesses = append(n.Witnesses, m.Name)
		}
	}
	if len(c.Multicast) > 0 {
		n.Multicast = make([]string, len(f.Self().Links))
		for i, l := range f.Self().Links {
			for _, m := range c.Multicast {
				if m.Label == l.Label {
					n.Multicast[i] = netip.AddrPortFrom(m.Address, m.Port).String()
				}
			}
		}
	}
	return n
}

// takePart is in one group until ctx is done. Messages are taken and forgotten.
func takePart(ctx context.Context, node *holdfast.Node, f *config.File, g config.Group, log *slog.Logger) error {
	var service *holdfast.ServiceConfig
	if g.Locks != nil {
		var err error
		if service, err = serviceConfig(&g); err != nil {
			return err
		}
	}
	group, err := node.Join(ctx, holdfast.GroupConfig{
		Name: g.Name, Partition: g.Partition, Engine: g.Engine, MessageMax: g.MessageMax, Stateful: g.Stateful && f.Self().Witness,
		Service: service,
	})
	if err != nil {
		if ctx.Err() != nil {
			log.Info("stopped before the group let this node in", "error", err)
			return nil
		}
		return err
	}
	for e, err := range group.Events(ctx) {
		if err != nil {
			break // ctx is done, or the node was closed
		}
		tell(log, &e)
	}
	if ctx.Err() == nil {
		return errors.New("the group " + g.Name + " has ended by itself; see the log")
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMax)
	defer cancel()
	if err := group.Leave(leaving); err != nil {
		log.Warn("the group was not left in time; the others take this node for crashed", "error", err)
	}
	return nil
}

// serveLocks is a member of a lock service until ctx is done.
func serveLocks(ctx context.Context, node *holdfast.Node, f *config.File, g config.Group, log *slog.Logger) error {
	cfg, err := serviceConfig(&g)
	if err != nil {
		return err
	}
	if f.Self().Witness { // of two servers: it only says who goes on alone
		cfg.Service, cfg.Socket = nil, ""
	}
	s, err := node.Serve(*cfg)
	if err != nil {
		return err
	}
	log.Info("locks", "socket", g.Locks.Socket, "style", g.Locks.Style, "recovery", g.Locks.Recovery, "window", g.Locks.Window.String(), "lease_max", g.Locks.LeaseMax.String())
	select {
	case <-ctx.Done():
		if err := s.Close(); err != nil {
			log.Warn("the lock service was not left in order", "error", err)
		}
		return nil
	case <-s.Done():
		return s.Err()
	}
}

// serviceConfig says what the file says of a lock service.
func serviceConfig(g *config.Group) (*holdfast.ServiceConfig, error) {
	order := lock.Strict
	if g.Locks.Order == "loose" {
		order = lock.Loose
	}
	locks, err := lock.New(lock.Config{Order: order, Window: g.Locks.Window, LeaseMost: g.Locks.LeaseMax})
	if err != nil {
		return nil, err
	}
	c := &holdfast.ServiceConfig{Name: g.Name, Socket: g.Locks.Socket, Data: g.Locks.Data, Voters: g.Locks.Voters, Alone: g.Locks.Alone, Durability: g.Locks.Durability, Service: locks}
	if err := c.Style.UnmarshalText([]byte(g.Locks.Style)); err != nil {
		panic("daemon: a style that was read is not known: " + err.Error())
	}
	return c, nil
}

// tell logs what an operator may want to know of a group.
func tell(log *slog.Logger, e *holdfast.Event) {
	switch e.Kind {
	case holdfast.Viewed:
		log.Info("view", "epoch", e.View.Epoch, "members", e.View.Members)
	case holdfast.Blocked:
		log.Warn("blocked for want of votes", "not_heard", e.Members)
	case holdfast.Refused:
		log.Warn("refused", "reason", e.Reason)
	case holdfast.Unblocked, holdfast.Expelled, holdfast.Merging:
		log.Warn(e.Kind.String())
	}
}

// reloadAtHangup reads the key file again at each SIGHUP.
func reloadAtHangup(node *holdfast.Node, log *slog.Logger) (stop func()) {
	asked := make(chan os.Signal, 1)
	ended := make(chan struct{})
	signal.Notify(asked, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for range asked {
			if err := node.ReloadKeys(); err != nil {
				log.Error("the keys were not read again; those in use stay", "error", err)
				continue
			}
			log.Info("read the keys again")
		}
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
		<-ended
	}
}
