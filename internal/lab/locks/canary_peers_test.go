//go:build canary

package locks_test

import (
	"testing"
	"time"
)

// TestCanariesAreFoundAmongPeers has the campaign find bugs that are planted in processes that share locks without a server.
func TestCanariesAreFoundAmongPeers(t *testing.T) {
	for _, b := range []struct{ bug, promise string }{{"no window", "exclusion"}, {"same numbers", "fencing"}} {
		t.Run(b.bug, func(t *testing.T) {
			w := newPeers(t, 3, b.bug)
			for range 8 {
				w.run(700 * time.Millisecond)
				if b.bug == "no window" {
					w.isolate(w.names[w.chance.IntN(len(w.names))])
					w.run(2 * time.Second)
					w.must(w.net.Mend())
				} else {
					w.killAll()
				}
			}
			verdict, counts, err := w.judgePeers(now())
			if err != nil {
				t.Fatal(err)
			}
			if verdict == nil {
				t.Fatalf("nobody sees it in %s", counts)
			}
			if t.Log(verdict); verdict.Promise != b.promise {
				t.Errorf("it is taken for another promise than %s", b.promise)
			}
		})
	}
}
