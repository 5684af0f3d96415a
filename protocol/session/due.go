package session

// due is a heap of sessions: which one ends next, by time and then by ID.
type due []*client

func (d due) less(i, j int) bool {
	if a, b := d[i].end(), d[j].end(); a != b {
		return a < b
	}
	return d[i].id < d[j].id
}

func (d due) swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *due) push(c *client) {
	c.place = len(*d)
	*d = append(*d, c)
	d.up(c.place)
}

// remove takes out the session at a place.
func (d *due) remove(i int) {
	n := len(*d) - 1
	d.swap(i, n)
	(*d)[n] = nil
	*d = (*d)[:n]
	if i < n {
		d.fix(i)
	}
}

// fix puts a session whose end has changed where it belongs.
func (d due) fix(i int) {
	if !d.down(i) {
		d.up(i)
	}
}

func (d due) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !d.less(i, parent) {
			return
		}
		d.swap(i, parent)
		i = parent
	}
}

func (d due) down(i int) bool {
	moved := false
	for {
		child := 2*i + 1
		if child >= len(d) {
			return moved
		}
		if child+1 < len(d) && d.less(child+1, child) {
			child++
		}
		if !d.less(child, i) {
			return moved
		}
		d.swap(i, child)
		i, moved = child, true
	}
}
