package locks_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/check"
	judges "github.com/holdfast-ha/holdfast/check/service"
	"github.com/holdfast-ha/holdfast/protocol/wire"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// readHistory reads the records of one life. A line that was cut off is left out.
func readHistory(path string) ([]record, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []record
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return all, nil
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s: %w in %q", path, err, line)
		}
		all, b = append(all, r), rest
	}
}

// perished is a record of the observer: no member has the state any more. It stands before what the next life of the
// service has executed.
const perished = "perished"

// agree makes one agreed order of what the members have executed, in one life of the service after the other.
// If undo, what a member was the only one to have executed when it fell may be another thing than what came in its
// place: a primary is ahead of the others.
func agree(lives [][]record, undo bool) ([]record, error) {
	eras := map[uint64][][]record{}
	for _, life := range lives {
		of := map[uint64][]record{}
		for _, r := range life {
			if r.Index != 0 {
				of[r.Era] = append(of[r.Era], r)
			}
		}
		for era, records := range of { //tidy:unordered the eras are sorted
			eras[era] = append(eras[era], records)
		}
	}
	var whole []record
	for i, era := range slices.Sorted(maps.Keys(eras)) {
		order, err := agreeInEra(eras[era], undo)
		if err != nil {
			return nil, fmt.Errorf("in the %d. life of the service: %w", i+1, err)
		}
		if i > 0 {
			whole = append(whole, record{At: order[0].At, Kind: perished})
		}
		whole = append(whole, order...)
	}
	return whole, nil
}

// undoneMost is how many things a member may have executed that were undone, where that is right: what so many clients
// have under way.
const undoneMost = 64

// stretches are what members have executed without a gap, the latest end first. What was executed again is another stretch.
func stretches(lives [][]record) (all [][]record) {
	for _, life := range lives {
		from := 0
		for i := range life {
			if i+1 == len(life) || life[i+1].Index != life[i].Index+1 {
				all = append(all, life[from:i+1])
				from = i + 1
			}
		}
	}
	slices.SortStableFunc(all, func(a, b []record) int { return cmp.Compare(b[len(b)-1].At, a[len(a)-1].At) })
	return all
}

// agreeInEra makes one order of what the members have executed in one life of the service: each thing at the time of who was first. An error
// says that they differ.
func agreeInEra(lives [][]record, undo bool) ([]record, error) {
	var order []record // by index, from 1
	for _, stretch := range stretches(lives) {
		for i, r := range stretch {
			for uint64(len(order)) < r.Index {
				order = append(order, record{})
			}
			o := &order[r.Index-1]
			if o.Index == 0 {
				*o = r
				continue
			}
			if o.Kind != r.Kind || o.Session != r.Session || !bytes.Equal(o.Body, r.Body) || !bytes.Equal(o.Reply, r.Reply) {
				if undo && len(stretch)-i <= undoneMost {
					break
				}
				return nil, fmt.Errorf("members differ in command %d: %s of session %d, and %s of session %d; %d more follow", r.Index, o.Kind, o.Session, r.Kind, r.Session, len(stretch)-i-1)
			}
			o.At = min(o.At, r.At)
		}
	}
	for i := len(order) - 1; i >= 0; i-- {
		if order[i].Index == 0 {
			return nil, fmt.Errorf("nobody has recorded command %d of %d", i+1, len(order))
		}
		if i+1 < len(order) {
			order[i].At = min(order[i].At, order[i+1].At) // who was first may have been killed before it could say so
		}
	}
	return order, nil
}

// reader makes facts of records.
type reader struct {
	keys    map[string]uint32
	names   []string
	clients map[uint64]int // by session
	shared  map[seat]bool
	granted map[uint64]bool // by token
	life    uint64          // of the service, from 0
	facts   []judges.Fact
}

// seat is a session at a lock.
type seat struct {
	session uint64
	lock    string
}

func (d *reader) key(name string) uint32 {
	if _, is := d.keys[name]; !is {
		d.keys[name] = uint32(len(d.keys) + 1)
		d.names = append(d.names, name)
	}
	return d.keys[name]
}

func (d *reader) add(at time.Duration, k judges.Kind, s seat, token uint64) {
	d.facts = append(d.facts, judges.Fact{At: at, Kind: k, Client: d.clients[s.session], Session: d.life<<32 + s.session, Key: d.key(s.lock), Value: token, Shared: d.shared[s]})
}

func (d *reader) grant(at time.Duration, s seat, token uint64) {
	if !d.granted[token] { // else it is told again
		d.granted[token] = true
		d.add(at, judges.Granted, s, token)
	}
}

// executed reads one thing of the agreed order.
func (d *reader) executed(r *record) error {
	if r.Kind == perished {
		d.facts = append(d.facts, judges.Fact{At: r.At, Kind: judges.Perished})
		d.life++
		d.clients, d.shared = map[uint64]int{}, map[seat]bool{}
		return nil
	}
	if err := d.told(r, service.Lost, func(s seat, token uint64) { d.add(r.At, judges.Quit, s, token) }); err != nil {
		return err
	}
	if r.Kind == "ended" {
		for _, name := range d.names {
			d.add(r.At, judges.Quit, seat{r.Session, name}, 0)
		}
	} else if err := d.command(r); err != nil {
		return err
	}
	return d.told(r, service.Granted, func(s seat, token uint64) { d.grant(r.At, s, token) })
}

// told goes through what sessions were told without having asked.
func (d *reader) told(r *record, what service.Status, do func(seat, uint64)) error {
	for _, n := range r.Notices {
		told, err := service.ParseNotice(n.Body)
		if err != nil {
			return err
		}
		if told.What == what {
			do(seat{n.Session, string(told.Name)}, told.Number)
		}
	}
	return nil
}

