package call

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// Answer is what a server does about the calls of clients that have crashed.
type Answer uint8

// The four answers to orphans.
const (
	// Extermination: the client notes each call before it sends it, and after a restart names those that were
	// open. They are stopped, and not begun if they come later.
	Extermination Answer = 1 + iota
	// Reincarnation: a new life of a client stops all calls of its former ones.
	Reincarnation
	// Gentle: a new life of a client stops those calls of its former ones whose owner is not found.
	Gentle
	// Expiration: a call may run for a quantum, and has to be granted another by its client.
	Expiration
)

// String gives the answer's name.
func (a Answer) String() string {
	names := [...]string{"none", "extermination", "reincarnation", "gentle reincarnation", "expiration"}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown answer"
}

// Owner is one life of a client.
type Owner struct {
	Client uint64           // the same for all its lives
	Life   view.Incarnation // later ones are greater
}

// Running is a call that runs long.
type Running struct {
	Owner
	Number   uint64    // of the owner's calls
	Deadline time.Time // nobody waits for it after that; zero: none
}

// before orders calls: by client, then life, then number.
func (r Running) before(o Running) int {
	return cmp.Or(cmp.Compare(r.Client, o.Client), cmp.Compare(r.Life, o.Life), cmp.Compare(r.Number, o.Number))
}

// Fate is why a call is stopped.
type Fate uint8

// The fates.
const (
	Overdue   Fate = 1 + iota // its deadline has passed
	Named                     // its client has named it after a restart
	Outlived                  // its client has a new life
	Ownerless                 // its client has a new life, and its owner was not found
	Expired                   // it was not granted another quantum
)

