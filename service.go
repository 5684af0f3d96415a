package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/internal/driver"
	"github.com/holdfast-ha/holdfast/internal/driver/desk"
	"github.com/holdfast-ha/holdfast/internal/driver/front"
	"github.com/holdfast-ha/holdfast/internal/edge/disk"
	"github.com/holdfast-ha/holdfast/protocol/job"
	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/replica"
	"github.com/holdfast-ha/holdfast/protocol/replica/voted"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// ServiceConfig is a service that this process keeps a replica of.
type ServiceConfig struct {
	// Name is the service's name, 1 to 32 bytes; it is that of its group, too.
	Name string
	// Service executes the clients' commands: the same type at all members, in its first
	// state. It belongs to the replica from then on.
	Service session.Service
	// Socket is the path of a Unix socket at which clients come in (package client). It is
	// made, with a mode that lets its owner and group in.
	Socket string
	// Data is a directory of the service's own, in which this member keeps a log of the commands and
	// snapshots; it is made if its parent is there. All members have one, or none has. With it a
	// client is answered when its command is on the disks of more than half of the configured
	// votes: nothing that was answered is lost when all members lose their power at once. Without
	// it ("") everything is in memory, and survives the loss of less than half.
	//
	// With two servers it is another thing. With the style [Pair] a client is answered when its command is on the disk of the server that
	// answers; the witness keeps there whom it let go on alone. With [Checkpointed] it is the directory that both servers reach.
	Data string
	// Style is how the service is replicated; zero: [Active].
	Style Style

	// Durability says, with the style [Pair], what is in Data: "log", the default if there is one, all that is executed; "memory", only in
	// which epoch this server went on alone, and the state is lost if both servers are down at once. It is the same at both.
	Durability string

	// Alone says, with the style [Pair], which of the two servers goes on alone when they do not hear
	// one another: "witness", whom the cluster's one witness lets, the default if there is one; "prefer NAME", that
	// member and never the other; "freeze", neither. It is the same at both.
	Alone string
	// Voters is how many members vote with the style [Voted], 2 to 32; 0: 3. With 2 no
	// difference can be decided, and the service stops at the first.
	Voters int
	// Comparer says which replies count as the same with the style [Voted]; nil: those that are
	// the same to the last bit. All members have one, or none has.
	Comparer voted.Comparer
	// Jobs are calls that run long, at this member, outside of the replicated state; nil: the
	// service takes none. All members should take the same.
	Jobs *Jobs
}

// socketMode lets the owner and the group of a socket's file in.
const socketMode fs.FileMode = 0o660

// Service is this process's replica of a service. Clients see one server that does not fail,
// whatever the style; one is answered when its command is safe: as long as less than half of
// the members lose their memory, or with ServiceConfig.Data, their disks.
type Service struct {
	name    string
	replica *driver.Replica
	front   *front.Front
	desk    *desk.Desk    // nil: it takes no jobs
	shut    chan struct{} // closed when the front is
	err     error         // of closing it
	late    error         // jobs that have not ended in time
}

// Serve begins to keep a replica of a service, and to take clients for it. It returns at
// once: clients are served when the group is founded, or this member let in with the state.
func (n *Node) Serve(cfg ServiceConfig) (*Service, error) {
	fail := func(k Kind, err error) (*Service, error) {
		return nil, &Error{Op: "serve", Group: cfg.Name, Kind: k, Err: err}
	}
	switch {
	case cfg.Name == "" || len(cfg.Name) > nameMax:
		return fail(Invalid, fmt.Errorf("the service's name has %d bytes; give it 1 to %d", len(cfg.Name), nameMax))
	case cfg.two():
		return n.serveTwo(cfg)
	}
	terms, err := cfg.check(&n.cfg)
	if err != nil {
		return fail(Invalid, err)
	}
	return n.keep(&cfg, driver.ReplicaConfig{Disk: cfg.disk(), Terms: terms, Comparer: cfg.Comparer})
}

// keep makes a replica, and a front for its clients.
func (n *Node) keep(cfg *ServiceConfig, r driver.ReplicaConfig) (*Service, error) {
	s := &Service{name: cfg.Name}
	ready := make(chan struct{})
	var err error
	if s.desk, err = s.takeJobs(cfg.Jobs); err != nil {
		return nil, &Error{Op: "serve", Group: cfg.Name, Kind: Invalid, Err: err}
	}
	s.front, err = front.Listen(front.Config{
		Path: cfg.Socket, Mode: socketMode, Most: session.RequestMax,
		Serve: func(client uint64, request []byte) bool {
			<-ready
			if job.Is(request) {
				s.heed(client, request)
				return true
			}
			return s.replica != nil && s.replica.Submit(client, request)
		},
		Gone: func(client uint64) {
			<-ready
			s.parted(client)
		},
	})
	if err != nil {
		close(ready)
		return nil, &Error{Op: "serve", Group: cfg.Name, Kind: Failed, Err: err}
	}
	r.Group, r.Service, r.Jobs = cohort.GroupConfig{Name: cfg.Name}, cfg.Service, s.jobsStatus
	r.Answer = func(client uint64, b []byte) { s.front.Send(client, front.Reply, b) }
	r.Notice = func(client uint64, b []byte) { s.front.Send(client, front.Notice, b) }
	r.Process = s.front.Process
	r.Flush = func() { s.front.Flush() }
	if s.desk != nil {
		r.Parted = s.desk.Part
	}
	r.Happened = func(c replica.Command) { n.tellDivergence(cfg.Name, c) }
	s.replica, err = n.cohort.Serve(r)
	close(ready)
	if err != nil {
		_ = s.front.Close()
		s.endJobs()
		return nil, failure("serve", cfg.Name, err)
	}
	n.watch(s)
	return s, nil
}

