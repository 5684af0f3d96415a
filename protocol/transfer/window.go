package transfer

import "time"

// detect finds pieces that are lost: others that were asked for a good deal later have
// come. (As RACK does for TCP, RFC 8985, by time and not by number, so that reordering is
// not taken for loss.)
func (m *Machine) detect() {
	j := &m.joiner
	before := j.lost
	for j.length > 0 {
		f := j.queue[j.head]
		if s := j.live(f); s != nil {
			if j.newest-s.at <= j.smooth/4 {
				break
			}
			j.lose(s)
		}
		j.pop()
	}
	if j.lost == before {
		return
	}
	j.slow = false
	if m.ran-j.shrunk <= j.smooth {
		return
	}
	if j.crowded() {
		j.window = max(j.window/2, windowMin)
	} else {
		j.window = min(j.window, max(j.window*7/8, windowLoss))
	}
	j.shrunk, j.came, j.went = m.ran, 0, 0
}

// crowded says whether most of what was asked for since the window shrank was lost: so
// much is not chance but a queue that is too short for the window.
func (j *joiner) crowded() bool { return j.went > j.came }

// live is the slot of a request that is still unanswered, or nil.
func (j *joiner) live(f flight) *slot {
	if f.index < j.base || f.index >= j.asked {
		return nil
	}
	if s := j.slot(f.index); s.serial == f.serial && s.flying {
		return s
	}
	return nil
}

func (j *joiner) lose(s *slot) {
	s.flying = false
	j.flying--
	j.lost++
	j.went++
}

func (j *joiner) pop() {
	j.head = (j.head + 1) % len(j.queue)
	j.length--
}

// timeout is how long a request may be unanswered.
func (j *joiner) timeout() time.Duration {
	if j.smooth == 0 {
		return min(retryStart<<j.backoff, retryMax)
	}
	return min(max(j.smooth+4*j.spread, retryMin)<<j.backoff, retryMax)
}

// retry is for what is due: requests that were not answered are lost, and the window is
// too large; or the sum has not come by itself.
func (m *Machine) retry(out *Output) {
	j := &m.joiner
	if !j.active || m.ran < j.due {
		return
	}
	if j.closing {
		m.said.kind, m.said.cut, m.said.life, m.said.count = kindWant, j.cut, j.donor.Incarnation, 0
		m.send(j.donor.ID, out)
		j.backoff = min(j.backoff+1, backoffMax)
		j.due = m.ran + m.shift(j.timeout())
		return
	}
	limit, before := m.ran-j.timeout(), j.lost
	for j.length > 0 {
		s := j.live(j.queue[j.head])
		if s != nil && s.at > limit {
			break
		}
		if s != nil {
			j.lose(s)
		}
		j.pop()
	}
	if j.lost > before {
		least := windowLoss
		if j.backoff > 0 || j.crowded() {
			least = windowMin // nothing came since the last time, or not much
		}
		j.window, j.slow, j.credit = min(j.window, max(j.window/2, least)), false, 0
		j.came, j.went = 0, 0
		j.backoff = min(j.backoff+1, backoffMax)
	}
	m.pull(out)
}

// pull asks for as many pieces as the window has room for, lost ones first.
func (m *Machine) pull(out *Output) {
	j := &m.joiner
	if j.bytes == j.total {
		if !j.closing {
			// The sum follows the last piece if the donor has it.
			j.closing, j.backoff = true, 0
			j.due = m.ran + max(j.smooth, retryMin)
		}
		return
	}
	room := j.window - j.flying
	if j.flying > 0 && room < min(j.window/4, batchMax) {
		m.schedule()
		return
	}
	m.said.kind, m.said.cut, m.said.life, m.said.count = kindWant, j.cut, j.donor.Incarnation, 0
	for i := j.base; room > 0 && j.lost > 0 && i < j.asked && canary != Forgetful; i++ {
		if s := j.slot(i); !s.whole && !s.flying {
			j.lost--
			room--
			m.request(i, s, out)
		}
	}
	for ; room > 0 && j.asked < min(j.count(), j.base+windowMax) && j.length < len(j.queue); room-- {
		j.asked++
		m.request(j.asked-1, j.slot(j.asked-1), out)
	}
	if m.said.count > 0 {
		m.send(j.donor.ID, out)
	}
	m.schedule()
}

// request adds a piece to the request that is being made, and sends that if it is full.
func (m *Machine) request(index uint64, s *slot, out *Output) {
	j, w := &m.joiner, &m.said
	r := span{index*pieceSize + uint64(s.have), pieceSize - int(s.have)}
	if j.total != unknown {
		r.size = int(min(uint64(r.size), j.total-r.offset))
	}
	j.serial++
	s.serial, s.at, s.flying = j.serial, m.ran, true
	s.tries = min(s.tries, 254) + 1
	j.flying++
	j.queue[(j.head+j.length)%len(j.queue)] = flight{index, j.serial}
	j.length++
	if n := w.count; n > 0 {
		if before := &w.ranges[n-1]; before.offset+uint64(before.size) == r.offset && before.size+r.size <= askMax {
			before.size += r.size
			return
		}
	}
	if w.count == rangesMax {
		m.send(j.donor.ID, out)
		w.count = 0
	}
	w.ranges[w.count] = r
	w.count++
}

// schedule computes when the oldest request that is unanswered is due.
func (m *Machine) schedule() {
	j := &m.joiner
	for j.length > 0 && j.live(j.queue[j.head]) == nil {
		j.pop()
	}
	since := m.ran
	if j.length > 0 {
		since = j.slot(j.queue[j.head].index).at
	}
	j.due = max(since+m.shift(j.timeout()), m.ran+1)
}

// shift makes a time up to a tenth longer by chance, so that joiners do not fall into step.
func (m *Machine) shift(d time.Duration) time.Duration {
	if m.rng == nil {
		return d
	}
	return d + time.Duration(m.rng.Int64N(int64(d)/10+1))
}
