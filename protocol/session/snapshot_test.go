package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

// busy is an executor with some of everything.
func busy() *Executor {
	e := NewExecutor(newLedger())
	for n := uint64(1); n <= 3; n++ {
		do(e, Request{Verb: Open, Nonce: n, Lease: time.Duration(n) * time.Second, Label: fmt.Appendf(nil, "web%d:1", n)})
		for k := uint64(1); k < 3*n; k += 2 {
			do(e, Request{Verb: Call, How: ExactlyOnce, Session: ID(n), Nonce: n, Number: k, Acked: n / 3, Body: []byte{'t', byte(100 * k)}})
		}
	}
	do(e, Request{Verb: Cancel, Session: 2, Nonce: 2, Number: 9})
	return e
}

func snapshot(t testing.TB, e *Executor) []byte {
	var w bytes.Buffer
	if err := e.Snapshot(&w); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestRestoreRefusesDamage: each bit counts, and so does the length.
func TestRestoreRefusesDamage(t *testing.T) {
	good := snapshot(t, busy())
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if err := NewExecutor(newLedger()).Restore(bytes.NewReader(bad)); !errors.Is(err, ErrSnapshot) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if err := NewExecutor(newLedger()).Restore(bytes.NewReader(good[:i])); !errors.Is(err, ErrSnapshot) {
			t.Errorf("cut at byte %d: %v", i, err)
		}
	}
	t.Log(NewExecutor(newLedger()).Restore(bytes.NewReader(good[:70])))
}

// rechunk gives content, cut into table and service, sound checksums.
func rechunk(table, service []byte) []byte {
	var w bytes.Buffer
	c := newChunkWriter(&w)
	for _, part := range [][]byte{table, service} {
		c.Write(part)
		c.end()
	}
	return w.Bytes()
}

// parts undoes it.
func parts(t testing.TB, snapshot []byte) (table, service []byte) {
	in := &chunkReader{r: bytes.NewReader(snapshot)}
	table, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	in.next()
	if service, err = io.ReadAll(in); err != nil {
		t.Fatal(err)
	}
	return table, service
}

// TestRestoreRefusesLies: bytes whose checksums are right, and that no executor writes, are refused by what is
// wrong with them.
func TestRestoreRefusesLies(t *testing.T) {
	table, service := parts(t, snapshot(t, busy()))
	first := len(magic) + 6*8 + 4 // of the first session
	for _, c := range []struct {
		name string
		f    func(b []byte) []byte
	}{
		{"another file", func(b []byte) []byte { b[0] = 'X'; return b }},
		{"another version", func(b []byte) []byte { b[7] = 2; return b }},
		{"a time beyond all", func(b []byte) []byte { b[16] = 0x40; return b }},
		{"sessions beyond those given", func(b []byte) []byte { b[first-1] = 4; return b }},
		{"sessions beyond the limit", func(b []byte) []byte { b[32], b[first-3] = 1, 0xff; return b }},
		{"session 0", func(b []byte) []byte { b[first+7] = 0; return b }},
		{"session 9", func(b []byte) []byte { b[first+7] = 9; return b }},
		{"no nonce", func(b []byte) []byte { b[first+15] = 0; return b }},
		{"another's nonce", func(b []byte) []byte { b[first+15] = 2; return b }},
		{"no lease", func(b []byte) []byte { copy(b[first+16:first+24], make([]byte, 8)); return b }},
		{"renewed in the future", func(b []byte) []byte { b[first+24] = 1; return b }},
		{"renewed by a command to come", func(b []byte) []byte { b[first+32] = 1; return b }},
		{"renewed by none", func(b []byte) []byte { copy(b[first+32:first+40], make([]byte, 8)); return b }},
		{"acknowledged beyond its replies", func(b []byte) []byte { b[first+47] = 9; return b }},
		{"a label too long", func(b []byte) []byte { b[first+48] = 81; return b }},
		{"a label that is no text", func(b []byte) []byte { b[first+49] = 0xff; return b }},
		{"too many replies", func(b []byte) []byte { b[first+55] = 2; return b }},
		{"a reply to number 0", func(b []byte) []byte { b[first+64] = 0; return b }},
		{"a reply of no bytes", func(b []byte) []byte { b[first+68] = 0; return b }},
		{"a reply that is none", func(b []byte) []byte { b[first+69] = 7; return b }},
		{"a reply to another", func(b []byte) []byte { b[first+80] = 7; return b }},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }},
		{"a byte less", func(b []byte) []byte { return b[:len(b)-1] }},
		{"another digest", func(b []byte) []byte { b[first-5]++; return b }},
		{"another digest of the service", func(b []byte) []byte { b[first-13]++; return b }},
	} {
		err := NewExecutor(newLedger()).Restore(bytes.NewReader(rechunk(c.f(bytes.Clone(table)), service)))
		if !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", c.name, err)
		}
		t.Logf("%s: %v", c.name, err)
	}
}

// TestRestoreHalfway: a table that is refused changes nothing; a service that is refused makes the executor
// useless until it is restored.
func TestRestoreHalfway(t *testing.T) {
	good := snapshot(t, busy())
	table, service := parts(t, good)
	e := busy()
	do(e, Request{Verb: Open, Nonce: 99, Lease: time.Second})
	before := e.Digest()
	if err := e.Restore(bytes.NewReader(rechunk(table[1:], service))); err == nil || e.Digest() != before {
		t.Fatalf("a bad table: %v", err)
	}
	if r := do(e, Request{Verb: Renew, Session: 1, Nonce: 1}); r.Status != OK {
		t.Fatalf("after a bad table: %v", r.Status)
	}
	if err := e.Restore(bytes.NewReader(rechunk(table, service[1:]))); err == nil {
		t.Fatal("a bad service is taken")
	}
	if err := e.Snapshot(io.Discard); err == nil {
		t.Error("a snapshot of a state that is worthless")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a command is executed on a state that is worthless")
			}
		}()
		e.Pass(1)
	}()
	if err := e.Restore(bytes.NewReader(good)); err != nil || !bytes.Equal(snapshot(t, e), good) {
		t.Errorf("restored again: %v", err)
	}
}

