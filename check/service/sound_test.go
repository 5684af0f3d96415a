package service

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// model is a service that keeps its promises, with clients and replicas that crash: what it
// does must never be found wrong.
type model struct {
	rng   *rand.Rand
	facts []Fact

	log      []Fact // Executed or Skipped, without a node
	cells    [4]uint64
	done     map[request]uint64 // the index from 1 of each request that was executed
	applied  [3]uint64
	up       [3]bool
	clients  []int // of the slots, and what each of them asks
	calls    []*Fact
	numbers  map[int]uint64
	nextID   int
	late     []*Fact // given up, and perhaps answered still
	token    uint64
	owner    int    // a slot, or -1
	believes bool   // the owner does
	queue    []int  // slots
	tokens   uint64 // of the owner
}

func (m *model) say(f Fact) {
	f.At = time.Duration(len(m.facts)+1) * time.Millisecond
	m.facts = append(m.facts, f)
}

func node(i int) view.Member { return view.Member{ID: view.ID(i + 1), Incarnation: 1} }

// ask begins a call, or brings the one that is open into the order, maybe again.
func (m *model) ask(slot int) {
	id := m.clients[slot]
	if m.calls[slot] == nil {
		m.numbers[id]++
		f := at(uint32(m.rng.IntN(4)), ask(id, m.numbers[id], Op(1+m.rng.IntN(3)), m.rng.Uint64()))
		m.calls[slot] = &f
		m.say(f)
		return
	}
	m.order(m.calls[slot])
}

func (m *model) order(f *Fact) {
	r, index := request{f.Session, f.Number, 0}, uint64(len(m.log)+1)
	if m.done[r] != 0 {
		m.log = append(m.log, skip(view.Member{}, index))
		return
	}
	cell := &m.cells[f.Key]
	m.log = append(m.log, saying(*cell, did(view.Member{}, index, f.Session, f.Number)))
	m.done[r] = index
	switch f.Op {
	case Swap:
		*cell = f.Value
	case Add:
		*cell += f.Value
	}
}

// apply lets a replica execute its next command.
func (m *model) apply(i int) {
	if m.up[i] && m.applied[i] < uint64(len(m.log)) {
		f := m.log[m.applied[i]]
		f.Node = node(i)
		m.applied[i]++
		m.say(f)
	}
}

// answer answers a call that two replicas have executed.
func (m *model) answer(f *Fact) bool {
	index, votes := m.done[request{f.Session, f.Number, 0}], 0
	for i := range m.applied {
		if m.up[i] && m.applied[i] >= index {
			votes++
		}
	}
	if index == 0 || votes < 2 {
		return false
	}
	m.say(get(f.Client, f.Call, m.log[index-1].Value))
	return true
}

// fail lets something go wrong.
func (m *model) fail(slot, i int) {
	switch m.rng.IntN(5) {
	case 0: // a replica falls, or comes back with an earlier state
		if m.up[i] {
			m.say(fell(node(i)))
		} else {
			m.applied[i] = uint64(m.rng.IntN(int(m.applied[i]) + 1))
			m.say(restored(node(i), m.applied[i]))
		}
		m.up[i] = !m.up[i]
	case 1: // a client crashes, and another takes its place
		m.leave(slot, false)
		m.say(gone(m.clients[slot]))
		m.calls[slot] = nil
		m.nextID++
		m.clients[slot] = m.nextID
	case 2: // a client gives up
		if f := m.calls[slot]; f != nil {
			m.say(told(Unknown, f.Client, f.Call))
			if m.rng.IntN(2) == 0 {
				m.order(f) // its repeat arrives
			}
			m.late, m.calls[slot] = append(m.late, f), nil
		}
	case 3: // an answer that is late
		if n := len(m.late); n > 0 {
			if f := m.late[n-1]; f.Client == m.clients[slot] {
				m.answer(f)
			}
		}
	case 4: // a state is damaged, found and replaced
		if m.up[0] && m.up[1] && m.up[2] && m.applied[0] == m.applied[1] && m.applied[i] == m.applied[0] && m.applied[0] < uint64(len(m.log)) {
			for j := range m.applied {
				m.apply(j)
			}
			for k := range m.facts[len(m.facts)-3:] {
				if f := &m.facts[len(m.facts)-3+k]; f.Node == node(i) {
					f.State += 1 << 40
				}
			}
			m.say(names(node(0), node(i)))
			m.say(restored(node(i), m.applied[i]))
			m.say(names(node(1+i%2), node(i))) // late
		}
	}
}

