package simdisk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/internal/sim/simdisk"
	"github.com/holdfast-ha/holdfast/protocol/journal"
)

var (
	schedules = flag.Int("schedules", 2000, "how many schedules of the property test are run")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first one")
)

// service is the simplest state machine whose state tells everything that it was
// given, in its order: a chain of hashes.
type service struct {
	index uint64
	hash  uint64
}

func (s *service) Apply(index uint64, record []byte) error {
	if index != s.index+1 {
		return fmt.Errorf("record %d after record %d", index, s.index)
	}
	s.index, s.hash = index, chain(s.hash, record)
	return nil
}

func (s *service) Restore(index uint64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil || len(b) < 16 {
		return fmt.Errorf("a snapshot of %d bytes: %w", len(b), err)
	}
	s.index, s.hash = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if s.index != index {
		return fmt.Errorf("the snapshot of record %d is one of record %d", index, s.index)
	}
	return nil
}

// snapshot is the state as bytes, with some ballast.
func snapshot(index, hash uint64, ballast int) io.Reader {
	b := binary.BigEndian.AppendUint64(nil, index)
	b = binary.BigEndian.AppendUint64(b, hash)
	return bytes.NewReader(append(b, bytes.Repeat([]byte{0xa5}, ballast)...))
}

func chain(hash uint64, record []byte) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, hash)
	_, _ = h.Write(record)
	return h.Sum64()
}

// lineage is what was appended since a beginning: states[i] is that after record base + i.
type lineage struct {
	base   uint64
	states []uint64
	acked  uint64 // told durable
	before uint64 // told durable before that
}

func (l *lineage) last() uint64 { return l.base + uint64(len(l.states)) - 1 }

func (l *lineage) has(s service) bool {
	return s.index >= l.base && s.index <= l.last() && l.states[s.index-l.base] == s.hash
}

// world is one schedule.
type world struct {
	rng   *rand.Rand
	disk  *simdisk.Disk
	cfg   journal.Config
	log   *simdisk.Log
	size  int      // of records; 0: any
	short bool     // lives are short
	now   *lineage // what is appended to
	old   *lineage // what a reset that is not durable has put away; nil if there is none
	ended bool     // the log has failed
	story []string
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 14))
	cfg := simdisk.Config{
		Sync: time.Millisecond, Jitter: time.Duration(rng.IntN(3)) * 4 * time.Millisecond,
		Write: time.Duration(1+rng.IntN(200)) * time.Microsecond, Stale: rng.IntN(2) == 0,
	}
	w := &world{rng: rng, disk: simdisk.New(cfg, rand.New(rand.NewPCG(seed, 15)))}
	w.cfg = journal.Config{
		Cluster: 7, Member: 3, SegmentSize: 4096 << rng.IntN(4), RecordMax: 2000, SegmentsMax: 4096,
	}
	switch rng.IntN(3) {
	case 0:
		w.size = 1 + rng.IntN(300)
	case 1: // the first sector of a segment ends with a record
		w.size = []int{88, 204, 436}[rng.IntN(3)]
	}
	w.short = rng.IntN(3) == 0
	w.now = &lineage{states: []uint64{0}}
	return w
}

func (w *world) note(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf("%v: ", w.disk.Now())+fmt.Sprintf(format, args...))
}

// open recovers and judges what came out.
func (w *world) open() error {
	w.cfg.Salt = w.rng.Uint64()
	var s service
	log, found, err := simdisk.Open(w.disk, w.cfg, &s)
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	w.note("recovered %d (snapshot %d, %v)", found.Last, found.Snapshot, found.Cut)
	if s.index != found.Last {
		return fmt.Errorf("recovery says record %d and has handed over %d", found.Last, s.index)
	}
	chosen := w.now
	if w.old != nil && !w.now.has(s) {
		chosen = w.old
	}
	if !chosen.has(s) {
		return fmt.Errorf("record %d was recovered with a state that never was (appended: %d)", s.index, chosen.last())
	}
	if s.index < chosen.acked {
		return fmt.Errorf("record %d was told durable, and the log ends with %d", chosen.acked, s.index)
	}
	chosen.states = chosen.states[:s.index-chosen.base+1]
	chosen.acked, chosen.before = s.index, s.index
	w.log, w.now, w.old, w.ended = log, chosen, nil, false
	return nil
}

// listen takes completions.
func (w *world) listen() error {
	w.log.Advance(w.disk.Now())
	c := w.log.Completed()
	if w.ended && (c.Durable > w.now.acked || c.Err != nil) {
		return fmt.Errorf("after its failure the log tells more: %+v", c)
	}
	if c.Durable > w.now.acked && (w.old == nil || c.Durable >= w.now.base) {
		w.now.before, w.now.acked, w.old = w.now.acked, c.Durable, nil
	} else if w.old != nil && c.Durable > 0 {
		w.old = nil
	}
	if c.Durable > w.now.last() {
		return fmt.Errorf("record %d is told durable and was not appended", c.Durable)
	}
	if c.Err != nil {
		w.note("the log has failed: %v", c.Err)
		w.ended = true
	}
	if w.disk.Attempts() > 0 {
		return errors.New("a sync was tried again after it had failed")
	}
	return nil
}