// faulty fails after some bytes.
type faulty int

var errDisk = errors.New("disk full")

func (f *faulty) Write(p []byte) (int, error) {
	if *f -= faulty(len(p)); *f < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func (f *faulty) Read(p []byte) (int, error) { return 0, errDisk }

func TestSnapshotErrors(t *testing.T) {
	e := busy()
	for size := range len(snapshot(t, e)) {
		if f := faulty(size); !errors.Is(e.Snapshot(&f), errDisk) {
			t.Errorf("the disk is full after %d bytes, and nobody says so", size)
		}
	}
	if err := e.Restore(new(faulty)); !errors.Is(err, errDisk) || errors.Is(err, ErrSnapshot) {
		t.Errorf("a disk that does not read: %v", err)
	}
}

// TestLongSnapshot: replies and a service's state over many chunks.
func TestLongSnapshot(t *testing.T) {
	e := NewExecutor(newLedger())
	for n := uint64(1); n <= 6; n++ {
		do(e, Request{Verb: Open, Nonce: n, Lease: time.Second})
		for k := uint64(1); k <= 200; k++ {
			e.Execute((&Request{Verb: Call, How: ExactlyOnce, Session: ID(n), Nonce: n, Number: k, Body: fmt.Appendf(nil, "%d of %d, %0200d", k, n, k)}).Append(nil), nil)
		}
	}
	good := snapshot(t, e)
	if len(good) < 5*chunkSize {
		t.Fatalf("only %d bytes", len(good))
	}
	to := NewExecutor(newLedger())
	if err := to.Restore(iotest{bytes.NewReader(good)}); err != nil || to.Digest() != e.Digest() {
		t.Fatal(err)
	}
	if !bytes.Equal(snapshot(t, to), good) {
		t.Error("it is another one")
	}
}

// iotest reads a few bytes at a time.
type iotest struct{ r io.Reader }

func (i iotest) Read(p []byte) (int, error) { return i.r.Read(p[:min(len(p), 777)]) }

// FuzzRestore: whatever a snapshot says under sound checksums, it is refused or it is what would be written.
func FuzzRestore(f *testing.F) {
	table, service := parts(f, snapshot(f, busy()))
	f.Add(table, service, false)
	f.Add(table[:20], service, false)
	f.Add(snapshot(f, NewExecutor(newLedger())), []byte{}, true)
	f.Fuzz(func(t *testing.T, a, b []byte, raw bool) {
		content := rechunk(a, b)
		if raw {
			content = a
		}
		e := NewExecutor(newLedger())
		if e.Restore(bytes.NewReader(content)) == nil {
			if got := snapshot(t, e); !bytes.Equal(got, content) && !raw {
				to := NewExecutor(newLedger())
				if err := to.Restore(bytes.NewReader(got)); err != nil || to.Digest() != e.Digest() {
					t.Fatalf("what was restored cannot be written: %v", err)
				}
			}
			e.Pass(e.Time() + time.Hour)
		}
	})
}

// FuzzExecute: whatever comes, two executors do the same.
func FuzzExecute(f *testing.F) {
	f.Add([]byte{}, []byte{1})
	f.Add((&Request{Verb: Call, How: ExactlyOnce, At: 1, Session: 1, Nonce: 1, Number: 3, Body: []byte("x")}).Append(nil),
		(&Request{Verb: Close, At: 1, Session: 1, Nonce: 1}).Append(nil))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		a, b := busy(), busy()
		for _, request := range [][]byte{one, two, one} {
			ra, rb := a.Execute(request, nil), b.Execute(request, nil)
			if !bytes.Equal(ra, rb) || a.Digest() != b.Digest() {
				t.Fatal("they differ")
			}
			if _, why := ParseReply(ra); why != 0 && len(ra) > 0 {
				t.Fatalf("the reply is no reply: %v", why)
			}
		}
	})
}

// TestAStateThatNoCommandHasLeftIsNotWritten: whoever were given it would have the digest of another.
func TestAStateThatNoCommandHasLeftIsNotWritten(t *testing.T) {
	l := newLedger()
	e := NewExecutor(l)
	l.events = 7 // before the first command a service may be set up
	if err := e.Snapshot(io.Discard); err != nil {
		t.Error(err)
	}
	r := Request{Verb: Call, How: Maybe, Body: []byte("x")}
	e.Execute(r.Append(nil), nil)
	var b bytes.Buffer
	if err := e.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	l.events++
	if err := e.Snapshot(io.Discard); !errors.Is(err, ErrChanged) {
		t.Errorf("a state that has changed by itself is written: %v", err)
	}
	if err := e.Restore(&b); err != nil {
		t.Fatal(err)
	}
	if err := e.Snapshot(io.Discard); err != nil {
		t.Error(err)
	}
	l.events++
	if err := e.Snapshot(io.Discard); !errors.Is(err, ErrChanged) {
		t.Errorf("a state that has changed since it was restored is written: %v", err)
	}
}
