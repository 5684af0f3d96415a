package duo

import (
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// relay carries requests and answers between the two members.
type relay struct {
	serials [2]uint32 // of requests, and of answers, that were sent
	open    [2][openMax]whole
	life    view.Incarnation // whose pieces open has
}

// whole is a request or an answer of which pieces have come.
type whole struct {
	serial uint32
	size   int
	data   []byte // in the order of the bytes, without a gap
}

// cut gives the first piece of something that is to be carried; next the one behind a piece, whose data is empty
// behind the last.
func (r *relay) cut(kind byte, client caller, data []byte) piece {
	n := &r.serials[kind-kindRequest]
	*n++
	return piece{kind: kind, client: client, serial: *n, size: len(data), data: data[:min(len(data), pieceMax)]}
}

func (p *piece) next(data []byte) {
	p.offset += len(p.data)
	p.data = data[p.offset:min(len(data), p.offset+pieceMax)]
}

// join takes a piece, and gives what it is the last piece of, valid until the next call; nil: it is none. Pieces come in order, or
// what they are of is lost.
func (r *relay) join(life view.Incarnation, p *piece) []byte {
	if r.life != life {
		r.open, r.life = [2][openMax]whole{}, life
	}
	if len(p.data) == p.size {
		return p.data
	}
	w := &r.open[p.kind-kindRequest][p.serial%openMax]
	switch {
	case p.offset == 0:
		*w = whole{p.serial, p.size, append(w.data[:0], p.data...)}
		return nil
	case w.serial != p.serial || w.size != p.size || p.offset != len(w.data):
		return nil // a copy, or after a gap
	}
	w.data = append(w.data, p.data...)
	if len(w.data) < w.size {
		return nil
	}
	all := w.data
	*w = whole{}
	return all
}
