package journal

import (
	"fmt"
	"io"
)

// Log is an open journal. Append, Snapshot, Reset, Completed and Close only take notes; what
// they ask for is done by jobs: while [Log.Next] gives one, somebody calls [Job.Do] on
// it, which waits for the disk, and then gives it back to [Log.Done]. Every method but Do is
// short, and one goroutine at a time calls them; Do may run beside them.
type Log struct {
	cfg     Config
	w       *writer
	last    uint64 // index of the last record appended
	waiting batch
	spare   batch
	round   uint64 // how many resets there have been
	request *request
	stale   *snapshotWriter // of a request that was given up
	turn    bool            // the next job is a piece of the snapshot
	job     Job
	out     bool // the job is being done
	told    Completion
	news    bool // told has something that was not given
	stats   Stats
	failed  bool
	closed  bool
	ended   bool
}

// Completion is what the disk has come to.
type Completion struct {
	// Durable is the index up to which every record is durable, the snapshot's included. It
	// grows, but for a Reset: after that it is 0 until the snapshot is durable.
	Durable uint64
	// Snapshot is the index of the newest durable snapshot; 0 if there is none.
	Snapshot uint64
	// Abandoned is the error of a snapshot's source. The snapshot is given up, the log goes
	// on. It is given once.
	Abandoned error
	// Err is the end: nothing that is not durable now will be. It is given once.
	Err error
}

// Stats is what a log has done in this life.
type Stats struct {
	Records   uint64 // written
	Bytes     uint64 // written with their heads, without snapshots
	Commits   uint64 // writes that were made durable together
	Snapshots uint64 // durable
	Segments  int    // there are now
	Pending   int    // bytes that wait to be written
}

// request is a snapshot that is asked for.
type request struct {
	index  uint64
	source io.Reader
	reset  bool
	writer *snapshotWriter // nil before its first piece
}

// Open recovers a journal and opens it. The error is a [*Refusal], an [*OpError] of the
// directory or of the state, or says what is wrong with the configuration.
func Open(dir Dir, cfg Config, state State) (*Log, Recovered, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, Recovered{}, err
	}
	w, found, err := recoverFrom(dir, cfg, state)
	if err != nil {
		return nil, Recovered{}, err
	}
	l := &Log{cfg: cfg, w: w, last: found.Last}
	l.told = Completion{Durable: found.Last, Snapshot: found.Snapshot}
	l.stats.Segments = len(w.segments)
	return l, found, nil
}

// Append takes records, copies them and gives the index of the last one; they have the
// indexes after the last one before. All are taken or none: the error is one of this
// package's sentinels, or says which record is too long.
func (l *Log) Append(records ...[]byte) (last uint64, err error) {
	if err := l.open(); err != nil {
		return l.last, err
	}
	if l.stats.Segments >= l.cfg.SegmentsMax {
		return l.last, ErrCrowded
	}
	size := len(l.waiting.bytes)
	for i, record := range records {
		if len(record) > l.cfg.RecordMax {
			return l.last, fmt.Errorf("record %d of %d has %d bytes; at most %d are allowed", i+1, len(records), len(record), l.cfg.RecordMax)
		}
		size += frameSize(len(record))
	}
	if size > l.cfg.PendingMax {
		return l.last, ErrFull
	}
	for _, record := range records {
		l.waiting.add(record)
	}
	l.last += uint64(len(records))
	return l.last, nil
}

// open says why nothing is taken, if so.
func (l *Log) open() error {
	switch {
	case l.closed:
		return ErrClosed
	case l.failed:
		return ErrFailed
	}
	return nil
}

// Last is the index of the last record appended, or recovered.
func (l *Log) Last() uint64 { return l.last }

// Snapshot asks for the snapshot that stands for all records up to index, which must have
// been appended. It is read from source, in pieces, by the jobs that follow, between which
// records are made durable; source belongs to them until Completed tells the snapshot
// durable or abandoned. Older snapshots and segments that are not needed any more are removed then.
func (l *Log) Snapshot(index uint64, source io.Reader) error {
	if err := l.open(); err != nil {
		return err
	}
	if l.request != nil {
		return ErrBusy
	}
	if index > l.last || index < l.told.Snapshot {
		return fmt.Errorf("a snapshot of record %d: it must stand for a record from %d to %d", index, l.told.Snapshot, l.last)
	}
	l.request, l.turn = &request{index: index, source: source}, false
	return nil
}

// Reset puts a snapshot from elsewhere in the place of everything: of all records, older or
// newer, and of the snapshots. The next record has the index after it. What waits to
// be written is dropped, and nothing is told durable before the snapshot is. An error of
// source is final, for nothing is right any more. Until the snapshot is durable, recovery
// finds what was there before.
func (l *Log) Reset(index uint64, source io.Reader) error {
	if err := l.open(); err != nil {
		return err
	}
	l.drop()
	l.round++
	l.waiting.reset()
	l.last = index
	l.told.Durable, l.told.Snapshot, l.told.Abandoned = 0, 0, nil
	l.request = &request{index: index, source: source, reset: true}
	return nil
}

// drop gives up the snapshot that is being written. A job that is out with it sees it
// to the end of its piece.
func (l *Log) drop() {
	if l.request == nil {
		return
	}
	if r := l.request; (!l.out || l.job.request != r) && r.writer != nil {
		l.stale = r.writer // one that was not begun leaves what is to be put away as it is
	}
	l.request = nil
}

// Completed tells what the disk has come to. What is told once is told by this call.
func (l *Log) Completed() Completion {
	c := l.told
	l.news = false
	l.told.Abandoned, l.told.Err = nil, nil
	return c
}

// News says whether Completed has something to tell that it has not told.
func (l *Log) News() bool { return l.news }

// Stats counts.
func (l *Log) Stats() Stats {
	s := l.stats
	s.Pending = len(l.waiting.bytes)
	return s
}

// Close takes nothing more. What was appended before is still written by the jobs that
// follow; a snapshot that is not complete is given up. The log is closed when Ended says so.
func (l *Log) Close() {
	if l.closed {
		return
	}
	l.closed = true
	if l.request != nil && !l.request.reset {
		l.drop()
	}
}

// Ended says that the log is closed and no job will follow.
func (l *Log) Ended() bool { return l.ended }