// watch closes the front when the replica has ended.
func (n *Node) watch(s *Service) {
	s.shut = make(chan struct{})
	n.fronts.Go(func() {
		// Without a replica there is nobody to answer: clients see the connection break, and ask another member.
		<-s.replica.Gone()
		s.endJobs()
		if s.front != nil {
			s.err = s.front.Close()
		}
		s.err = errors.Join(s.late, s.err, s.replica.Close())
		close(s.shut)
	})
}

// check says what is wrong with it, or gives the terms of its group.
func (c *ServiceConfig) check(node *Config) (replicated.Terms, error) {
	var err error
	switch {
	case c.Service == nil:
		err = errors.New("there is no Service; give one that executes commands")
	case c.Socket == "":
		err = errors.New("there is no Socket; name the path at which clients come in")
	case c.Data != "" && !filepath.IsAbs(c.Data):
		err = fmt.Errorf("the path Data is %q; give an absolute path, for what is kept must be found again", c.Data)
	case c.Durability != "":
		err = fmt.Errorf("the choice Durability is %q, and the style is %v, which has a log if there is Data; leave it out", c.Durability, c.Style)
	case slices.Contains(node.Witnesses, node.Name):
		err = fmt.Errorf("%s is a witness, and a witness keeps no replica; call Join with GroupConfig.Service", node.Name)
	}
	if err != nil {
		return replicated.Terms{}, err
	}
	return c.terms(node)
}

// disk opens the service's log; nil if it has none.
func (c *ServiceConfig) disk() *driver.Disk {
	if c.Data == "" {
		return nil
	}
	return &driver.Disk{Path: c.Data, Open: func(j journal.Config, state journal.State) (driver.Log, journal.Recovered, error) {
		l, found, err := disk.Open(disk.Config{Path: c.Data, Journal: j}, state)
		if err != nil {
			return nil, found, err // not a Log that is none
		}
		return l, found, nil
	}}
}

// tellDivergence logs what a replica says of the others, or of itself.
func (n *Node) tellDivergence(service string, c replica.Command) {
	if n.cfg.Logger == nil {
		return
	}
	var names []string
	for _, m := range c.Members {
		names = append(names, n.nameOf(int(m.ID)))
	}
	if c.Verb == replica.Halted && c.Err != nil && len(c.Members) > 0 {
		n.cfg.Logger.Error("the state of this member is damaged and nobody else has one: the service has stopped, and the state is given to nobody. Restart this process",
			"service", service, "command", c.Index, "error", c.Err)
		return
	}
	if n.tellTwo(service, &c) {
		return
	}
	log := n.cfg.Logger.With("service", service, "members", names, "command", c.Index, "certain", c.Sure, "request", session.Words(c.Request))
	switch c.Verb {
	case replica.Diverged:
		log.Error("replicas differ: these members have diverged and are given the state of the others")
	case replica.Halted:
		log.Error("replicas differ and no majority agrees: the service is not deterministic; it has stopped. Mend it, and restart all members")
	}
}

// Await waits until this member has the state and serves, or the replica has ended, for at
// most a time; it reports whether it serves.
func (s *Service) Await(most time.Duration) bool {
	for end := time.Now().Add(most); time.Now().Before(end); {
		if serves, open := s.replica.Serves(); serves || !open {
			return serves
		}
		select {
		case <-s.replica.Gone():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// Ready waits until this member has the state and serves. If ctx ends before, the error is an [*Error]
// of kind [Waiting], and says what was waited for: who is not heard, who refuses this member, and
// in what its configuration differs from theirs. What is wrong may be put right at another member; so the replica
// goes on asking. If the replica has ended, the error is that of Err.
func (s *Service) Ready(ctx context.Context) error {
	for {
		if serves, _ := s.replica.Serves(); serves {
			return nil
		}
		select {
		case <-s.replica.Gone():
			return s.Err()
		case <-ctx.Done():
			return failure("serve", s.name, fmt.Errorf("%w while waiting to be let in%s", ctx.Err(), s.replica.Why()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Done is closed when the replica has ended: by Close, with its node, or by a failure; Err says
// which.
func (s *Service) Done() <-chan struct{} { return s.replica.Gone() }

// Err says why the replica has ended; nil while it has not.
func (s *Service) Err() error {
	if err := s.replica.Err(); err != nil {
		return failure("serve", s.name, err)
	}
	return nil
}

// Close leaves the service and closes the socket. Clients go on with the other members.
func (s *Service) Close() error {
	s.replica.Leave()
	select {
	case <-s.shut:
		return s.err
	case <-time.After(leaveMax):
		if s.front == nil {
			return nil
		}
		return s.front.Close()
	}
}

// leaveMax is how long the others may take to let this member go.
const leaveMax = 5 * time.Second
