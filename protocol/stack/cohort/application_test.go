package cohort

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast/check/group"
	"github.com/holdfast-ha/holdfast/protocol/order"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// lives are the incarnations that a member had so far.
func (a *app) lives() []view.Incarnation { return a.story.past[a.s.id] }

// begin empties the application: a new life.
func (a *app) begin(life view.Member) {
	*a = app{story: a.story, s: a.s, shot: map[view.Name][]byte{}, differs: a.differs, ballast: a.ballast, disk: a.disk}
	a.story.past[life.ID] = append(a.story.past[life.ID], life.Incarnation)
}

func (a *app) hear(f group.Fact) {
	f.Node = a.s.life
	a.story.hear(f)
}

func (a *app) tell(format string, args ...any) { a.story.tell(a.s.id, format, args...) }

// multicast sends one message and says whether it was taken.
func (a *app) multicast(o order.Order, payload []byte) bool {
	y, taken := a.story, false
	a.s.step(func(out *Output) {
		number, ok := a.s.group.Multicast(y.mesh.now, o, payload, out)
		if taken = ok; !ok {
			if a.waits.IsZero() {
				a.waits = y.mesh.now
			}
			if len(payload) <= y.mesh.group.MessageMax {
				a.hear(group.Fact{Kind: group.Refused, Since: y.mesh.now.Sub(a.waits)})
			}
			return
		}
		a.waits = time.Time{}
		a.hear(group.Fact{Kind: group.Multicast, Number: number, Order: group.Order(o), Sum: sum(payload), Size: len(payload)})
	})
	return taken
}

// flood sends many messages, as fast as they are taken.
func (a *app) flood(o order.Order, count, size int, every time.Duration) {
	s, node := a.s, a.s.node
	if count == 0 || !s.up || s.node != node {
		return
	}
	payload := append([]byte(floods), make([]byte, max(size-len(floods), 0))...)
	for !s.asleep && count > 0 && a.multicast(o, payload) {
		count--
		if every > 0 {
			break
		}
	}
	a.story.mesh.after(max(every, time.Millisecond), func() {
		if s.node == node {
			a.flood(o, count, size, every)
		}
	})
}

// deliver takes one delivery.
func (a *app) deliver(d *Delivery) {
	y := a.story
	defer a.store(d)
	switch d.Kind {
	case Viewed:
		a.hear(group.Fact{Kind: group.Viewed, View: d.View, Members: d.Former})
		a.viewed(d)
	case Message:
		a.message(d)
	case Blocked:
		a.hear(group.Fact{Kind: group.Blocked})
		a.tell("blocked, for want of %s", y.list(d.Missing))
	case Unblocked:
		a.hear(group.Fact{Kind: group.Unblocked})
		a.tell("unblocked")
	case Expelled:
		a.hear(group.Fact{Kind: group.Expelled})
		a.tell("expelled")
	case Merging:
		a.hear(group.Fact{Kind: group.Merged})
		a.tell("gives way to another part")
	case Departed:
		a.hear(group.Fact{Kind: group.Departed})
		a.tell("departed")
	case Refused:
		a.tell("refused by %s, whose terms are %s", y.mesh.names[d.Peer-1].Name, d.Refusal)
	case Lost:
		a.hear(group.Fact{Kind: group.Lost, Number: d.Number, Last: d.Last})
		a.tell("lost: own messages %d to %d", d.Number, d.Last)
	case Pledge:
		a.pledge(d.Era)
	case Slow:
		peer := view.Member{}
		if d.Peer != view.Nobody {
			peer = y.mesh.nodes[d.Peer-1].life
		}
		a.hear(group.Fact{Kind: group.Slowed, Peer: peer})
		a.tell("held up by %s", y.name(peer))
	default:
		a.transfer(d)
	}
}

func (a *app) viewed(d *Delivery) {
	var seats []string
	for _, s := range d.View.Seats {
		name := a.story.name(s.Member)
		if s.Witness {
			name += "(witness)"
		}
		seats = append(seats, name)
	}
	text := fmt.Sprintf("view %d {%s}", d.View.Name.Epoch, strings.Join(seats, " "))
	if len(d.Former) > 0 {
		text += fmt.Sprintf(" with {%s}", a.story.list(d.Former))
	}
	a.tell("%s", text)
}