// String gives the fate in words.
func (f Fate) String() string {
	names := [...]string{"none", "its deadline has passed", "its client has named it after a restart", "its client has a new life",
		"its owner was not found", "it was not granted another quantum"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown fate"
}

// Stop is a call that is to be stopped.
type Stop struct {
	Running
	Why Fate
}

// OrphanOutput is what a step of Orphans puts out.
type OrphanOutput struct {
	Stop []Stop
	// Ask are calls whose owner is to be asked: with Gentle whether it is there (Found, Missing), with Expiration for
	// another quantum (Found).
	Ask []Running
}

// Reset makes an output empty and keeps its buffers.
func (o *OrphanOutput) Reset() { o.Stop, o.Ask = o.Stop[:0], o.Ask[:0] }

// OrphanConfig says what is done about orphans.
type OrphanConfig struct {
	Answer Answer
	// Quantum is how long a call may run with Expiration before it needs another; 0: 10 s. A client that waits as long
	// after a restart has no orphans.
	Quantum time.Duration
	// Locate is how long owners are looked for with Gentle; 0: 2 s.
	Locate time.Duration
}

// Orphans knows the long-running calls at one server and decides which to stop. It does no I/O and is not safe
// for concurrent use.
//
// A call that has been stopped is to be told as finished by Finished when it really is: until then it is remembered,
// and not stopped again.
type Orphans struct {
	cfg     OrphanConfig
	running []job // sorted
	lives   []Owner
	doomed  []Running // sorted; named before they came
}

// job is a running call.
type job struct {
	Running
	until   time.Time // it is stopped then, unless it is granted more; zero: not
	ask     time.Time // its owner is asked then; zero: not
	stopped bool
}

// NewOrphans makes an empty registry. The error names what is wrong with the configuration.
func NewOrphans(cfg OrphanConfig) (*Orphans, error) {
	if cfg.Answer < Extermination || cfg.Answer > Expiration {
		return nil, fmt.Errorf("call: answer %d to orphans is none; choose Extermination, Reincarnation, Gentle or Expiration", cfg.Answer)
	}
	if cfg.Quantum < 0 || cfg.Locate < 0 {
		return nil, fmt.Errorf("call: Quantum %v and Locate %v must not be below zero", cfg.Quantum, cfg.Locate)
	}
	if cfg.Quantum == 0 {
		cfg.Quantum = quantumStart
	}
	if cfg.Locate == 0 {
		cfg.Locate = locateStart
	}
	return &Orphans{cfg: cfg}, nil
}

// Started tells that a call is to begin. False: it must not, for it is an orphan already, or runs already, or 4096 run.
func (o *Orphans) Started(now time.Time, r Running) bool {
	i, runs := o.search(r)
	_, doomed := slices.BinarySearchFunc(o.doomed, r, Running.before)
	if runs || doomed || len(o.running) >= runningMax || !r.Deadline.IsZero() && !r.Deadline.After(now) {
		return false
	}
	life := o.life(r.Client)
	if r.Life < life && o.cfg.Answer == Reincarnation {
		return false
	}
	j := job{Running: r}
	switch {
	case o.cfg.Answer == Expiration:
		j.grant(now, o.cfg.Quantum)
	case o.cfg.Answer == Gentle && r.Life < life:
		j.until, j.ask = now.Add(o.cfg.Locate), now
	}
	o.running = slices.Insert(o.running, i, j)
	return true
}

// grant gives a call a quantum.
func (j *job) grant(now time.Time, quantum time.Duration) {
	j.until, j.ask = now.Add(quantum), now.Add(quantum/askPart)
}

// Finished tells that a call runs no more, whether it was done or stopped.
func (o *Orphans) Finished(r Running) {
	if i, runs := o.search(r); runs {
		o.running = slices.Delete(o.running, i, i+1)
	}
}

// Reborn tells of a client's life, of which it is heard for the first time or again. An older one than is known counts
// for nothing.
func (o *Orphans) Reborn(now time.Time, owner Owner, out *OrphanOutput) {
	i, known := o.client(owner.Client)
	switch {
	case !known && len(o.lives) < livesMax:
		o.lives = slices.Insert(o.lives, i, owner)
	case !known:
		// It is not remembered; late calls of former lives are not noticed. What runs is.
	case owner.Life <= o.lives[i].Life:
		return
	default:
		o.lives[i].Life = owner.Life
	}
	for i := range o.running {
		j := &o.running[i]
		if j.Client != owner.Client || j.Life >= owner.Life || j.stopped {
			continue
		}
		switch o.cfg.Answer {
		case Reincarnation:
			j.stop(Outlived, out)
		case Gentle:
			if j.until.IsZero() {
				j.until = now.Add(o.cfg.Locate)
				out.Ask = append(out.Ask, j.Running)
			}
		}
	}
}

// Exterminate stops the calls that a client names, from what it noted in former lives; those that have not come
// yet are refused when they do. Only with Extermination.
func (o *Orphans) Exterminate(names []Running, out *OrphanOutput) {
	if o.cfg.Answer != Extermination {
		return
	}
	for _, r := range names {
		r.Deadline = time.Time{}
		if i, runs := o.search(r); runs {
			o.running[i].stop(Named, out)
		} else if i, known := slices.BinarySearchFunc(o.doomed, r, Running.before); !known && len(o.doomed) < doomedMax {
			o.doomed = slices.Insert(o.doomed, i, r)
		}
	}
}

// Forget drops what is known of a client's former lives: when nothing of theirs can be on the network any more.
func (o *Orphans) Forget(client uint64) {
	if i, known := o.client(client); known {
		o.lives = slices.Delete(o.lives, i, i+1)
	}
	o.doomed = slices.DeleteFunc(o.doomed, func(r Running) bool { return r.Client == client })
}

// Found tells that the owner of a call is there and wants it: it goes on, with Expiration for another quantum.
func (o *Orphans) Found(now time.Time, r Running) {
	i, runs := o.search(r)
	if !runs || o.running[i].stopped {
		return
	}
	switch j := &o.running[i]; o.cfg.Answer {
	case Gentle:
		j.until, j.ask = time.Time{}, time.Time{}
	case Expiration:
		j.grant(now, o.cfg.Quantum)
	}
}

// Missing tells that the owner of a call is known not to be there.
func (o *Orphans) Missing(r Running, out *OrphanOutput) {
	if i, runs := o.search(r); runs && o.cfg.Answer == Gentle && !o.running[i].until.IsZero() {
		o.running[i].stop(Ownerless, out)
	}
}

// Tick stops what is due, and asks.
func (o *Orphans) Tick(now time.Time, out *OrphanOutput) {
	for i := range o.running {
		j := &o.running[i]
		switch {
		case j.stopped:
		case !j.Deadline.IsZero() && !j.Deadline.After(now):
			j.stop(Overdue, out)
		case !j.until.IsZero() && !j.until.After(now):
			why := Expired
			if o.cfg.Answer == Gentle {
				why = Ownerless
			}
			j.stop(why, out)
		case !j.ask.IsZero() && !j.ask.After(now):
			j.ask = time.Time{}
			if o.cfg.Answer == Expiration {
				j.ask = now.Add(max(j.until.Sub(now)/askPart, time.Millisecond)) // an answer may be lost
			}
			out.Ask = append(out.Ask, j.Running)
		}
	}
}

// Deadline is when Tick is due next; zero: never.
func (o *Orphans) Deadline() time.Time {
	var next time.Time
	for i := range o.running {
		if j := &o.running[i]; !j.stopped {
			next = earlier(earlier(next, j.Deadline), earlier(j.until, j.ask))
		}
	}
	return next
}

// Running is how many calls run, stopped ones that have not finished among them.
func (o *Orphans) Running() int { return len(o.running) }

// stop decides that a call is stopped, once.
func (j *job) stop(why Fate, out *OrphanOutput) {
	if !j.stopped {
		j.stopped = true
		out.Stop = append(out.Stop, Stop{j.Running, why})
	}
}

func (o *Orphans) search(r Running) (int, bool) {
	return slices.BinarySearchFunc(o.running, r, func(j job, r Running) int { return j.before(r) })
}

func (o *Orphans) client(client uint64) (int, bool) {
	return slices.BinarySearchFunc(o.lives, client, func(o Owner, c uint64) int { return cmp.Compare(o.Client, c) })
}

// life is the latest life of a client that is known; 0: none.
func (o *Orphans) life(client uint64) view.Incarnation {
	if i, known := o.client(client); known {
		return o.lives[i].Life
	}
	return 0
}

// Unfinished reads what a client noted in former lives and gives the calls that were open, in the order in which
// they were sent: those to be named for Extermination.
func Unfinished(notes []Record) []Record {
	over := map[Record]bool{}
	for _, n := range notes {
		if n.Over {
			over[Record{Nonce: n.Nonce, Number: n.Number}] = true
		}
	}
	var open []Record
	for _, n := range notes {
		if !n.Over && !over[n] {
			open = append(open, n)
		}
	}
	return open
}
