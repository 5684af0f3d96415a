package stateproxy

// span is a run of numbers, both ends included.
type span struct{ from, to uint64 }

// gaps tracks which numbers of a stream are settled: everything up to a number, and
// separate runs beyond it.
type gaps struct {
	upto  uint64
	spans []span // ascending, apart from each other and from upto
}

// settled says whether number n is.
func (g *gaps) settled(n uint64) bool {
	if n <= g.upto {
		return true
	}
	for i := len(g.spans) - 1; i >= 0; i-- {
		if s := g.spans[i]; n >= s.from {
			return n <= s.to
		}
	}
	return false
}

// highest is the largest settled number.
func (g *gaps) highest() uint64 {
	if n := len(g.spans); n > 0 {
		return g.spans[n-1].to
	}
	return g.upto
}

// settle settles every number up to n: the source says that what is missing there has
// been replaced by later numbers.
func (g *gaps) settle(n uint64) {
	if n > g.upto {
		g.upto = n
	}
	g.absorb()
}

// add settles a run. It reports false if the run would be one separate run too many.
func (g *gaps) add(s span) bool {
	if s.to <= g.upto {
		return true
	}
	if s.from <= g.upto+1 {
		g.settle(s.to)
		return true
	}
	i := len(g.spans)
	for i > 0 && g.spans[i-1].from > s.from {
		i--
	}
	if i > 0 && g.spans[i-1].to+1 >= s.from {
		i--
		g.spans[i].to = max(g.spans[i].to, s.to)
	} else {
		if len(g.spans) >= gapsMax {
			return false
		}
		g.spans = append(g.spans, span{})
		copy(g.spans[i+1:], g.spans[i:])
		g.spans[i] = s
	}
	for i+1 < len(g.spans) && g.spans[i].to+1 >= g.spans[i+1].from {
		g.spans[i].to = max(g.spans[i].to, g.spans[i+1].to)
		g.spans = append(g.spans[:i+1], g.spans[i+2:]...)
	}
	return true
}

// absorb merges the runs that upto has reached.
func (g *gaps) absorb() {
	n := 0
	for n < len(g.spans) && g.spans[n].from <= g.upto+1 {
		g.upto = max(g.upto, g.spans[n].to)
		n++
	}
	if n > 0 {
		g.spans = append(g.spans[:0], g.spans[n:]...)
	}
}

// missing calls fn with each run that lies between settled numbers, ascending.
func (g *gaps) missing(fn func(span) bool) {
	next := g.upto + 1
	for _, s := range g.spans {
		if !fn(span{next, s.from - 1}) {
			return
		}
		next = s.to + 1
	}
}

func (g *gaps) reset() { g.upto, g.spans = 0, g.spans[:0] }
