package stateproxy

// queue is a ring of slots that grows and keeps its memory.
type queue struct {
	ring []slot // a power of two long
	head int
	n    int
}

func (q *queue) push(s slot) {
	if q.n == len(q.ring) {
		grown := make([]slot, max(64, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = s
	q.n++
}

func (q *queue) pop() slot {
	s := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return s
}
