package lock

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/client"
)

// What was granted in a session that has ended is not held under the lease of the next, though a process that stood still comes
// to hear of both at once.
func TestAGrantOfAFormerSessionIsNotHeld(t *testing.T) {
	k, err := Open(Config{Servers: []string{filepath.Join(t.TempDir(), "nobody.sock")}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_ = k.Close(ctx) // there is nobody to tell
	}()
	asked := k.current()
	k.renewed(k.c.Now(), k.cfg.Lease)
	if l := k.hold("x", 1, asked, &Options{}); l == nil || !l.Holds() {
		t.Fatal("it is not held in its own session")
	}
	k.ended(client.ErrLapsed)
	k.renewed(k.c.Now(), k.cfg.Lease)
	if k.hold("x", 2, asked, &Options{}) != nil {
		t.Error("it is held in the next session")
	}
	if len(k.held) != 0 {
		t.Error("the end of the session leaves locks")
	}
}
