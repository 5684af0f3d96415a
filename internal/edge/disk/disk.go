// Package disk keeps a journal in a directory: the files under package journal.
//
// A [Log] takes appends without waiting. One goroutine writes what has gathered, syncs it
// with fdatasync, and tells by a descriptor that [Log.Completed] has news: group commit. It
// is the only goroutine an edge starts, for no descriptor becomes ready when a disk has
// synced; [Log.Close] waits for its end.
//
// The directory is the log's own: mode 0700, made if it is not there, locked by flock(2)
// as long as the log is open, so that two processes never write to it. Files are allocated
// with fallocate(2) before they are written: a disk that is full is found when a segment
// begins, and an append within an allocated page changes no metadata (measured on ext4 over a
// virtual disk: fdatasync after 128 bytes takes 145 µs in place of 185 µs; of a whole page
// it is the same, for the extent must be marked as written).
//
// A full disk, a short write and a failed sync are final: [Log.Completed] tells the error
// once, nothing more is taken or written, no sync is tried again. What was not told
// durable is not durable. Before recovery reads a file, it syncs it and has the kernel forget
// its pages (posix_fadvise(2), POSIX_FADV_DONTNEED), so that it reads what the disk has and not what the
// kernel holds after a failed sync.
//
// Formats and promises: docs/rfc/0014-journal.md and package journal. System calls:
// fdatasync(2), fallocate(2), flock(2), eventfd(2).
package disk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// OpError says which operation failed. Err says why and what to do.
type OpError struct {
	Op  string // "open", "append", "snapshot", "reset", "write", "close"
	Err error
}

// Error gives the operation and its cause.
func (e *OpError) Error() string { return "disk: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Config says where a journal is, and whose.
type Config struct {
	// Path is the directory. It is made if its parent is there, and must be closed to other
	// users.
	Path string
	// Journal says whose it is, and its bounds. Salt is drawn by Open.
	Journal journal.Config
}

// Log is an open journal in a directory. Its methods may be called by several goroutines;
// none but Close waits for the disk.
type Log struct {
	path   string
	dir    *directory
	lock   *lock
	event  int           // eventfd: readable when there is news
	ended  chan struct{} // closed when the goroutine has ended
	mu     sync.Mutex
	work   *sync.Cond // there may be a job
	log    *journal.Log
	err    error // the end, for Close
	closed bool
}

// Open recovers the journal in a directory into state, and opens it. It waits for the disk. A
// journal that is damaged or somebody else's is refused with a [*journal.Refusal] in the error.
func Open(c Config, state journal.State) (*Log, journal.Recovered, error) {
	l, found, err := open(c, state, func(d *directory) journal.Dir { return d })
	if err != nil {
		return nil, found, &OpError{Op: "open", Err: fmt.Errorf("%s: %w", c.Path, err)}
	}
	return l, found, nil
}

// open opens a directory, as between makes it: tests put faults between.
func open(c Config, state journal.State, between func(*directory) journal.Dir) (_ *Log, found journal.Recovered, err error) {
	l := &Log{path: c.Path, event: -1, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	if l.dir, err = openDirectory(c.Path); err != nil {
		return nil, found, err
	}
	if l.lock, err = takeLock(l.dir); err != nil {
		return nil, found, err
	}
	var salt [8]byte
	_, _ = rand.Read(salt[:]) // never fails
	c.Journal.Salt = binary.NativeEndian.Uint64(salt[:])
	if l.log, found, err = journal.Open(between(l.dir), c.Journal, state); err != nil {
		return nil, found, err
	}
	if l.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, found, fmt.Errorf("make an eventfd: %w", err)
	}
	l.work = sync.NewCond(&l.mu)
	go l.run()
	return l, found, nil
}

// release lets go of what is open.
func (l *Log) release() {
	if l.event >= 0 {
		_ = unix.Close(l.event)
	}
	if l.lock != nil {
		l.lock.release()
	}
	if l.dir != nil {
		l.dir.close()
	}
}

// run does the jobs of the log until it ends. It is the goroutine.
func (l *Log) run() {
	defer close(l.ended)
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.log.Ended() {
		j := l.log.Next()
		if j == nil {
			l.work.Wait()
			continue
		}
		l.mu.Unlock()
		j.Do()
		l.mu.Lock()
		told := l.log.News()
		l.log.Done(j)
		if l.log.News() && !told && !l.closed {
			l.tell()
		}
	}
}

// tell makes the descriptor readable.
func (l *Log) tell() {
	one := [8]byte{}
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(l.event, one[:]) // it fails only when it is readable anyway
}

// Append takes records, which are copied, and gives the index of the last one. It does
// not wait. All are taken or none; errors.Is tells journal.ErrFull, ErrCrowded, ErrFailed and
// ErrClosed.
func (l *Log) Append(records ...[]byte) (last uint64, err error) {
	l.mu.Lock()
	last, err = l.log.Append(records...)
	l.mu.Unlock()
	l.work.Signal()
	return last, wrap("append", err)
}

// Snapshot asks for the snapshot that stands for all records up to index. It does not
// wait: source is read by the log's goroutine until Completed tells it durable or
// abandoned. errors.Is tells journal.ErrBusy, ErrFailed and ErrClosed.
func (l *Log) Snapshot(index uint64, source io.Reader) error {
	l.mu.Lock()
	err := l.log.Snapshot(index, source)
	l.mu.Unlock()
	l.work.Signal()
	return wrap("snapshot", err)
}

// Reset puts a snapshot from elsewhere in the place of everything: see journal.Log. It does
// not wait.
func (l *Log) Reset(index uint64, source io.Reader) error {
	l.mu.Lock()
	err := l.log.Reset(index, source)
	l.mu.Unlock()
	l.work.Signal()
	return wrap("reset", err)
}

// wrap names the operation of an error.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Err: err}
}

// FD is a descriptor that is readable when Completed has news.
func (l *Log) FD() int { return l.event }

// Completed tells what the disk has come to, and makes the descriptor unreadable until
// there is more. An error is told once, and is the end.
func (l *Log) Completed() journal.Completion {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.log.News() && !l.closed {
		var count [8]byte
		_, _ = unix.Read(l.event, count[:])
	}
	c := l.log.Completed()
	if c.Err != nil {
		l.err = &OpError{Op: "write", Err: fmt.Errorf("%s: %w; nothing more is written: mend the disk and restart the process", l.path, c.Err)}
		c.Err = l.err
	}
	return c
}

// Last is the index of the last record appended, or recovered.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Last()
}

// Stats counts.
func (l *Log) Stats() journal.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Stats()
}

// Close writes what was appended, waits until it is durable and closes the log. The error is
// the one that the log has ended with, or nil if all is durable. A snapshot that is not
// complete is given up.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return wrap("close", journal.ErrClosed)
	}
	l.closed = true
	l.log.Close()
	l.mu.Unlock()
	l.work.Signal()
	<-l.ended
	c := l.Completed()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release()
	l.event = -1
	if c.Err == nil && l.err == nil && c.Durable < l.log.Last() {
		return wrap("close", errors.New("the last records are not durable"))
	}
	return l.err
}
