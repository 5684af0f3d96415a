package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/journal"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Shared is a store in a directory that two processes reach, of which one writes: a journal for each epoch, and files whose
// names say which epochs have claimed the store. docs/rfc/0026-store.md has the formats, and the argument why an
// epoch that was claimed later keeps the earlier from being answered, without a lock that a stopped process could hold:
//
//   - who claims makes the name of its epoch durable, and only then reads what the former has written;
//   - who writes makes its records durable, and only then looks at the names: if there is a later one, it says
//     that it is fenced. So either who claims finds the records, or who wrote them finds the claim.
//
// This takes a file system on which what one process has written or named is seen by the other at once: a local one (both
// processes on one machine), GFS2, OCFS2, CephFS; NFS only mounted with noac on both machines. On others two may believe to write.
//
// Its methods wait for the disk; one goroutine at a time calls them.
type Shared struct {
	dir     *directory
	lock    *os.File
	cluster uint32
	epoch   uint64 // that this process has claimed; 0: none
	log     *Log   // of that epoch; nil before it is loaded
	writes  uint64
	counter *os.File
}

const (
	epochPrefix   = "epoch-"
	wholePrefix   = "whole-"
	journalPrefix = "journal-"
	writesName    = "writes"

	// loadTries is how often a journal is read to which its former owner still writes.
	loadTries = 5

	// pieceSize is how much of a checkpoint is handed over at once, bytes.
	pieceSize = 1 << 20
)

// OpenShared opens the store of a service in a directory, which is made if its parent is there. A second process of the same
// member is refused.
func OpenShared(path string, cluster uint32, member view.ID) (*Shared, error) {
	s := &Shared{cluster: cluster}
	if err := s.open(path, member); err != nil {
		s.release()
		return nil, &OpError{Op: "open", Err: fmt.Errorf("%s: %w", path, err)}
	}
	return s, nil
}