func (d *reader) command(r *record) error {
	p, err := service.ParseReply(r.Reply)
	if err != nil {
		return err
	}
	q := wire.NewReader(r.Body)
	kind, flags := service.Kind(q.U8()), byte(0)
	if kind == service.Enter || kind == service.Reassert {
		flags = q.U8()
	}
	s := seat{r.Session, string(q.Block(service.NameMax))}
	number := uint64(0)
	switch kind {
	case service.Enter:
		if d.clients[r.Session], err = strconv.Atoi(string(q.Block(service.TextMax))); err != nil {
			return err
		}
		if p.Status == service.Granted && d.granted[p.Number] {
			return nil
		}
		d.shared[s] = flags&1 != 0
	case service.Leave, service.Break:
		number = q.U64()
	case service.Reassert:
		number = q.U64()
		if d.clients[r.Session], err = strconv.Atoi(string(q.Block(service.TextMax))); err != nil {
			return err
		}
		d.shared[s] = flags&1 != 0
	}
	switch {
	case kind == service.Reassert && p.Status == service.Granted:
		d.add(r.At, judges.Reasserted, s, number)
	case kind == service.Reassert && p.Status == service.Queued:
		d.add(r.At, judges.Reasserted, s, 0)
		d.facts[len(d.facts)-1].Number = number
	case kind == service.Enter && p.Status == service.Granted:
		d.grant(r.At, s, p.Number)
	case kind == service.Enter && p.Status == service.Queued:
		d.add(r.At, judges.Asked, s, 0)
		d.facts[len(d.facts)-1].Number = p.Number // the turn
	case p.Status != service.Done:
	case kind == service.Leave || kind == service.Cancel:
		d.add(r.At, judges.Quit, s, number)
	case kind == service.Break:
		d.add(r.At, judges.Broken, s, number)
	}
	return nil
}

// believed reads what a client has believed.
func (d *reader) believed(client int, records []record) {
	for i, r := range records {
		if r.Kind != "holds" {
			continue
		}
		f := judges.Fact{At: r.At, Client: client, Key: d.key(r.Lock), Value: r.Token, Shared: r.Shared}
		if i == 0 || records[i-1].Token != r.Token {
			f.Kind = judges.Held
			d.facts = append(d.facts, f)
		}
		if i+1 == len(records) || records[i+1].Token != r.Token {
			f.Kind = judges.Dropped
			d.facts = append(d.facts, f)
		}
	}
}

// wrote reads what a guarded file has taken.
func (d *reader) wrote(path, name string) (lines int, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := judges.Fact{Kind: judges.Wrote, Key: d.key(name)}
		var end string
		if n, _ := fmt.Sscan(line, &f.At, &f.Client, &f.Value, &f.Shared, &end); n != 5 || end != "." {
			continue // its writer was killed
		}
		d.facts = append(d.facts, f)
		lines++
	}
	return lines, err
}

// judge judges everything that was recorded.
func (w *world) judge(calm time.Duration) (*check.Violation, string, error) {
	d := &reader{map[string]uint32{}, nil, map[uint64]int{}, map[seat]bool{}, map[uint64]bool{}, 0, nil}
	var lives [][]record
	holders := map[int][]record{}
	for _, p := range w.all {
		records, err := readHistory(p.settings.History)
		if err != nil {
			return nil, "", err
		}
		switch p.what {
		case "member":
			lives = append(lives, records)
		case "client", "peer":
			holders[p.settings.Client] = records
		}
	}
	order, err := w.order(lives)
	if err != nil {
		return &check.Violation{Promise: "agreement", Text: err.Error()}, "", nil
	}
	for i := range order {
		if err := d.executed(&order[i]); err != nil {
			return nil, "", err
		}
	}
	for client, records := range holders { //tidy:unordered all is sorted by time
		d.believed(client, records)
	}
	lines := 0
	for _, name := range w.locks {
		n, err := d.wrote(w.path("file-")+name, name)
		if err != nil {
			return nil, "", err
		}
		lines += n
	}
	d.facts = append(d.facts, judges.Fact{At: calm, Kind: judges.Calmed}, judges.Fact{At: now(), Kind: judges.Ended})
	slices.SortStableFunc(d.facts, func(a, b judges.Fact) int { return cmp.Compare(a.At, b.At) })
	w.facts = d.facts
	counts := map[judges.Kind]int{}
	for i := range d.facts {
		counts[d.facts[i].Kind]++
	}
	text := fmt.Sprintf("%d commands, %d grants, %d waits, %d beliefs, %d writes by %d clients",
		len(order), counts[judges.Granted], counts[judges.Asked], counts[judges.Held], lines, len(holders))
	if w.window > 0 {
		text += fmt.Sprintf(", %d losses, %d assertions believed", counts[judges.Perished], counts[judges.Reasserted])
	}
	w.sums.locks += len(order)
	w.sums.grants += counts[judges.Granted]
	w.sums.writes += lines
	if v := sentence(d.facts); v != nil || !w.durable {
		return v, text, nil
	}
	v, more, err := w.judgeCells(lives, calm)
	return v, text + "; " + more, err
}

// order is what the lock service has executed.
func (w *world) order(lives [][]record) ([]record, error) {
	if w.durable {
		return lastOrder(lives, "")
	}
	return agree(lives, w.style != holdfast.Active)
}

// sentence has the judges hear facts.
func sentence(facts []judges.Fact) *check.Violation {
	court := judges.NewCourt(judges.All(judges.Setting{FIFO: true, Volatile: true, Reassert: true})...)
	for i := range facts {
		court.Hear(&facts[i])
	}
	return court.Violation()
}
