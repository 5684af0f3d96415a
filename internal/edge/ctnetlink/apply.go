package ctnetlink

import (
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// step is the form in which an operation is tried next.
type step uint8

const (
	stepDone    step = iota
	stepPut          // create or change
	stepCreate       // create only
	stepChange       // change only
	stepExamine      // ask how it is translated
	stepReplace      // delete what is in the way and create
	stepDelete
)

// messagesPerOp is the largest number of messages of one step, that of stepReplace.
const messagesPerOp = 3

// work is an operation on its way.
type work struct {
	step  step
	drop  uint8 // parts to leave out
	tries uint8
	late  bool       // the master was missing once
	seen  bool       // the entry was examined
	same  bool       // it is translated as it should be
	errno unix.Errno // outcome of the step
}

// sentMessage says to what a message belongs.
type sentMessage struct {
	op     uint16
	ignore bool // its failure is no matter
}

// Apply does the operations in their order, 256 at a time, and calls failed for each
// that could not be done with its index and the kernel's errno, or ErrExists. One that
// meets an obstacle is tried in other forms after the rest of its 256, or not at all if
// one of these concerns the same flow. It waits for the kernel, which takes about three
// microseconds for a flow; a caller with other things to do gives a few hundred
// operations at a time.
//
// err is not nil if the socket failed; the outcome of the operations that failed was
// not called for is then not known. A master goes before the flows related to it.
func (t *Table) Apply(ops []Op, failed func(i int, err error)) error {
	for start := 0; start < len(ops); start += batchMax {
		if err := t.batch(ops[start:min(start+batchMax, len(ops))], start, failed); err != nil {
			t.drain()
			return opError("apply", err)
		}
	}
	return nil
}

func (t *Table) batch(ops []Op, start int, failed func(i int, err error)) error {
	for i := range ops {
		t.work[i] = work{step: firstStep(ops[i].Verb)}
		if ops[i].Flow.Master.Proto != 0 {
			t.work[i].drop = markExpected
		}
	}
	for left := true; left; {
		if err := t.round(ops); err != nil {
			return err
		}
		left = false
		for i := range ops {
			w := &t.work[i]
			if w.step == stepDone {
				continue
			}
			if err := t.next(w, &ops[i]); err != nil {
				w.step = stepDone
				t.stats.Failed++
				failed(start+i, err)
			}
			if w.step != stepDone && w.tries == 1 && overtaken(ops[i:]) {
				w.step = stepDone
			}
			left = left || w.step != stepDone
		}
	}
	return nil
}

// overtaken says whether a later operation concerns the flow of the first. The first, if
// it were tried again, would come after it.
func overtaken(ops []Op) bool {
	f := ops[0].Flow
	for i := 1; i < len(ops); i++ {
		g := ops[i].Flow
		if f.Orig.SrcPort == g.Orig.SrcPort && f.Orig == g.Orig && f.Proto == g.Proto && f.Zone == g.Zone && f.ZoneWay == g.ZoneWay {
			return true
		}
	}
	return false
}

func firstStep(v Verb) step {
	switch v {
	case Change:
		return stepChange
	case Create:
		return stepCreate
	case Delete:
		return stepDelete
	}
	return stepPut
}

// round tries every operation that is not done in its present form.
func (t *Table) round(ops []Op) error {
	t.base, t.count, t.last = t.seq+1, 0, 0
	t.out.b = t.out.b[:0]
	for i := range ops {
		w := &t.work[i]
		if w.step == stepDone {
			continue
		}
		w.errno, w.same = 0, false
		t.write(w, uint16(i), ops[i].Flow)
		if len(t.out.b) >= sendMax {
			if err := t.flush(ops); err != nil {
				return err
			}
		}
	}
	return t.flush(ops)
}

// write appends the messages of one step.
func (t *Table) write(w *work, i uint16, f *flow.Flow) {
	const create, exclusive = unix.NLM_F_CREATE, unix.NLM_F_CREATE | unix.NLM_F_EXCL
	switch w.step {
	case stepPut:
		t.add(i, false, messageNew, create, formPut, f, w.drop)
	case stepCreate:
		t.add(i, false, messageNew, exclusive, formCreate, f, w.drop)
	case stepChange:
		t.add(i, false, messageNew, 0, formChange, f, w.drop)
	case stepExamine:
		t.add(i, false, messageGet, 0, formLookup, f, 0)
	case stepDelete:
		t.add(i, false, messageDelete, 0, formLookup, f, 0)
	case stepReplace:
		t.add(i, true, messageDelete, 0, formLookup, f, 0)
		t.add(i, true, messageDelete, 0, formByReply, f, 0)
		t.add(i, false, messageNew, exclusive, formCreate, f, w.drop)
	}
}

func (t *Table) add(i uint16, ignore bool, kind, flags uint16, form form, f *flow.Flow, drop uint8) {
	t.seq++
	t.sent[t.count] = sentMessage{i, ignore}
	t.count++
	t.out.flow(kind, flags, t.seq, form, f, drop)
}

// flush sends what was written and takes the answers.
func (t *Table) flush(ops []Op) error {
	if t.count == t.last {
		return nil
	}
	t.out.acknowledge()
	t.stats.Messages += uint64(t.count - t.last)
	t.stats.Batches++
	t.last = t.count
	if err := t.sock.send(t.out.b); err != nil {
		return err
	}
	t.out.b = t.out.b[:0]
	errno, err := t.answers(t.seq, func(m message) { t.answer(m, ops) })
	if err != nil {
		return err
	}
	t.outcome(t.seq, errno)
	return nil
}

// answer notes what a message other than the last of a batch came to.
func (t *Table) answer(m message, ops []Op) {
	switch m.kind {
	case unix.NLMSG_ERROR:
		if errno, ok := errnoOf(m.payload); ok {
			t.outcome(m.seq, unix.Errno(errno))
		}
	case messageNew:
		n := m.seq - t.base
		if n >= uint32(t.count) {
			return
		}
		if _, ok := decode(m.payload, &t.found); ok {
			i := t.sent[n].op
			f := ops[i].Flow
			w := &t.work[i]
			w.same = t.found.Orig == f.Orig && t.found.Reply == f.Reply
			if w.drop &^= markExpected; t.found.Status&statusExpected != 0 {
				w.drop |= markExpected
			}
		}
	}
}

func (t *Table) outcome(seq uint32, errno unix.Errno) {
	n := seq - t.base
	if errno == 0 || n >= uint32(t.count) {
		return
	}
	if s := &t.sent[n]; !s.ignore {
		t.work[s.op].errno = errno
	}
}

// next decides from the outcome of a step what is to be tried next; an error is the
// final failure.
func (t *Table) next(w *work, op *Op) error {
	errno := w.errno
	if w.tries++; w.tries > roundMax && errno != 0 {
		return errno
	}
	switch w.step {
	case stepExamine:
		w.seen = true
		if w.step = stepReplace; errno == 0 && w.same {
			w.step = stepChange
		}
		return nil
	case stepReplace:
		if errno == 0 {
			t.stats.Replaced++
		}
	case stepDelete:
		if errno == unix.ENOENT {
			errno = 0
		}
	}
	if errno == 0 {
		w.step = stepDone
		t.countDropped(w)
		return nil
	}
	switch w.step {
	case stepPut, stepCreate, stepReplace:
		return t.afterCreate(w, op.Flow, errno)
	case stepChange:
		return t.afterChange(w, op.Flow, errno)
	}
	return errno
}

// afterCreate looks for another way to put a flow that is not in the table, or of
// which that is not known.
func (t *Table) afterCreate(w *work, f *flow.Flow, errno unix.Errno) error {
	switch {
	case errno == unix.ENOENT && f.Master.Proto != 0 && !w.late:
		// The master may come later in the same batch.
		w.late = true
		return nil
	case errno == unix.ENOENT && w.late && w.drop&dropMaster == 0:
		w.drop |= dropMaster
		return nil
	case w.step == stepPut:
		switch errno {
		case unix.EOPNOTSUPP, unix.EEXIST, unix.EBUSY, unix.EPERM, unix.ENOSPC:
			w.step = stepExamine
			return nil
		}
	case errno == unix.EOPNOTSUPP && f.Helper[0] != 0 && w.drop&dropHelper == 0:
		w.drop |= dropHelper
		return nil
	case errno == unix.EEXIST && w.step == stepReplace:
		return nil // a packet was faster than the two messages; again
	case errno == unix.EEXIST:
		return ErrExists
	}
	return errno
}

// afterChange looks for another way to change a flow.
func (t *Table) afterChange(w *work, f *flow.Flow, errno unix.Errno) error {
	switch errno {
	case unix.ENOENT:
		w.step = stepPut
		return nil
	case unix.EBUSY, unix.EPERM:
		// Either the entry is related where the flow is not, or the reverse, which is
		// seen by looking; or it has a status that cannot be taken back.
		if w.step = stepReplace; !w.seen {
			w.step = stepExamine
		}
		return nil
	case unix.ENOSPC, unix.EOPNOTSUPP:
		if f.Labels != [16]byte{} && w.drop&dropLabels == 0 {
			w.drop |= dropLabels
			return nil
		}
	}
	return errno
}

// countDropped counts what a flow was put without.
func (t *Table) countDropped(w *work) {
	if w.drop&dropMaster != 0 {
		t.stats.Orphans++
	}
	if w.drop&dropHelper != 0 {
		t.stats.Helpless++
	}
	if w.drop&dropLabels != 0 {
		t.stats.Unlabeled++
	}
}
