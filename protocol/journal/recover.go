package journal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Recovered says what was found.
type Recovered struct {
	New      bool   // there was nothing: a new member, or the wrong directory
	Snapshot uint64 // index of the snapshot that was restored; 0 if none was
	Last     uint64 // index of the last record, or the snapshot's if there is none after it
	Cut      Cut
	// Instead names a damaged snapshot in whose place an older one served, with all records;
	// empty if there is none.
	Instead string
}

// Cut is a torn tail: bytes of a write that was never told durable.
type Cut struct {
	File   string // name of the segment; empty if nothing was cut
	Offset int64  // where the tail began, in bytes
	Bytes  int    // how long it was, without zeros at its end
	Index  uint64 // of the first record that was cut
}

// String gives "segment-…: 317 bytes cut at byte 4711, where record 12 was not whole".
func (c Cut) String() string {
	if c.File == "" {
		return "nothing cut"
	}
	return fmt.Sprintf("%s: %d bytes cut at byte %d, where record %d was not whole", c.File, c.Bytes, c.Offset, c.Index)
}

// recovery is the judgement of what is in a directory.
type recovery struct {
	dir       Dir
	cfg       Config
	found     Recovered
	segments  []place // of the era from the first that is needed
	snapshots []place // newest first
	obsolete  []string
	base      place
	damaged   *Refusal // of the newest damaged snapshot
	least     uint64   // up to here there must be records, since a damaged snapshot had them
	chain     uint32
	whole     bool // the base is a snapshot
}

// recover judges the directory, hands everything to the state and gives a writer that
// goes on from there.
func recoverFrom(dir Dir, cfg Config, state State) (*writer, Recovered, error) {
	r := &recovery{dir: dir, cfg: cfg}
	for _, step := range []func() error{r.list, r.chooseBase, r.chooseSegments, func() error { return r.walk(nil) }} {
		if err := step(); err != nil {
			return nil, Recovered{}, err
		}
	}
	// What was read is on the disk under its name from here on, whatever the former
	// process had come to.
	if canary != ShallowRecovery {
		if err := dir.Sync(); err != nil {
			return nil, Recovered{}, &OpError{Op: "sync", Err: err}
		}
	}
	if err := r.restore(state); err != nil {
		return nil, Recovered{}, err
	}
	if err := r.walk(state); err != nil {
		return nil, Recovered{}, err
	}
	w := &writer{dir: dir, cfg: cfg, era: r.base.era, last: r.found.Last, durable: r.found.Last, chain: r.chain}
	w.segments, w.snapshots = r.segments, r.snapshots
	for _, name := range r.obsolete {
		if err := dir.Remove(name); err != nil {
			return nil, Recovered{}, &OpError{Op: "remove", File: name, Err: err}
		}
	}
	if r.whole && r.damaged == nil {
		if err := w.sweep(r.base); err != nil {
			return nil, Recovered{}, err
		}
	}
	return w, r.found, nil
}

// list reads the names.
func (r *recovery) list() error {
	names, err := r.dir.List()
	if err != nil {
		return &OpError{Op: "list", Err: err}
	}
	r.found.New = true
	for _, name := range names {
		whole, unfinished := strings.CutSuffix(name, newSuffix)
		rest, segment := strings.CutPrefix(whole, segmentPrefix)
		if !segment {
			var snapshot bool
			if rest, snapshot = strings.CutPrefix(whole, snapshotPrefix); !snapshot {
				continue
			}
		}
		p, ok := parsePlace(rest)
		switch {
		case !ok:
			return &Refusal{Reason: Damaged, File: name, Problem: "the file's name begins like one of the journal's and is none", Remedy: remedyName}
		case unfinished:
			r.obsolete = append(r.obsolete, name)
			continue
		case segment:
			r.segments = append(r.segments, p)
		default:
			r.snapshots = append(r.snapshots, p)
		}
		r.found.New = false
	}
	slices.Sort(r.obsolete)
	slices.SortFunc(r.segments, place.compare)
	slices.SortFunc(r.snapshots, func(a, b place) int { return b.compare(a) })
	return nil
}

// chooseBase finds the era and the newest whole snapshot of it.
func (r *recovery) chooseBase() error {
	if n := len(r.segments); n > 0 {
		r.base.era = r.segments[n-1].era
	}
	if len(r.snapshots) > 0 {
		r.base.era = max(r.base.era, r.snapshots[0].era)
	}
	for _, p := range r.snapshots {
		if p.era != r.base.era {
			break
		}
		refusal := r.judgeSnapshot(p)
		if refusal == nil {
			r.base, r.whole, r.found.Snapshot = p, true, p.index
			break
		}
		if refusal.Reason != Damaged {
			return refusal
		}
		if r.damaged == nil {
			r.damaged, r.least, r.found.Instead = refusal, p.index, p.snapshot()
		}
	}
	if r.whole || r.base.era == 0 {
		return nil
	}
	if r.damaged != nil {
		return r.damaged
	}
	return &Refusal{
		Reason: Missing, File: r.segments[len(r.segments)-1].segment(), Remedy: remedyDamage,
		Problem: fmt.Sprintf("it is of era %d, which begins with a snapshot, and there is none of that era", r.base.era),
	}
}

// judgeSnapshot reads a snapshot to its end.
func (r *recovery) judgeSnapshot(p place) *Refusal {
	f, err := r.dir.Open(p.snapshot())
	if err != nil {
		return &Refusal{Reason: Damaged, File: p.snapshot(), Problem: "it cannot be opened", Remedy: remedyRead, Err: err}
	}
	defer f.Close()
	reader, refusal := r.cfg.openSnapshot(f, p)
	if refusal != nil {
		return refusal
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		errors.As(err, &refusal)
	}
	return refusal
}

