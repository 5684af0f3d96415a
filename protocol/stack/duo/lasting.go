package duo

import (
	"bytes"
	"time"
)

// lasting keeps answers back until the log has what they stand on. All its methods can be called without one.
type lasting struct {
	log   *Log
	held  []answer
	bytes int  // of held
	news  bool // the disk has done something
}

// answer is one that is kept back.
type answer struct {
	record uint64 // that the disk must have
	to     caller
	data   []byte
}

// kept says whether the disk has the epoch that this member is in, and with it a state.
func (l *lasting) kept() bool { return l == nil || len(l.log.saves) == 0 }

// busy says whether the disk is so far behind that nothing more is to be taken.
func (l *lasting) busy() bool { return l != nil && (l.log.busy() || l.bytes > heldMax) }

// hold keeps an answer back, or says false: it may leave.
func (l *lasting) hold(to caller, data []byte) bool {
	switch {
	case l == nil, canary == AnswersUnsaved, !l.log.follows, len(l.held) == 0 && l.log.durable >= l.log.last && l.log.failure == nil:
		return false
	}
	l.held = append(l.held, answer{l.log.last, to, bytes.Clone(data)})
	l.bytes += len(data)
	return true
}

// drop forgets the answers: what they stand on is given up here, and clients ask again.
func (l *lasting) drop() { l.held, l.bytes = nil, 0 }

// log writes what a step has executed, and the epoch that is to be saved.
func (p *pairing) log() {
	l := p.lasting
	if l == nil {
		return
	}
	switch {
	case !p.machine.Follows():
		l.log.lose()
		l.drop()
	case p.out.Save == 0:
		l.log.settle()
	case p.out.Anew:
		l.log.replace(p.out.Save, p.out.Mate)
	default:
		l.log.enter(p.out.Save, p.out.Mate)
	}
	p.out.Save = 0
}

// wrote takes what the disk has come to: epochs that it has, and with those what a member may do now, and answers that may leave.
func (p *pairing) wrote(now time.Time) {
	l := p.lasting
	l.news = false
	for epoch := l.log.progress(); epoch != 0; epoch = l.log.progress() {
		p.machine.Persisted(p.at(now), epoch, nil, &p.out)
		p.m.reap()
	}
	if !l.log.begun && l.log.durable > 0 && l.log.failure == nil {
		l.log.begun = true
		p.machine.Begun()
	}
	n := 0
	for n < len(l.held) && l.held[n].record <= l.log.durable && l.log.failure == nil {
		a := &l.held[n]
		p.m.reply(a.to, a.data)
		l.bytes -= len(a.data)
		a.data = nil // the list behind it may stay long
		n++
	}
	l.held = l.held[n:]
}

// stable is the index up to which commands are at both, or here if this member is alone; and on the disk if there is a log.
func (p *pairing) stable() uint64 {
	if l := p.lasting; l != nil {
		return min(p.machine.Stable(), l.log.saved())
	}
	return p.machine.Stable()
}
