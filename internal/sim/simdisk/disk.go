package simdisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/journal"
)

// The errors of a disk.
var (
	ErrFull  = errors.New("no space left on the simulated disk")
	ErrSync  = errors.New("input/output error of the simulated disk while it synced")
	ErrWrite = errors.New("input/output error of the simulated disk while it wrote")
)

// errNone says that there is no such file.
var errNone = errors.New("no such file on the simulated disk")

// sector is the unit in which bytes become durable.
const sector = 512

// deadKept is how many removed files are remembered at least.
const deadKept = 32

// Config is how a disk behaves. Its zero value is a fast and endless one.
type Config struct {
	Sync     time.Duration // what a sync takes at least
	Jitter   time.Duration // and up to this much more
	Write    time.Duration // what a write, and everything else, takes
	Capacity int64         // in bytes; 0: endless
	Stale    bool          // sectors that were never written may show what removed files had
}

// Disk is a simulated disk with one directory. See the package for what it does.
type Disk struct {
	cfg Config
	rng *rand.Rand
	now time.Duration
	end time.Duration // when the last operation that was begun has its effect

	queue  []operation
	names  map[string]*inode // as the process sees them
	stable map[string]*inode // as the disk has them
	steps  []step            // what was done to names since
	inodes []*inode          // all that have ever been, for the capacity and for stale sectors

	used      int64
	failSync  int // this many syncs succeed, then one fails; -1: all succeed
	failWrite int
	syncs     int
	attempts  int // syncs that were tried after one of the same file had failed
}

// operation is something that takes effect at a time.
type operation struct {
	begin, end time.Duration
	do         func()
	torn       func() // what of it has happened when the power fails before its end; may be nil
}

// step is what was done to the names and is not durable.
type step struct {
	from, to string // a creation has no from, a removal has no to
	inode    *inode // whose name it is; nil for a removal
}

// inode is a file. Its first sectors are in data as the process sees them and in stable as
// the disk has them.
type inode struct {
	data    []byte
	stable  []byte
	dirty   map[int]bool // sectors that differ and that a sync will write
	written map[int]bool // sectors of stable that have ever been written
	failed  bool         // a sync of it has failed
	size    int64        // allocated, at once
	dead    bool
}

var _ journal.Dir = (*Disk)(nil)

// New makes an empty disk. rng draws everything; only the disk may use it.
func New(cfg Config, rng *rand.Rand) *Disk {
	return &Disk{
		cfg: cfg, rng: rng, names: map[string]*inode{}, stable: map[string]*inode{}, failSync: -1, failWrite: -1,
	}
}

// Now is the disk's time.
func (d *Disk) Now() time.Duration { return d.now }

// Advance lets time pass up to now.
func (d *Disk) Advance(now time.Duration) {
	for len(d.queue) > 0 && d.queue[0].end <= now {
		op := d.queue[0]
		d.queue = d.queue[1:]
		op.do()
	}
	d.now = max(d.now, now)
	d.end = max(d.end, d.now)
}

// Busy is when everything that was begun has ended.
func (d *Disk) Busy() time.Duration { return d.end }

// Syncs is how many syncs there have been.
func (d *Disk) Syncs() int { return d.syncs }

// Attempts is how many syncs of a file were tried after one of it had failed. There must be none.
func (d *Disk) Attempts() int { return d.attempts }

// FailSync lets n syncs of files succeed and the one after fail, once.
func (d *Disk) FailSync(n int) { d.failSync = n }

// FailWrite lets n writes succeed and the one after fail, half done.
func (d *Disk) FailWrite(n int) { d.failWrite = n }

// Fill sets the capacity in bytes; 0: endless.
func (d *Disk) Fill(capacity int64) { d.cfg.Capacity = capacity }

// Used is how many bytes are allocated.
func (d *Disk) Used() int64 { return d.used }

// begin puts an operation behind the others.
func (d *Disk) begin(takes time.Duration, do, torn func()) {
	d.queue = append(d.queue, operation{d.end, d.end + takes, do, torn})
	d.end += takes
}

// takes draws how long a sync takes.
func (d *Disk) takes() time.Duration {
	t := d.cfg.Sync
	if d.cfg.Jitter > 0 {
		t += time.Duration(d.rng.Int64N(int64(d.cfg.Jitter)))
	}
	return t
}

// settle ends everything that was begun: recovery reads what there is, in no time.
func (d *Disk) settle() {
	for _, op := range d.queue {
		op.do()
	}
	d.queue = nil
}

// List gives the names, sorted.
func (d *Disk) List() ([]string, error) {
	d.settle()
	names := make([]string, 0, len(d.names))
	for name := range d.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Open opens a file that is read as the disk has it.
func (d *Disk) Open(name string) (journal.File, error) {
	d.settle()
	n := d.names[name]
	if n == nil {
		return nil, fmt.Errorf("%s: %w", name, errNone)
	}
	n.flush()
	n.data = slices.Clone(n.stable)
	return &file{d, n}, nil
}

// Create makes a file.
func (d *Disk) Create(name string, size int64) (journal.File, error) {
	if d.cfg.Capacity > 0 && d.used+size > d.cfg.Capacity {
		return nil, ErrFull
	}
	d.used += size
	n := &inode{dirty: map[int]bool{}, written: map[int]bool{}, size: size}
	n.data = make([]byte, size)
	d.begin(d.cfg.Write, func() {
		d.inodes = append(d.inodes, n)
		d.step(step{to: name, inode: n})
	}, nil)
	return &file{d, n}, nil
}

// Rename gives a file another name.
func (d *Disk) Rename(from, to string) error {
	d.begin(d.cfg.Write, func() { d.step(step{from: from, to: to}) }, nil)
	return nil
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	d.begin(d.cfg.Write, func() { d.step(step{from: name}) }, nil)
	return nil
}

// Sync makes the names durable.
func (d *Disk) Sync() error {
	d.syncs++
	d.begin(d.takes(), func() {
		for _, s := range d.steps {
			s.apply(d.stable)
		}
		d.steps = nil
		d.collect()
	}, nil)
	return nil
}

// step does something to the names.
func (d *Disk) step(s step) {
	if s.to != "" && s.inode == nil {
		if s.inode = d.names[s.from]; s.inode == nil {
			return
		}
	}
	s.apply(d.names)
	d.steps = append(d.steps, s)
}

// apply does a step. It is about entries of a directory, so that each can be done without
// those before.
func (s step) apply(names map[string]*inode) {
	delete(names, s.from)
	if s.to != "" {
		names[s.to] = s.inode
	}
}

// collect gives back the room of files without a name.
func (d *Disk) collect() {
	for _, n := range d.inodes {
		if n.dead || d.has(d.names, n) || d.has(d.stable, n) {
			continue
		}
		n.dead = true
		d.used -= n.size
	}
	// Of the dead some are kept, whose sectors may be seen again.
	if len(d.inodes) > 2*deadKept {
		kept := d.inodes[len(d.inodes)-deadKept:]
		living := slices.DeleteFunc(d.inodes[:len(d.inodes)-deadKept], func(n *inode) bool { return n.dead })
		d.inodes = append(slices.Clone(living), kept...)
	}
}

func (d *Disk) has(names map[string]*inode, n *inode) bool {
	for _, other := range names { //tidy:unordered only whether it is there
		if other == n {
			return true
		}
	}
	return false
}
