package check

import (
	"fmt"
	"time"
)

// retention: a copy does not lose an object that its source keeps, not even for a moment:
// that moment may be the one in which the source dies.
type retention struct {
	ledger *Ledger
	age    time.Duration
}

// Retention judges what is dropped from copies. An object that its source has had without
// a break for age must not be dropped; one that is younger may be, because the news that
// its predecessor is gone may still be on the way.
func Retention(l *Ledger, age time.Duration) Judge { return retention{l, age} }

// Promise names the promise.
func (j retention) Promise() string { return "retention" }

// Hear judges a drop.
func (j retention) Hear(f *Fact) error {
	if f.Kind != Dropped {
		return nil
	}
	own, has := j.ledger.source(f.Peer.ID).objects[string(f.Key)]
	if has && f.At-own.since > j.age {
		return fmt.Errorf("%v dropped %q from its copy of %v, which has had it for %v", f.Node.ID, f.Key, f.Peer.ID, f.At-own.since)
	}
	return nil
}
