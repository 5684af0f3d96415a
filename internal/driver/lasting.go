package driver

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	records "github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/stack/cohort"
	"github.com/holdfast-ha/holdfast/protocol/stack/duo"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
)

// recordMax is the longest record of a replica: a request, and what the store writes before it.
const recordMax = session.RequestMax + 64

// Log is a replica's log on a disk. internal/edge/disk has it.
type Log interface {
	replicated.Journal
	FD() int // readable when Completed has news
	Close() error
}

// Disk is where a replica has its log.
type Disk struct {
	Path string // for people
	Open func(cfg records.Config, state records.State) (Log, records.Recovered, error)
}

// lasting is what a replica has on a disk.
type lasting struct {
	path  string
	store *replicated.Store // of a member of a group
	pair  *duo.Log          // of one of two servers
	log   Log
	found records.Recovered
}

// recoverFrom reads what the disk has, and executes it again.
func (r *Replica) recoverFrom(d *Disk) error {
	c := r.c
	l := &lasting{path: d.Path}
	var state interface {
		records.State
		Use(log replicated.Journal, last uint64)
	}
	if r.cfg.Two != nil {
		l.pair = duo.NewLog(r.exec, 0)
		state = l.pair
	} else {
		l.store = replicated.NewStore(r.exec, r.cfg.Terms.Style, 0)
		state = l.store
	}
	var err error
	l.log, l.found, err = d.Open(records.Config{
		Cluster: r.clusterKey(), Member: c.cfg.Node.Self.ID, RecordMax: recordMax,
	}, state)
	if err != nil {
		return r.foreign(d.Path, full(d.Path, err))
	}
	state.Use(l.log, l.found.Last)
	r.lasting = l
	if log := c.cfg.Log; log != nil {
		log.Info("recovered", "service", r.cfg.Group.Name, "data", d.Path, "new", l.found.New, "command", r.exec.Index(),
			"snapshot", l.found.Snapshot, "record", l.found.Last, "cut", l.found.Cut.String())
		if l.found.Instead != "" {
			log.Warn("a snapshot is damaged, and an older one has served in its place", "service", r.cfg.Group.Name, "damaged", l.found.Instead)
		}
	}
	return nil
}

// clusterKey tells what is on this service's disks from what others have there.
func (r *Replica) clusterKey() uint32 { return cohort.Key(r.c.cfg.Cluster + "\n" + r.cfg.Group.Name) }

// full adds what to do when a disk is full.
func full(path string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("the disk of %s is full: make room there, at least 64 MiB, and start again; nothing that a client was told is lost: %w", path, err)
	}
	return err
}

// foreign says in names what a journal says in numbers: that it is somebody else's.
func (r *Replica) foreign(path string, err error) error {
	var no *records.Refusal
	if !errors.As(err, &no) {
		return err
	}
	c := r.c
	switch no.Reason {
	case records.ForeignCluster:
		return fmt.Errorf("what %s has is not of service %q of cluster %q, but of another service or cluster: %w", path, r.cfg.Group.Name, c.cfg.Cluster, err)
	case records.ForeignMember:
		return fmt.Errorf("what %s has is not %s's, but another member's: two must not keep the same: %w", path, c.nameOf(c.cfg.Node.Self.ID), err)
	}
	return err
}

// watchDisk has the owner hear of what the disk does.
func (r *Replica) watchDisk() error {
	fd, err := duplicate(r.lasting.log.FD())
	if err != nil {
		return err
	}
	return r.c.watch(fd, func() { r.c.notify(dueDisk) })
}

// wrote takes what the disk has come to. The owner calls it.
func (r *Replica) wrote() {
	if r.lasting != nil {
		r.replica.Written()
	}
	r.kept()
}

// broken ends the replica if it can have no state; and the node if the disk cannot be written: what is executed from here on could
// not be answered, and what a failed sync has left on the disk only a restart finds out. The
// owner calls it.
func (r *Replica) broken() bool {
	err := r.replica.Failed()
	if err == nil {
		if r.grouped == nil {
			return false
		}
		if err = r.grouped.Void(); err != nil {
			r.grouped.Group().Leave(r.c.time, r.c.out) // others may be served meanwhile
			r.c.withdraw(r)
			r.end(fmt.Errorf("service %q: %w", r.cfg.Group.Name, err))
		}
		return err != nil
	}
	r.c.fail(fmt.Errorf("service %q cannot keep its state: %w", r.cfg.Group.Name, full(r.lasting.path, err)))
	return true
}

// Close writes what the disk does not have yet and lets go of it. The replica must have ended.
func (r *Replica) Close() error {
	if s := r.storing; s != nil {
		s.running.Wait()
		return s.store.Close()
	}
	if k := r.keeping; k != nil {
		k.running.Wait()
		return k.mark.Close()
	}
	if r.lasting == nil {
		return nil
	}
	return r.lasting.log.Close()
}
