package replica

import "github.com/holdfast-ha/holdfast/protocol/view"

// Item is something kept for a client: its request, or its reply.
type Item struct {
	Client Client
	Name   Name    // of the request, as Repeats knows it
	Index  uint64  // of the command; 0: not known yet
	From   view.ID // the member that has the client; Nobody: this one
	Data   []byte

	counted int // bytes of it that the queue has counted
}

// Queue keeps items in order, and their memory for those after them.
type Queue struct {
	ring  []Item // as many as a power of two
	first int
	count int
	bytes int
}

// itemMax is how large the memory of an item may be to be kept, bytes: one large request must
// not hold as much for ever.
const itemMax = 4096

// Len is how many items there are.
func (q *Queue) Len() int { return q.count }

// Bytes is how long the data of those items is that were said to be Filled.
func (q *Queue) Bytes() int { return q.bytes }

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
	e.Client, e.Name, e.Index, e.From, e.Data = c, Name{}, index, view.Nobody, e.Data[:0]
	return e
}

// Filled says that the data of the last item is complete, so that Bytes counts it.
func (q *Queue) Filled() {
	e := q.At(q.count - 1)
	q.bytes += len(e.Data) - e.counted
	e.counted = len(e.Data)
}

// drop forgets an item, and its memory if that is large.
func (q *Queue) drop(e *Item) {
	q.bytes, e.counted = q.bytes-e.counted, 0
	if cap(e.Data) > itemMax {
		e.Data = nil
	}
}

// Pop removes the first item; what was got of it is valid until Push.
func (q *Queue) Pop() {
	q.drop(q.At(0))
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
}

// Remove removes the i-th item.
func (q *Queue) Remove(i int) {
	q.drop(q.At(i))
	for ; i+1 < q.count; i++ {
		a, b := q.At(i), q.At(i+1)
		*a, *b = *b, *a
	}
	q.count--
}

// Clear removes all.
func (q *Queue) Clear() {
	for i := range q.count {
		q.drop(q.At(i))
	}
	q.first, q.count = 0, 0
}