func (s *Shared) open(path string, member view.ID) (err error) {
	if s.dir, err = openDirectory(path); err != nil {
		return err
	}
	if s.lock, err = os.OpenFile(s.dir.in(fmt.Sprintf("member-%d", member)), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another process is %v there; stop it, or name another directory: %w", member, err)
	}
	s.counter, err = os.OpenFile(s.dir.in(writesName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	return err
}

// Close lets go of the store.
func (s *Shared) Close() error {
	err := s.closeLog()
	s.release()
	return err
}

func (s *Shared) release() {
	if s.counter != nil {
		_ = s.counter.Close()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
	if s.dir != nil {
		s.dir.close()
	}
}

func (s *Shared) closeLog() error {
	if s.log == nil {
		return nil
	}
	l := s.log
	s.log = nil
	return l.Close()
}

func name(prefix string, epoch uint64) string { return fmt.Sprintf("%s%016x", prefix, epoch) }

// highest is the highest epoch of which there is a name with a prefix; 0: none.
func (s *Shared) highest(prefix string) (highest uint64, err error) {
	names, err := s.dir.List()
	for _, n := range names {
		if rest, is := strings.CutPrefix(n, prefix); is && len(rest) == 16 {
			if epoch, err := strconv.ParseUint(rest, 16, 64); err == nil {
				highest = max(highest, epoch)
			}
		}
	}
	return highest, err
}

// Look gives the epoch that has claimed the store last, and a number that is another one when it was written to.
func (s *Shared) Look() (epoch, writes uint64, err error) {
	if epoch, err = s.highest(epochPrefix); err != nil {
		return 0, 0, wrap("look at the store", err)
	}
	var b [16]byte
	if _, err := s.counter.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, wrap("look at the store", err)
	}
	return epoch, binary.BigEndian.Uint64(b[:8])*0x9e3779b97f4a7c15 + binary.BigEndian.Uint64(b[8:]), nil
}

// wrote counts a write, for who looks, and says whether the store belongs to a later epoch.
func (s *Shared) wrote(epoch uint64) (fenced bool, err error) {
	var b [16]byte
	s.writes++
	binary.BigEndian.PutUint64(b[:8], epoch)
	binary.BigEndian.PutUint64(b[8:], s.writes)
	if _, err := s.counter.WriteAt(b[:], 0); err != nil {
		return false, err
	}
	highest, err := s.highest(epochPrefix)
	return highest != epoch, err
}

// judge is what came of a write: an error that came of the claim of a later epoch is none.
func (s *Shared) judge(op string, epoch uint64, fenced bool, err error) (bool, error) {
	if err == nil {
		return fenced, nil
	}
	if highest, failed := s.highest(epochPrefix); failed == nil && highest > epoch {
		return true, nil // who claimed it removes what is of no use to it
	}
	return false, wrap(op, err)
}

// Claim makes the store an epoch's, unless it belongs to a later one. It gives the epoch that it belongs to.
func (s *Shared) Claim(epoch uint64) (now uint64, fenced bool, err error) {
	_ = s.closeLog() // of an epoch of this process that has resigned
	s.epoch = 0
	highest, err := s.highest(epochPrefix)
	if err != nil || highest >= epoch {
		return highest, err == nil, wrap("claim the store", err)
	}
	if err := s.touch(name(epochPrefix, epoch)); err != nil {
		return highest, false, wrap("claim the store", err)
	}
	if highest, err = s.highest(epochPrefix); err != nil || highest != epoch {
		return highest, err == nil, wrap("claim the store", err)
	}
	s.epoch = epoch
	return epoch, false, nil
}

// touch makes a name, durably.
func (s *Shared) touch(file string) error {
	f, err := os.OpenFile(s.dir.in(file), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), s.dir.Sync())
}

// Load gives what is in the store, in order, and copies it to this epoch's own journal, which takes the place of the former when it
// is whole. Epoch is the one that was claimed.
func (s *Shared) Load(epoch uint64, piece func([]byte), entry func(index uint64, data []byte)) (fenced bool, err error) {
	if epoch != s.epoch {
		return true, nil
	}
	if err = s.load(epoch, piece, entry); err == nil {
		fenced, err = s.wrote(epoch)
	}
	if fenced, err = s.judge("load the store", epoch, fenced, err); err == nil && !fenced {
		s.sweep(epoch)
	}
	return fenced, err
}

func (s *Shared) config() journal.Config {
	return journal.Config{Cluster: s.cluster, Member: 1, RecordMax: sharedRecordMax}
}

// sharedRecordMax is the longest record of a store in bytes: a request, and what stands before it.
const sharedRecordMax = 1<<20 + 1024

func (s *Shared) load(epoch uint64, piece func([]byte), entry func(index uint64, data []byte)) error {
	former, err := s.highest(wholePrefix)
	if err != nil {
		return err
	}
	var c contents
	for try := 1; former != 0; try++ {
		c = contents{}
		var refusal *journal.Refusal
		if err = c.read(s.dir.in(name(journalPrefix, former)), s.config()); err == nil {
			break
		}
		if !errors.As(err, &refusal) || try == loadTries {
			return err
		}
		_, _ = unix.Poll(nil, 20) // its owner may be writing, and does not for long
	}
	for rest := c.checkpoint; len(rest) > 0; {
		n := min(len(rest), pieceSize)
		piece(rest[:n])
		rest = rest[n:]
	}
	for i, r := range c.records {
		if at := c.first + uint64(i); at > 1 { // the first of all is none
			entry(at-1, r)
		}
	}
	return s.adopt(epoch, &c)
}

// adopt makes the journal of an epoch from what the former has.
func (s *Shared) adopt(epoch uint64, c *contents) error {
	_ = s.closeLog() // loaded before; a later epoch may have removed it
	var nobody empty
	l, found, err := Open(Config{Path: s.dir.in(name(journalPrefix, epoch)), Journal: s.config()}, nobody)
	if err != nil {
		return err
	}
	s.log = l
	if !found.New {
		return fmt.Errorf("there is a journal of epoch %d already; it is another store's", epoch)
	}
	if c.checkpoint != nil {
		if err := l.Reset(c.first-1, bytes.NewReader(c.checkpoint)); err != nil {
			return err
		}
		if err := s.await(func(c journal.Completion) bool { return c.Snapshot > 0 }); err != nil {
			return err
		}
	} else if len(c.records) == 0 {
		c.records = [][]byte{{0}} // so that what follows has indexes that a snapshot may have
	}
	if err := s.append(c.records); err != nil {
		return err
	}
	return s.touch(name(wholePrefix, epoch))
}

// append appends records and waits until they are durable.
func (s *Shared) append(records [][]byte) error {
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size+len(records[n]) < pieceSize) {
			size += len(records[n]) + 64
			n++
		}
		last, err := s.log.Append(records[:n]...)
		if err != nil {
			return err
		}
		if err := s.await(func(c journal.Completion) bool { return c.Durable >= last }); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// await waits until the disk has come to something.
func (s *Shared) await(is func(journal.Completion) bool) error {
	for {
		c := s.log.Completed()
		switch {
		case c.Err != nil:
			return c.Err
		case c.Abandoned != nil:
			return c.Abandoned
		case is(c):
			return nil
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.log.FD()), Events: unix.POLLIN}}, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for the disk: %w", err)
		}
	}
}