// pass lets time pass.
func (w *world) pass(d time.Duration) error {
	end := w.disk.Now() + d
	for {
		due := w.log.Deadline()
		if due == 0 || due > end {
			w.log.Advance(end)
			return w.listen()
		}
		w.log.Advance(due)
		if err := w.listen(); err != nil {
			return err
		}
	}
}

// append appends some records.
func (w *world) append() {
	var records [][]byte
	for range 1 + w.rng.IntN(6) {
		size := w.size
		if size == 0 {
			size = w.rng.IntN(1 << w.rng.IntN(11))
		}
		record := make([]byte, size)
		for i := range record {
			record[i] = byte(w.rng.Uint32())
		}
		records = append(records, record)
	}
	last, err := w.log.Append(records...)
	if err != nil {
		return
	}
	hash := w.now.states[len(w.now.states)-1]
	for _, record := range records {
		hash = chain(hash, record)
		w.now.states = append(w.now.states, hash)
	}
	w.note("appended up to %d", last)
	if last != w.now.last() {
		panic(fmt.Sprintf("appended up to %d, the log says %d", w.now.last(), last))
	}
}

// ballast is the size of a snapshot's rest.
func (w *world) ballast() int {
	if w.rng.IntN(100) == 0 {
		return 3 << 20 // several pieces
	}
	return w.rng.IntN(3000)
}

// snapshot asks for one.
func (w *world) snapshot() {
	index := w.now.last() - uint64(w.rng.IntN(int(min(w.now.last()-w.now.base, 20))+1))
	err := w.log.Snapshot(index, snapshot(index, w.now.states[index-w.now.base], w.ballast()))
	w.note("snapshot of %d: %v", index, err)
}

// reset puts another state in the place of everything.
func (w *world) reset() {
	index, hash := w.rng.Uint64N(2*w.now.last()+2), w.rng.Uint64()
	if err := w.log.Reset(index, snapshot(index, hash, w.ballast())); err != nil {
		return
	}
	w.note("reset to %d", index)
	if w.old == nil {
		w.old = w.now
	} // else: the reset before is judged by nobody
	w.now = &lineage{base: index, states: []uint64{hash}}
}

// end ends this life, one way or another, and begins the next.
func (w *world) end() error {
	switch w.rng.IntN(6) {
	case 0:
		w.note("closed")
		w.log.Close()
		if err := w.pass(time.Minute); err != nil {
			return err
		}
		if !w.ended && w.now.acked != w.now.last() {
			return fmt.Errorf("closed after record %d, and only %d is durable", w.now.last(), w.now.acked)
		}
		if !w.log.Ended() {
			return errors.New("the log does not end")
		}
		if w.rng.IntN(2) == 0 {
			w.disk.Crash(w.disk.Now())
		}
	case 1:
		w.note("killed")
		w.disk.Kill(w.disk.Now())
		if w.rng.IntN(2) == 0 {
			if err := w.open(); err != nil {
				return err
			}
			w.note("power cut")
			w.disk.Crash(w.disk.Now())
		}
	default:
		w.note("power cut")
		w.disk.Crash(w.disk.Now())
	}
	w.disk.Fill(0)
	return w.open()
}

// step does one thing.
func (w *world) step() error {
	switch k := w.rng.IntN(100); {
	case w.short && k < 15:
		return w.end()
	case k < 50:
		w.append()
	case k < 80:
		return w.pass(time.Duration(w.rng.Int64N(int64(4 * time.Millisecond))))
	case k < 84:
		return w.pass(time.Duration(w.rng.Int64N(int64(200 * time.Millisecond))))
	case k < 90:
		w.snapshot()
	case k < 91 && w.old == nil:
		w.reset()
	case k < 92:
		w.disk.FailSync(w.rng.IntN(4))
	case k < 93:
		w.disk.FailWrite(w.rng.IntN(4))
	case k < 94:
		w.disk.Fill(w.disk.Used() + w.rng.Int64N(20000))
	default:
		return w.end()
	}
	return nil
}

// run runs a schedule.
func run(seed uint64) (w *world, err error) {
	w = newWorld(seed)
	if err := w.open(); err != nil {
		return w, err
	}
	for range 60 + w.rng.IntN(100) {
		if err := w.step(); err != nil {
			return w, err
		}
	}
	return w, w.end()
}

// find runs schedules until one fails.
func find(first uint64, n int) (seed uint64, w *world, err error) {
	for seed := first; seed < first+uint64(n); seed++ {
		if w, err := run(seed); err != nil {
			return seed, w, err
		}
	}
	return 0, nil, nil
}

// TestNothingDurableIsLostAndNothingInvented is the promise of the log, under every fault
// but a decay of what is durable.
func TestNothingDurableIsLostAndNothingInvented(t *testing.T) {
	if seed, w, err := find(*firstSeed, *schedules); err != nil {
		for _, line := range w.story[max(0, len(w.story)-40):] {
			t.Log(line)
		}
		t.Fatalf("seed %d: %v\nreplay: go test ./internal/sim/simdisk -run Nothing -args -seed=%d -schedules=1", seed, err, seed)
	}
}
