package service

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// FuzzJudges tells all judges whatever there may be; they must not panic, and judge it twice
// alike. Small numbers make facts meet.
func FuzzJudges(f *testing.F) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		data := make([]byte, 600)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		setting := Setting{
			FIFO: data[0]&1 != 0, Volatile: data[0]&2 != 0, Reassert: data[0]&4 != 0, Lazy: data[0]&8 != 0,
			Majority: data[0]&16 != 0, Voted: data[0]&32 != 0, Tolerance: uint64(data[0] >> 6),
		}
		facts := factsOf(data[1:min(len(data), 6*300)])
		once := judged(facts, All(setting)...)
		if again := judged(facts, All(setting)...); once != again {
			t.Fatalf("judged %q, and then %q", once, again)
		}
		for _, j := range All(setting) { // what others find first hides nothing
			court := NewCourt(NewLedger(setting), j)
			for i := range facts {
				court.Hear(&facts[i])
			}
		}
		for i := range facts { // the history may be nonsense: hear it to its end
			for _, j := range all(setting) {
				_ = j.Hear(&facts[i])
			}
		}
	})
}

// all are the judges that need no ledger.
func all(s Setting) []Judge {
	return []Judge{Fencing(s), Exclusion(s), Lease(s), Gone(), Prompt(s), Honesty(s), Queue(), Overtaking(1)}
}

// factsOf makes facts of bytes, six each.
func factsOf(data []byte) []Fact {
	var facts []Fact
	for ; len(data) >= 6; data = data[6:] {
		bits := binary.BigEndian.Uint32(data[2:])
		few := func(n uint32) uint64 {
			x := bits % n
			bits /= n
			return uint64(x)
		}
		facts = append(facts, Fact{
			At: time.Duration(len(facts)), Kind: Kind(data[0]) % (Ended + 2),
			Node: view.Member{ID: view.ID(1 + few(3)), Incarnation: 1}, Peer: view.Member{ID: view.ID(1 + few(3)), Incarnation: 1},
			Client: int(few(4)), Call: few(4), Semantics: Semantics(few(5)), Op: Op(few(5)), Key: uint32(few(2)), Value: few(5), Shared: few(2) == 1,
			Index: uint64(data[1] & 7), Session: uint64(data[1] >> 3 & 3), Number: uint64(data[1] >> 5 & 1), Sum: uint64(data[1] >> 6), State: uint64(data[1] >> 7),
		})
	}
	return append(facts, Fact{At: time.Duration(len(facts)), Kind: Ended})
}

// BenchmarkFacts judges 10,000 facts of a service and its locks by all judges but the search.
func BenchmarkFacts(b *testing.B) {
	var facts []Fact
	for i := uint64(1); len(facts) < 10000; i++ {
		client := int(1 + i%8)
		facts = append(facts,
			Fact{Kind: Called, Client: client, Call: i, Key: 1, Session: uint64(client), Number: i},
			did(a, i, uint64(client), i), did(view.Member{ID: 2, Incarnation: 1}, i, uint64(client), i), did(c, i, uint64(client), i),
			get(client, i, 0), grant(client, i), holds(client, i), writes(client, i), drops(client), on(Quit, client, i))
	}
	facts = append(facts, calm, ended)
	b.ReportAllocs()
	for b.Loop() {
		if text := judged(facts, All(durable)...); text != "" {
			b.Fatal(text)
		}
	}
	b.ReportMetric(float64(len(facts)), "facts/op")
}