// Record appends the records of commands as of an index.
func (s *Shared) Record(epoch, first uint64, records [][]byte) (fenced bool, err error) {
	if epoch != s.epoch || s.log == nil {
		return true, nil
	}
	if last := s.log.Last(); last != first {
		return false, wrap("record", fmt.Errorf("command %d after command %d; the store is out of order", first, last-1))
	}
	if err = s.append(records); err == nil {
		fenced, err = s.wrote(epoch)
	}
	return s.judge("record", epoch, fenced, err)
}

// Checkpoint keeps a state in place of the former one and of the records up to an index.
func (s *Shared) Checkpoint(epoch, index uint64, data []byte) (fenced bool, err error) {
	if epoch != s.epoch || s.log == nil {
		return true, nil
	}
	if err = s.log.Snapshot(index+1, bytes.NewReader(data)); err == nil {
		err = s.await(func(c journal.Completion) bool { return c.Snapshot == index+1 })
	}
	if err == nil {
		fenced, err = s.wrote(epoch)
	}
	return s.judge("checkpoint", epoch, fenced, err)
}

// Beat counts as a write.
func (s *Shared) Beat(epoch uint64) (fenced bool, err error) {
	if epoch != s.epoch {
		return true, nil
	}
	fenced, err = s.wrote(epoch)
	return s.judge("beat", epoch, fenced, err)
}

// sweep removes what earlier epochs have left. What cannot be removed is in nobody's way.
func (s *Shared) sweep(epoch uint64) {
	names, _ := s.dir.List()
	for _, prefix := range []string{wholePrefix, journalPrefix, epochPrefix} { // a journal is not found without its name
		for _, n := range names {
			rest, is := strings.CutPrefix(n, prefix)
			if e, err := strconv.ParseUint(rest, 16, 64); is && err == nil && len(rest) == 16 && e < epoch {
				_ = os.RemoveAll(s.dir.in(n))
			}
		}
	}
}

// contents are what a journal has: a checkpoint, and records from an index on.
type contents struct {
	checkpoint []byte
	records    [][]byte
	first      uint64
}

// read reads a journal that somebody may write to, and leaves it as it is.
func (c *contents) read(path string, cfg journal.Config) error {
	d, err := openDirectory(path)
	if err != nil {
		return err
	}
	defer d.close()
	cfg.Salt, c.first = 1, 1
	_, _, err = journal.Open(onlooker{d}, cfg, c)
	return err
}

// Restore takes the checkpoint.
func (c *contents) Restore(index uint64, snapshot io.Reader) (err error) {
	c.first = index + 1
	c.checkpoint, err = io.ReadAll(snapshot)
	return err
}

// Apply takes a record.
func (c *contents) Apply(_ uint64, record []byte) error {
	c.records = append(c.records, bytes.Clone(record))
	return nil
}

// onlooker is a directory that is read and not written to.
type onlooker struct{ *directory }

func (onlooker) Create(string, int64) (journal.File, error) {
	return nil, errors.New("this journal is only read")
}
func (onlooker) Rename(string, string) error { return nil }
func (onlooker) Remove(string) error         { return nil }
func (onlooker) Sync() error                 { return nil }

// empty is the state of a journal that must have none.
type empty struct{}

func (empty) Restore(uint64, io.Reader) error { return errors.New("there is a snapshot already") }
func (empty) Apply(uint64, []byte) error      { return errors.New("there are records already") }
