//go:build canary

package locks_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast"
	"github.com/holdfast-ha/holdfast/check"
	"github.com/holdfast-ha/holdfast/protocol/replica/peers"
	"github.com/holdfast-ha/holdfast/protocol/stack/replicated"
	service "github.com/holdfast-ha/holdfast/service/lock"
)

// plant plants a bug in a program.
func plant(bug string) {
	switch bug {
	case "":
	case "crowded":
		service.Plant(service.Crowded)
	case "queue jumper":
		service.Plant(service.QueueJumper)
	case "haunted":
		service.Plant(service.Haunted)
	case "no window":
		peers.Plant(peers.NoWindow)
	case "same numbers":
		peers.Plant(peers.SameNumbers)
	case "eager":
		service.Plant(service.Eager)
	case "floorless":
		service.Plant(service.Floorless)
	case "answers unsaved":
		replicated.Plant(replicated.AnswersUnsaved)
	default:
		panic("there is no bug " + bug)
	}
}

// TestCanariesAreFoundByTheCampaign has the campaign find bugs that are planted in members and clients: it is not enough that the judges
// could see them, something must happen that brings them out.
func TestCanariesAreFoundByTheCampaign(t *testing.T) {
	for _, b := range []struct{ bug, promises string }{
		{"crowded", "exclusion lease"}, {"queue jumper", "queue"}, {"haunted", "queue liveness"},
	} {
		t.Run(b.bug, func(t *testing.T) {
			w := newWorldWith(t, 3, b.bug)
			for range 8 {
				w.killClient(w.chance.IntN(len(w.clients)))
				w.run(time.Second)
			}
			// Who lives with the bug may be in the way of calm, so there is none.
			verdict, counts, err := w.judge(now())
			if err != nil {
				t.Fatal(err)
			}
			if verdict == nil {
				t.Fatalf("nobody sees it in %s", counts)
			}
			if t.Log(verdict); !slices.Contains(strings.Fields(b.promises), verdict.Promise) {
				t.Errorf("it is taken for another promise than %s", b.promises)
			}
		})
	}
}

// TestCanariesOfRecoveryAreFound does the same where all members are lost.
func TestCanariesOfRecoveryAreFound(t *testing.T) {
	for _, b := range []struct{ bug, promises string }{
		{"eager", "exclusion lease fencing queue"}, {"floorless", "fencing"},
	} {
		t.Run(b.bug, func(t *testing.T) {
			w := newLosingWorld(t, 3, b.bug)
			var verdict *check.Violation
			counts := ""
			for range 6 { // whether it comes out is chance
				w.torture(1)
				w.run(window + 2*time.Second) // who waits is granted what is free only then
				var err error
				if verdict, counts, err = w.judge(now()); err != nil {
					t.Fatal(err)
				}
				if verdict != nil {
					break
				}
			}
			if verdict == nil {
				t.Fatalf("nobody sees it in %s", counts)
			}
			if t.Log(verdict); !slices.Contains(strings.Fields(b.promises), verdict.Promise) {
				t.Errorf("it is taken for another promise than %s", b.promises)
			}
		})
	}
}

// TestCanariesOfDisksAreFoundByTheCampaign kills all members at once, who answer before anything is on a disk.
func TestCanariesOfDisksAreFoundByTheCampaign(t *testing.T) {
	w := newDurableWorldWith(t, 1, "answers unsaved", holdfast.Active)
	for _, p := range w.clients {
		p.kill() // who finds that it has a lock which it gave back ends by itself
	}
	w.clients = nil
	w.more(30)
	w.cutSlow(3)
	w.await("all members serving", func() bool { w.tend(); return w.serve() })
	verdict := w.lastWords(now(), w.callers...)
	if verdict == nil {
		t.Fatal("nobody sees it")
	}
	if t.Log(verdict); !slices.Contains([]string{"execution", "retention", "linearizability"}, verdict.Promise) {
		t.Errorf("it is taken for another promise than those of what was answered")
	}
}
