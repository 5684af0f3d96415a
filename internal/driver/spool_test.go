package driver

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestASpoolGivesBackWhatWasWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, spoolMemory - 1, spoolMemory, spoolMemory + 1, 2*spoolMemory + 12345} {
		want := make([]byte, size)
		for i := 0; i+8 <= size; i += 8 {
			binary.BigEndian.PutUint64(want[i:], rng.Uint64())
		}
		s := &spool{}
		for b := want; len(b) > 0; {
			n, err := s.Write(b[:min(len(b), 1+rng.IntN(1<<20))])
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		if (s.file != nil) != (size > spoolMemory) {
			t.Errorf("%d bytes: a file is there: %v", size, s.file != nil)
		}
		var got []byte
		for last := false; !last; {
			p := make([]byte, 1+rng.IntN(chunkMax))
			n, end, err := s.read(p, uint64(len(got)))
			if err != nil {
				t.Fatal(err)
			}
			got, last = append(got, p[:n]...), end
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes come back as %d others", size, len(got))
		}
		if _, _, err := s.read(make([]byte, 1), uint64(size+1)); err == nil {
			t.Error("there is something beyond the end")
		}
		s.close()
		s.close()
	}
	var none *spool
	none.close()
}
