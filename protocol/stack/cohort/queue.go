package cohort

import "github.com/holdfast-ha/holdfast/protocol/order"

// waiting is a message that waits for the window.
type waiting struct {
	number  uint64
	order   order.Order
	payload []byte
}

// queue keeps the messages that wait for the window, in order. Their bytes lie in blocks
// that are used again.
type queue struct {
	list  []waiting
	first int
	bytes int // with what an entry counts
	most  int
	free  [][]byte
}

func (q *queue) empty() bool { return q.first == len(q.list) }

// room is how many bytes of one more message fit.
func (q *queue) room() int { return max(0, q.most-q.bytes-queueEntry) }

func (q *queue) push(number uint64, o order.Order, payload []byte) {
	var b []byte
	if n := len(q.free); n > 0 {
		b, q.free = q.free[n-1][:0], q.free[:n-1]
	}
	q.list = append(q.list, waiting{number, o, append(b, payload...)})
	q.bytes += len(payload) + queueEntry
}

func (q *queue) head() *waiting { return &q.list[q.first] }

func (q *queue) pop() {
	w := &q.list[q.first]
	q.bytes -= len(w.payload) + queueEntry
	if cap(w.payload) <= 4096 && len(q.free) < 1024 {
		q.free = append(q.free, w.payload)
	}
	*w = waiting{}
	q.first++
	if q.empty() {
		q.list, q.first = q.list[:0], 0
	} else if q.first > 1024 && q.first > len(q.list)/2 {
		q.list = q.list[:copy(q.list, q.list[q.first:])]
		q.first = 0
	}
}

// window says which of this member's messages are under way: multicast, and not delivered
// to itself yet.
type window struct {
	last  uint64 // the number given out last
	low   uint64 // all up to this one are delivered
	done  []bool // from first on: of low+1 and on
	first int
}

func (w *window) next() uint64 {
	w.last++
	w.done = append(w.done, false)
	return w.last
}

// deliver notes that a message came back.
func (w *window) deliver(number uint64) {
	if number <= w.low || number > w.last {
		return
	}
	w.done[w.first+int(number-w.low)-1] = true
	for w.first < len(w.done) && w.done[w.first] {
		w.first++
		w.low++
	}
	if w.first > len(w.done)/2 { // not each time: thousands may be under way
		w.done, w.first = w.done[:copy(w.done, w.done[w.first:])], 0
	}
}

// lose gives the ranges of messages that did not come back, and forgets them.
func (w *window) lose(fn func(first, last uint64)) {
	w.done, w.first = w.done[w.first:], 0
	for i := 0; i < len(w.done); i++ {
		if w.done[i] {
			continue
		}
		first := w.low + 1 + uint64(i)
		for i+1 < len(w.done) && !w.done[i+1] {
			i++
		}
		fn(first, w.low+1+uint64(i))
	}
	w.low, w.done = w.last, w.done[:0]
}
