package simdisk

import (
	"io"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// Log is a journal on a simulated disk. It has the methods of internal/edge/disk, and
// virtual time in place of a goroutine: who owns it calls Advance when Deadline comes, and
// before anything else at a time.
type Log struct {
	*journal.Log
	disk *Disk
	job  *journal.Job // that is being done; nil if none is
	due  time.Duration
}

// Open recovers the journal on a disk, in no time.
func Open(disk *Disk, cfg journal.Config, state journal.State) (*Log, journal.Recovered, error) {
	l, found, err := journal.Open(disk, cfg, state)
	if err != nil {
		return nil, found, err
	}
	disk.settle()
	disk.end = disk.now
	return &Log{Log: l, disk: disk}, found, nil
}

// Append takes records; see journal.Log.
func (l *Log) Append(records ...[]byte) (uint64, error) {
	last, err := l.Log.Append(records...)
	l.start()
	return last, err
}

// Snapshot asks for a snapshot; see journal.Log.
func (l *Log) Snapshot(index uint64, source io.Reader) error {
	err := l.Log.Snapshot(index, source)
	l.start()
	return err
}

// Reset puts a snapshot in the place of everything; see journal.Log.
func (l *Log) Reset(index uint64, source io.Reader) error {
	err := l.Log.Reset(index, source)
	l.start()
	return err
}

// Close takes nothing more; what was appended is still written, by Advance.
func (l *Log) Close() {
	l.Log.Close()
	l.start()
}

// Deadline is when the disk has done something; 0: it does nothing.
func (l *Log) Deadline() time.Duration {
	if l.job == nil {
		return 0
	}
	return max(l.due, 1)
}

// Advance lets time pass, and says whether Completed has something to tell.
func (l *Log) Advance(now time.Duration) bool {
	for l.job != nil && l.Deadline() <= now {
		l.disk.Advance(l.due)
		l.Log.Done(l.job)
		l.job = nil
		l.start()
	}
	l.disk.Advance(now)
	return l.Log.News()
}

// start begins the next job, if none is being done.
func (l *Log) start() {
	if l.job != nil {
		return
	}
	if l.job = l.Log.Next(); l.job != nil {
		l.job.Do()
		l.due = l.disk.Busy()
	}
}
