package register

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-ha/holdfast/check/service"
)

// FuzzRead: a request has one reading, and what was changed on its way has none.
func FuzzRead(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for fill := range 3 {
		r := Draw(rng, 1, 7)
		r.Fill = 10 * fill
		f.Add(r.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := Read(b)
		if !ok {
			return
		}
		if again, ok := Read(r.Append(nil)); !ok || again != r {
			t.Fatalf("%+v is read again as %+v", r, again)
		}
		if r.Fill > 0 {
			b = bytes.Clone(b)
			b[len(b)-1]++
			if _, ok := Read(b); ok {
				t.Fatal("a request that was changed is read")
			}
		}
	})
}

// TestASnapshotHasAllThatTheSumHas: and the digest is that of the state, however it came to be.
func TestASnapshotHasAllThatTheSumHas(t *testing.T) {
	var s, restored, other Register
	rng := rand.New(rand.NewPCG(1, 1))
	for call := range uint64(100) {
		r := Draw(rng, 1, call)
		s.Execute(&r)
	}
	var b bytes.Buffer
	if err := s.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	if err := restored.Restore(&b); err != nil || restored.Sum() != s.Sum() || restored.Digest() != s.Digest() {
		t.Errorf("it is %+v, was %+v: %v", restored, s, err)
	}
	for key, value := range s.Cells {
		r := Request{Op: service.Swap, Key: uint32(key), Value: value}
		other.Execute(&r)
	}
	if other.Digest() != s.Digest() || other.Sum() == s.Sum() {
		t.Errorf("the same cells with other answers behind them: %+v and %+v", other, s)
	}
}
