package driver

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// A connection over which ever new sessions speak takes no more memory than others.
func TestRoutesAreBounded(t *testing.T) {
	r := &Replica{routes: map[session.ID]uint64{}, spoken: map[uint64][]session.ID{}}
	r.route(1, 7)
	for id := range session.ID(10 * sessionsMax) {
		r.route(1000+id, 8)
	}
	if len(r.routes) != sessionsMax+1 || len(r.spoken[8]) != sessionsMax || r.routes[1] != 7 {
		t.Errorf("%d routes, %d of them of one connection; session 1 is at %d", len(r.routes), len(r.spoken[8]), r.routes[1])
	}
	r.route(1, 8) // it has moved
	r.Forget(7)
	if r.routes[1] != 8 {
		t.Error("a session that has moved is forgotten with its former connection")
	}
	for i := range 10 * sessionsMax { // to and fro
		r.route(2, uint64(7+i%2))
	}
	r.Forget(8)
	r.Forget(7)
	if len(r.routes)+len(r.spoken) != 0 {
		t.Errorf("left are %d routes and %d connections", len(r.routes), len(r.spoken))
	}
}
