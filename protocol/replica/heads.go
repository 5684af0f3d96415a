package replica

import "slices"

const (
	// headsKept is of how many commands the beginnings are kept, to name the one after
	// which replicas differ: as many as members tell digests of.
	headsKept = RingMax

	// headMax is how much of a request is kept, bytes: the 44 of its head, and of what is asked
	// of the service enough for people to know it again.
	headMax = 80
)

// Heads are the beginnings of the last requests.
type Heads struct{ list [headsKept]head }

type head struct {
	index uint64
	size  int
	data  [headMax]byte
}

// Keep keeps that of a command.
func (h *Heads) Keep(index uint64, request []byte) {
	e := &h.list[index%headsKept]
	e.index, e.size = index, copy(e.data[:], request)
}

// Of gives a copy of that of a command, or nil.
func (h *Heads) Of(index uint64) []byte {
	if e := &h.list[index%headsKept]; index != 0 && e.index == index {
		return slices.Clone(e.data[:e.size])
	}
	return nil
}

// Clear forgets all.
func (h *Heads) Clear() { h.list = [headsKept]head{} }