func (a *app) message(d *Delivery) {
	y, payload := a.story, d.Append(nil)
	a.hear(group.Fact{Kind: group.Delivered, Peer: d.From, Number: d.Number, Order: group.Order(d.Order), Sum: sum(payload), Size: len(payload)})
	e := entry{d.From, d.Number, sum(payload), string(payload[:min(len(payload), 40)])}
	if bytes.HasPrefix(payload, []byte(floods)) {
		e.text = ""
	}
	if y.mesh.group.Stateful {
		a.state = append(a.state, e)
	}
	if !bytes.HasPrefix(payload, []byte(floods)) {
		a.tell("message %q from %s, %s", e.text, y.name(d.From), d.Order)
		return
	}
	// A run goes on as long as nothing but other runs is told in between.
	for i := len(y.told) - 1; i >= 0; i-- {
		l := &y.told[i]
		if l.who == a.s.id && l.first == 0 {
			break
		}
		if l.who == a.s.id && l.from == d.From && l.order == d.Order && l.last+1 == d.Number {
			l.last++
			return
		}
	}
	y.told = append(y.told, telling{at: y.mesh.now, who: a.s.id, from: d.From, order: d.Order, first: d.Number, last: d.Number})
}

// shape is how a state travels.
type shape struct {
	From    []view.Member
	Number  []uint64
	Sum     []uint64
	Text    []string
	Ballast []byte
}

func (a *app) transfer(d *Delivery) {
	y := a.story
	switch d.Kind {
	case Wanted:
		a.tell("asked for the state by %s", y.list(d.Missing))
		data := a.encode()
		a.shot[d.View.Name] = data
		a.s.group.Serve(y.mesh.now, d.View.Name, uint64(len(data)), true)
	case ChunkWanted:
		data := a.shot[d.View.Name]
		from := min(int(d.Number), len(data))
		to := min(from+int(d.Last), len(data))
		cut, peer, node := d.View.Name, d.Peer, a.s.node
		y.mesh.after(0, func() {
			if a.s.up && !a.s.asleep && a.s.node == node {
				a.s.step(func(out *Output) {
					a.s.group.Chunk(y.mesh.now, cut, peer, uint64(from), data[from:to], to == len(data), out)
				})
			}
		})
	case StateBegan:
		a.staged, a.state = nil, nil
		a.hear(group.Fact{Kind: group.Emptied})
		a.tell("state from %s begins", y.name(d.From))
	case StateChunk:
		a.staged = append(a.staged, d.Payload...)
	case StateFailed:
		a.staged, a.state = nil, nil
		a.hear(group.Fact{Kind: group.Emptied})
		a.hear(group.Fact{Kind: group.Restored})
		a.tell("state is incomplete and void")
	case StateDone:
		a.restore()
	}
}

func (a *app) encode() []byte {
	x := shape{Ballast: make([]byte, a.ballast)}
	for _, e := range a.state {
		x.From, x.Number = append(x.From, e.from), append(x.Number, e.number)
		x.Sum, x.Text = append(x.Sum, e.sum), append(x.Text, e.text)
	}
	data, err := json.Marshal(x)
	if err != nil {
		a.story.t.Fatal(err)
	}
	return data
}

func (a *app) restore() {
	var x shape
	if err := json.Unmarshal(a.staged, &x); err != nil {
		a.story.t.Fatalf("the state of %d bytes is not what was sent: %v", len(a.staged), err)
	}
	var entries []group.Entry
	var texts []string
	for i, m := range x.From {
		a.state = append(a.state, entry{m, x.Number[i], x.Sum[i], x.Text[i]})
		entries = append(entries, group.Entry{From: m, Number: x.Number[i], Sum: x.Sum[i]})
		if x.Text[i] != "" {
			texts = append(texts, fmt.Sprintf("%q", x.Text[i]))
		}
	}
	a.hear(group.Fact{Kind: group.Restored, Entries: entries})
	a.tell("state of %d messages: %s", len(x.From), strings.Join(texts, " "))
}
