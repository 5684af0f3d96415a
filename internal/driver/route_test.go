package driver

import (
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/session"
)

// A connection over which ever new sessions speak takes no more memory than others.
func TestRoutesAreBounded(t *testing.T) {
	r := &Replica{routes: map[claim]uint64{}, spoken: map[uint64][]claim{}}
	r.route(claim{1, 5}, 7)
	for id := range session.ID(10 * sessionsMax) {
		r.route(claim{1000 + id, 5}, 8)
	}
	if len(r.routes) != sessionsMax+1 || len(r.spoken[8]) != sessionsMax || r.routes[claim{1, 5}] != 7 {
		t.Errorf("%d routes, %d of them of one connection; session 1 is at %d", len(r.routes), len(r.spoken[8]), r.routes[claim{1, 5}])
	}
	r.route(claim{1, 5}, 8) // it has moved
	r.route(claim{1, 6}, 9) // somebody who does not know the nonce
	r.Forget(9)
	r.Forget(7)
	if r.routes[claim{1, 5}] != 8 {
		t.Error("a session that has moved is forgotten with its former connection")
	}
	for i := range 10 * sessionsMax { // to and fro
		r.route(claim{2, 5}, uint64(7+i%2))
	}
	r.Forget(8)
	r.Forget(7)
	if len(r.routes)+len(r.spoken) != 0 {
		t.Errorf("left are %d routes and %d connections", len(r.routes), len(r.spoken))
	}
}
