package journal

import "errors"

// work is what a job does.
type work uint8

const (
	workCommit work = iota // write a batch and sync it
	workPiece              // write a piece of a snapshot
	workAbort              // give a snapshot up
	workMark               // testify that the last record is durable
	workClose              // end
)

// Job is something to do with the disk.
type Job struct {
	w       *writer
	work    work
	batch   batch
	request *request
	stale   *snapshotWriter
	round   uint64

	finished  bool // the snapshot is durable
	abandoned error
}

// Next gives what is to do now; nil if nothing is, or if a job is not back yet.
func (l *Log) Next() *Job {
	if l.out || l.ended {
		return nil
	}
	j := &l.job
	*j = Job{w: l.w, round: l.round}
	ready := l.request != nil && (l.request.reset || l.w.durable >= l.request.index)
	switch {
	case l.failed && !l.closed:
		return nil
	case l.failed:
		j.work = workClose
	case l.stale != nil:
		j.work, j.stale, l.stale = workAbort, l.stale, nil
	case ready && (l.turn || l.request.reset || l.waiting.count == 0):
		j.work, j.request, l.turn = workPiece, l.request, false
	case l.waiting.count > 0:
		// The records go with the job, and others gather in the memory of those before.
		j.work, l.turn = workCommit, true
		j.batch, l.waiting, l.spare = l.waiting, l.spare, batch{}
	case l.closed:
		j.work = workClose
	case l.w.needsMark():
		j.work = workMark
	default:
		return nil
	}
	l.out = true
	return j
}

// Do does the job. It waits for the disk.
func (j *Job) Do() {
	switch j.work {
	case workCommit:
		if j.w.append(&j.batch) == nil {
			_ = j.w.sync()
		}
	case workPiece:
		j.piece()
	case workAbort:
		_ = j.stale.abort()
	case workMark:
		_ = j.w.mark()
	case workClose:
		_ = j.w.close()
	}
}

// piece writes a piece of a snapshot, and after the last one makes it durable.
func (j *Job) piece() {
	r := j.request
	if r.writer == nil {
		var err error
		if r.writer, err = j.w.begin(r.index, r.reset); err != nil {
			return
		}
	}
	done, err := r.writer.copy(r.source)
	switch {
	case j.w.failed != nil:
	case err != nil:
		j.abandoned = err
		if r.writer.abort() == nil && r.reset {
			_ = j.w.fail("read", r.writer.place.snapshot(), errors.Join(errors.New("the snapshot that takes the place of everything cannot be read"), err))
		}
	case done:
		j.finished = r.writer.commit() == nil
	}
}

// Done takes a job back that is done.
func (l *Log) Done(j *Job) {
	l.out = false
	w, former := l.w, l.told
	switch j.work {
	case workCommit:
		l.stats.Records += uint64(j.batch.count)
		l.stats.Bytes += uint64(len(j.batch.bytes))
		if w.failed == nil {
			l.stats.Commits++
		}
		if j.round == l.round { // else these are records that a reset has put away
			l.told.Durable = w.durable
		}
		j.batch.reset()
		l.spare = j.batch
	case workPiece:
		l.donePiece(j)
	case workClose:
		l.ended = true
	}
	j.batch = batch{}
	l.stats.Segments = len(w.segments)
	if w.failed != nil && !l.failed {
		l.failed, l.told.Err = true, w.failed
		l.request, l.stale = nil, nil
	}
	l.news = l.news || l.told.Durable != former.Durable || l.told.Snapshot != former.Snapshot ||
		l.told.Abandoned != nil || l.told.Err != nil
}

// donePiece notes what has become of a snapshot.
func (l *Log) donePiece(j *Job) {
	mine := l.request == j.request // and not given up meanwhile
	switch {
	case j.finished:
		l.stats.Snapshots++
		if mine {
			l.told.Snapshot = j.request.index
			l.told.Durable = max(l.told.Durable, j.request.index)
		}
	case j.abandoned != nil:
		if mine && !j.request.reset {
			l.told.Abandoned = j.abandoned
		}
	default:
		if !mine {
			l.stale = j.request.writer
		}
		return
	}
	if mine {
		l.request = nil
	}
}