// chooseSegments leaves the segments of this era from the one that has the first record
// after the base. The files of earlier eras are void.
func (r *recovery) chooseSegments() error {
	first := 0
	for i, p := range r.segments {
		if p.era < r.base.era {
			r.obsolete = append(r.obsolete, p.segment())
			first = i + 1
		} else if p.index <= r.base.index+1 {
			// Those before are covered by the base. They stay until the next snapshot: a
			// damaged snapshot may have made an older one the base.
			first = i
		}
	}
	rest := r.segments[first:]
	if len(rest) == 0 {
		r.segments, r.found.Last = nil, r.base.index
		return r.enough()
	}
	if rest[0].index > r.base.index+1 {
		if r.damaged != nil {
			return r.damaged
		}
		return &Refusal{
			Reason: Missing, File: rest[0].segment(), Index: r.base.index + 1, Remedy: remedyDamage,
			Problem: fmt.Sprintf("the first segment begins with record %d, and there is no file with the records from %d on", rest[0].index, r.base.index+1),
		}
	}
	for _, p := range r.segments[:first] {
		if p.era == r.base.era {
			r.obsolete = append(r.obsolete, p.segment())
		}
	}
	r.segments = slices.Clone(rest)
	return nil
}

// enough refuses to do without a damaged snapshot whose records are not there.
func (r *recovery) enough() error {
	if r.damaged != nil && r.found.Last < r.least {
		return r.damaged
	}
	return nil
}

// restore hands the snapshot over.
func (r *recovery) restore(state State) error {
	if !r.whole {
		return nil
	}
	name := r.base.snapshot()
	f, err := r.dir.Open(name)
	if err != nil {
		return &OpError{Op: "open", File: name, Err: err}
	}
	defer f.Close()
	reader, refusal := r.cfg.openSnapshot(f, r.base)
	if refusal != nil {
		return refusal
	}
	if err := state.Restore(r.base.index, reader); err != nil {
		return &OpError{Op: "restore", File: name, Err: err}
	}
	return nil
}

// walk goes over the segments. Without a state it judges; with one it hands the records
// behind the base over.
func (r *recovery) walk(state State) error {
	var b []byte
	for i, p := range r.segments {
		var err error
		if b, err = r.load(b, p); err != nil {
			return err
		}
		s, refusal := r.cfg.openSegment(b, p)
		if refusal != nil {
			return refusal
		}
		if i > 0 && s.chain != r.chain && canary != BlindChain {
			return &Refusal{
				Reason: Damaged, File: s.name, Offset: 40, Index: p.index, Remedy: remedyDamage,
				Problem: fmt.Sprintf("the file does not follow %s: the sum of record %d is another", r.segments[i-1].segment(), p.index-1),
			}
		}
		if i+1 < len(r.segments) {
			err = r.walkFull(s, r.segments[i+1], state)
		} else {
			err = r.walkLast(s, state)
		}
		if err != nil {
			return err
		}
		r.chain = s.chain
	}
	return nil
}

// walkFull reads a segment up to the first record of the next one. What stands behind is
// the torn tail of a former life.
func (r *recovery) walkFull(s *segmentReader, next place, state State) error {
	for s.next < next.index {
		record, ok, refusal := s.read()
		if refusal != nil {
			return refusal
		}
		if !ok {
			return s.refuse(fmt.Sprintf("there is no valid record here, and %s goes on with record %d", next.segment(), next.index))
		}
		if err := r.apply(s, record, state); err != nil {
			return err
		}
	}
	return nil
}

// walkLast reads the last segment up to where the log ends.
func (r *recovery) walkLast(s *segmentReader, state State) error {
	for state == nil || s.next <= r.found.Last {
		record, ok, refusal := s.read()
		if refusal != nil {
			return refusal
		}
		if !ok {
			break
		}
		if err := r.apply(s, record, state); err != nil {
			return err
		}
	}
	if state != nil {
		return nil
	}
	r.found.Last = s.next - 1
	if n := s.blank(); n > 0 {
		if refusal := s.testimony(); refusal != nil {
			return refusal
		}
		r.found.Cut = Cut{File: s.name, Offset: int64(s.offset), Bytes: n, Index: s.next}
		if canary == DeepCut && r.found.Last > r.base.index {
			r.found.Last--
		}
	}
	// Records that the base covers may be gone from the tail of an era's last segment.
	r.found.Last = max(r.found.Last, r.base.index)
	return r.enough()
}

// apply hands one record over if the base does not cover it.
func (r *recovery) apply(s *segmentReader, record []byte, state State) error {
	index := s.next - 1
	if state == nil || index <= r.base.index {
		return nil
	}
	if err := state.Apply(index, record); err != nil {
		return &OpError{Op: "apply", File: s.name, Err: fmt.Errorf("record %d: %w", index, err)}
	}
	return nil
}

// load reads a segment into memory, in b if it has room.
func (r *recovery) load(b []byte, p place) ([]byte, error) {
	name := p.segment()
	refuse := func(problem string, err error) ([]byte, error) {
		return nil, &Refusal{Reason: Damaged, File: name, Index: p.index, Problem: problem, Remedy: remedyRead, Err: err}
	}
	f, err := r.dir.Open(name)
	if err != nil {
		return refuse("it cannot be opened", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return refuse("its size cannot be had", err)
	}
	if size > segmentMost {
		return refuse(fmt.Sprintf("it has %d bytes, and no segment has more than %d", size, segmentMost), nil)
	}
	b = slices.Grow(b[:0], int(size))[:size]
	if n, err := f.ReadAt(b, 0); err != nil && n < len(b) {
		return refuse(fmt.Sprintf("it cannot be read from byte %d on", n), err)
	}
	return b, nil
}
