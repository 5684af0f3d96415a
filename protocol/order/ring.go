package order

// ring is a queue that uses its memory again: it grows to the most that it ever held.
type ring[T any] struct {
	buf  []T // its length is a power of two
	head int
	n    int
}

// push appends a zero element and returns it; the pointer is good until the next push.
func (r *ring[T]) push() *T {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.n++
	return r.at(r.n - 1)
}

func (r *ring[T]) grow() {
	buf := make([]T, max(8, 2*len(r.buf)))
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) front() *T { return &r.buf[r.head] }

// pop forgets the first element, and what it refers to.
func (r *ring[T]) pop() {
	var none T
	r.buf[r.head] = none
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
}

func (r *ring[T]) clear() {
	for r.n > 0 {
		r.pop()
	}
	r.head = 0
}
