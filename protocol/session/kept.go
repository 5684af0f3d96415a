package session

// slot is the place of one number of a session.
type slot struct {
	number uint64 // 0: empty
	sum    uint64 // of the reply
	reply  []byte
}

// kept are the replies that a session keeps: a ring whose slots are found by number. All numbers in it lie
// within as many beyond acked as it has slots, so that no two have the same.
type kept struct {
	slots []slot // as many as a power of two, up to Window
	acked uint64
	count int
	bytes int
	xor   uint64 // of mix(number, sum) of each
}

// find gives a number's reply; nil if there is none.
func (k *kept) find(number uint64) *slot {
	if len(k.slots) == 0 {
		return nil
	}
	if s := &k.slots[number&uint64(len(k.slots)-1)]; s.number == number {
		return s
	}
	return nil
}

// put keeps a reply, in buf's room. number is beyond acked by at most Window and not there yet.
func (k *kept) put(number uint64, reply []byte, digest uint64, buf []byte) {
	if number-k.acked > uint64(len(k.slots)) {
		k.grow(number - k.acked)
	}
	s := &k.slots[number&uint64(len(k.slots)-1)]
	*s = slot{number: number, sum: digest, reply: append(buf[:0], reply...)}
	k.count++
	k.bytes += len(reply)
	k.xor ^= mix(number, digest)
}

func (k *kept) grow(need uint64) {
	size := max(4, len(k.slots))
	for uint64(size) < need {
		size *= 2
	}
	old := k.slots
	k.slots = make([]slot, size)
	for _, s := range old {
		if s.number != 0 {
			k.slots[s.number&uint64(size-1)] = s
		}
	}
}

// ack drops what is acknowledged and gives the buffers to free.
func (k *kept) ack(acked uint64, free *buffers) {
	if acked <= k.acked {
		return
	}
	if acked-k.acked >= uint64(len(k.slots)) {
		for i := range k.slots {
			k.drop(&k.slots[i], free)
		}
	} else {
		for ahead := uint64(1); ahead <= acked-k.acked; ahead++ { // not up to acked, which may be the last number there is
			if s := k.find(k.acked + ahead); s != nil {
				k.drop(s, free)
			}
		}
	}
	k.acked = acked
}

func (k *kept) drop(s *slot, free *buffers) {
	if s.number == 0 {
		return
	}
	k.count--
	k.bytes -= len(s.reply)
	k.xor ^= mix(s.number, s.sum)
	free.give(s.reply)
	*s = slot{}
}

// buffers are those that were used, for further replies.
type buffers [][]byte

func (b *buffers) give(buf []byte) {
	if len(*b) < freeMax && cap(buf) > 0 && cap(buf) <= freeSize {
		*b = append(*b, buf)
	}
}

func (b *buffers) take() []byte {
	n := len(*b)
	if n == 0 {
		return nil
	}
	buf := (*b)[n-1]
	*b = (*b)[:n-1]
	return buf
}