// lock moves the lock on.
func (m *model) lock(slot int) {
	switch {
	case m.owner < 0 && len(m.queue) == 0:
		m.grant(slot)
	case m.owner < 0:
		m.grant(m.queue[0])
		m.queue = m.queue[1:]
	case m.owner == slot && m.rng.IntN(9) == 0:
		m.say(broken(m.tokens))
		m.owner = -1
		if m.believes {
			m.say(drops(m.clients[slot]))
		}
	case m.owner == slot && !m.believes:
		m.believes = true
		m.say(holds(m.clients[slot], m.tokens))
	case m.owner == slot && m.rng.IntN(2) == 0:
		m.say(writes(m.clients[slot], m.tokens))
	default:
		m.leave(slot, true)
	}
}

func (m *model) grant(slot int) {
	m.token += 1 + m.rng.Uint64N(3)
	m.owner, m.believes, m.tokens = slot, false, m.token
	m.say(grant(m.clients[slot], m.token))
}

// leave gives back what a slot has of the lock, or its place, or else asks for it.
func (m *model) leave(slot int, wants bool) {
	for i, w := range m.queue {
		if w == slot {
			if m.queue = append(m.queue[:i:i], m.queue[i+1:]...); true {
				m.say(quit(m.clients[slot]))
			}
			return
		}
	}
	switch {
	case m.owner == slot:
		if m.believes {
			m.say(drops(m.clients[slot]))
		}
		m.say(quit(m.clients[slot]))
		m.owner = -1
	case wants && m.owner >= 0:
		m.queue = append(m.queue, slot)
		m.say(waits(m.clients[slot]))
	}
}

// end brings everything to its end.
func (m *model) end() {
	for i := range m.up {
		if !m.up[i] {
			m.up[i] = true
			m.say(restored(node(i), m.applied[i]))
		}
	}
	m.say(calm)
	for _, f := range m.calls {
		if f != nil {
			m.order(f)
		}
	}
	for range m.log {
		for i := range m.up {
			m.apply(i)
		}
	}
	for _, f := range m.calls {
		if f != nil && !m.answer(f) {
			panic("the model does not answer")
		}
	}
	for m.owner >= 0 || len(m.queue) > 0 {
		if m.owner >= 0 {
			m.leave(m.owner, false)
		} else {
			m.lock(0)
		}
	}
	m.say(ended)
}

// TestSoundness judges a service that keeps its promises under all faults that it masks.
func TestSoundness(t *testing.T) {
	setting := voted
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		m := &model{rng: rng, done: map[request]uint64{}, numbers: map[int]uint64{}, up: [3]bool{true, true, true}, owner: -1}
		for m.nextID < 5 {
			m.nextID++
			m.clients, m.calls = append(m.clients, m.nextID), append(m.calls, nil)
		}
		m.say(seated(3))
		for range 400 {
			slot, i := rng.IntN(len(m.clients)), rng.IntN(3)
			switch rng.IntN(10) {
			case 0, 1:
				m.ask(slot)
			case 2, 3, 4, 5:
				m.apply(i)
			case 6, 7:
				if f := m.calls[slot]; f != nil && m.answer(f) {
					m.calls[slot] = nil
				}
			case 8:
				m.lock(slot)
			default:
				if rng.IntN(3) == 0 {
					m.fail(slot, i)
				}
			}
		}
		m.end()
		if text := judged(m.facts, All(setting)...); text != "" {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
}
