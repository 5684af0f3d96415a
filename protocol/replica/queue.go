package replica

// Item is something kept for a client: its request, or its reply.
type Item struct {
	Client Client
	Index  uint64 // of the command; 0: not known yet
	Data   []byte
}

// Queue keeps items in order, and their memory for those after them.
type Queue struct {
	ring  []Item // as many as a power of two
	first int
	count int
}

// itemMax is how large the memory of an item may be to be kept, bytes: one large request must
// not hold as much for ever.
const itemMax = 4096

// Len is how many items there are.
func (q *Queue) Len() int { return q.count }

// At is the i-th item, from 0; valid until Push.
func (q *Queue) At(i int) *Item { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

// Push adds an item, whose Data is to be filled by appending to it; valid until the next Push.
func (q *Queue) Push(c Client, index uint64) *Item {
	if q.count == len(q.ring) {
		ring := make([]Item, max(16, 2*len(q.ring)))
		for i := range q.count {
			ring[i] = *q.At(i)
		}
		q.ring, q.first = ring, 0
	}
	q.count++
	e := q.At(q.count - 1)
	e.Client, e.Index, e.Data = c, index, e.Data[:0]
	return e
}

// Pop removes the first item; what was got of it is valid until Push.
func (q *Queue) Pop() {
	e := q.At(0)
	if cap(e.Data) > itemMax {
		e.Data = nil
	}
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
}

// Remove removes the i-th item.
func (q *Queue) Remove(i int) {
	for ; i+1 < q.count; i++ {
		a, b := q.At(i), q.At(i+1)
		*a, *b = *b, *a
	}
	q.count--
}

// Clear removes all.
func (q *Queue) Clear() { q.first, q.count = 0, 0 }
