package front

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// heard is a request that a front was given.
type heard struct {
	client uint64
	body   string
}

// place is a front under test, and what it has told.
type place struct {
	t     *testing.T
	front *Front
	path  string
	came  chan heard
	gone  chan uint64
	full  func() bool // nil: there is always room
}

func begin(t *testing.T, most int) *place {
	t.Helper()
	p := &place{t: t, path: filepath.Join(t.TempDir(), "f.sock"), came: make(chan heard, 1<<15), gone: make(chan uint64, 8192)}
	var err error
	p.front, err = Listen(Config{
		Path: p.path, Mode: 0o660, Most: most,
		Serve: func(client uint64, request []byte) bool {
			if p.full != nil && p.full() {
				return false
			}
			p.came <- heard{client, string(request)}
			return true
		},
		Gone: func(client uint64) { p.gone <- client },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.front.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) dial() net.Conn {
	p.t.Helper()
	c, err := net.Dial("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *place) next() heard {
	p.t.Helper()
	return within(p.t, p.came, "a request")
}

func within[T any](t *testing.T, c chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s after %v", what, patience)
		panic("not reached")
	}
}

func frame(body string) []byte {
	n := len(body)
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// expectEnd holds that the other side ends a connection.
func expectEnd(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still there")
	}
}

// TestVectors holds that the bytes are those of docs/rfc/0021-front.md, section 5.
func TestVectors(t *testing.T) {
	p := begin(t, 1000)
	c := p.dial()
	write(t, c, unhex(t, "00000000"+"00000003 616263"))
	if a, b := p.next(), p.next(); a.body != "" || b.body != "abc" {
		t.Errorf("came %q and %q", a.body, b.body)
	}
	p.front.Send(1, Reply, []byte("abc"))
	p.front.Send(1, Notice, []byte("hi"))
	p.front.Send(1, Notice, nil)
	p.front.Send(2, Notice, []byte("to nobody"))
	p.front.Flush()
	want := unhex(t, "00000004 00 616263"+"00000003 01 6869"+"00000001 01")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFramesComeWholeHoweverTheyAreCut(t *testing.T) {
	p := begin(t, 1<<20)
	c := p.dial()
	var sent []string
	var all []byte
	for _, n := range []int{0, 1, 3, 100, readerSize - 5, readerSize - 4, readerSize - 3, readerSize, pieceSize, pieceSize + 1, 1 << 20, 7} {
		body := strings.Repeat(string(rune('a'+len(sent))), n)
		sent = append(sent, body)
		all = append(all, frame(body)...)
	}
	go func() {
		for i := 0; i < len(all); {
			n := min(len(all)-i, 1+i%4099)
			if _, err := c.Write(all[i : i+n]); err != nil {
				t.Error(err)
				return
			}
			i += n
		}
	}()
	for i, want := range sent {
		if got := p.next(); got.body != want {
			t.Fatalf("frame %d: %d bytes came, %d were sent", i, len(got.body), len(want))
		}
	}
}

func TestWhoSendsWhatIsNoFrameLosesItsConnection(t *testing.T) {
	p := begin(t, 1000)
	other := p.dial()
	write(t, other, frame("first"))
	p.next()
	for _, c := range []struct {
		what string
		send []byte
	}{
		{"a length that is too great", frame(strings.Repeat("x", 1001))},
		{"the greatest length", []byte{0xff, 0xff, 0xff, 0xff}},
		{"a length with the sign of an int32", []byte{0x80, 0, 0, 0}},
		{"something else", []byte("GET / HTTP/1.0\r\n\r\n")},
	} {
		t.Run(c.what, func(t *testing.T) {
			bad := p.dial()
			_, _ = bad.Write(c.send)
			expectEnd(t, bad)
			within(t, p.gone, "word that it is gone")
		})
	}
	for _, half := range []string{"\x00", "\x00\x00\x00", "\x00\x00\x00\x05", "\x00\x00\x00\x05half"} {
		bad := p.dial()
		write(t, bad, []byte(half))
		bad.Close()
		within(t, p.gone, "word that the half frame's client is gone")
	}
	write(t, other, frame("second"))
	if got := p.next(); got.body != "second" {
		t.Errorf("after all that the other client is heard with %q", got.body)
	}
	if n := len(p.came); n != 0 {
		t.Errorf("%d requests came of what were none", n)
	}
}

func TestAClientThatTakesNothingHarmsNobody(t *testing.T) {
	p := begin(t, 1000)
	stuck, well := p.dial(), p.dial()
	write(t, stuck, frame("stuck"))
	slow := p.next().client
	write(t, well, frame("well"))
	fine := p.next().client
	block := make([]byte, 1<<20)
	read := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, well, 40*(5+1<<10))
		read <- err
	}()
	for range 40 {
		p.front.Send(slow, Reply, block)
		p.front.Send(fine, Reply, block[:1<<10])
		p.front.Flush()
	}
	if err := within(t, read, "end of the replies"); err != nil {
		t.Errorf("the client that takes its replies: %v", err)
	}
	if id := within(t, p.gone, "word that the client is cut off"); id != slow {
		t.Errorf("client %d was cut off, not %d", id, slow)
	}
	// Who was writing to it finds out by itself.
	for end := time.Now().Add(patience); p.front.owed.Load() != 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are owed to nobody", p.front.owed.Load())
		}
	}
}

func TestWhoIsBehindIsCutOffWhenTooMuchIsOwedInAll(t *testing.T) {
	p := begin(t, 1000)
	p.front.owed.Store(owedAll - 4<<20) // as if there were others
	stuck, well := p.dial(), p.dial()
	write(t, stuck, frame(""))
	slow := p.next().client
	write(t, well, frame(""))
	fine := p.next().client
	block := make([]byte, 1<<20)
	for range 6 {
		p.front.Send(slow, Reply, block)
		p.front.Flush()
	}
	if id := within(t, p.gone, "word that the client is cut off"); id != slow {
		t.Errorf("client %d was cut off, not %d", id, slow)
	}
	p.front.owed.Store(owedAll)
	p.front.Send(fine, Reply, []byte("still"))
	p.front.Flush()
	got := make([]byte, 10)
	if _, err := io.ReadFull(well, got); err != nil || string(got[5:]) != "still" {
		t.Errorf("who takes what it is sent gets %q, %v", got, err)
	}
}

// What is owed is written in order, by the caller or by a goroutine, as it happens.
func TestALateReaderGetsEverythingInOrder(t *testing.T) {
	p := begin(t, 1000)
	c := p.dial()
	write(t, c, frame(""))
	id := p.next().client
	const n = 3000
	sum := 0
	for i := range n {
		p.front.Send(id, Reply, fmt.Appendf(nil, "%06d%s", i, strings.Repeat("-", i%1500)))
		sum += 5 + 6 + i%1500
		if i%3 == 0 {
			p.front.Flush()
		}
	}
	p.front.Flush()
	all := make([]byte, sum)
	if _, err := io.ReadFull(c, all); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if got := string(all[5:11]); got != fmt.Sprintf("%06d", i) {
			t.Fatalf("frame %d is %q", i, got)
		}
		all = all[5+6+i%1500:]
	}
}

func TestFloodsAreServedAndOthersWithThem(t *testing.T) {
	p := begin(t, 1000)
	var mu sync.Mutex
	n := 0
	p.full = func() bool {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n%50 == 0 // now and then there is no room
	}
	stop := make(chan struct{})
	var floods sync.WaitGroup
	for range 4 {
		c := p.dial()
		floods.Go(func() {
			many := bytes.Repeat(frame("flood"), 500)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Write(many); err != nil {
					return
				}
			}
		})
	}
	quiet := p.dial()
	write(t, quiet, frame("a word"))
	write(t, quiet, frame("a word"))
	for p.next().body != "a word" {
	}
	close(stop)
	drain := make(chan struct{})
	go func() {
		defer close(drain)
		floods.Wait()
	}()
	for {
		select {
		case <-p.came:
			continue
		case <-drain:
		}
		break
	}
}

func TestThereAreAsManyConnectionsAsTheBoundSays(t *testing.T) {
	p := begin(t, 1000)
	// The descriptors of both ends would be 8192; so the front is told of connections that are not there.
	p.front.mu.Lock()
	for i := range clientsMax - 1 {
		p.front.conns[uint64(1<<40+i)] = &conn{c: &net.UnixConn{}}
	}
	p.front.mu.Unlock()
	last := p.dial()
	write(t, last, frame("last"))
	if p.next().body != "last" {
		t.Error("the 4096th is not served")
	}
	expectEnd(t, p.dial()) // one too many
	last.Close()
	within(t, p.gone, "word that the 4096th is gone")
	again := p.dial()
	write(t, again, frame("again"))
	if p.next().body != "again" {
		t.Error("there is no room after one has gone")
	}
}

// When the process has no descriptors left the front waits, and does not end.
func TestAcceptingGoesOnAfterARefusalOfTheKernel(t *testing.T) {
	f := &Front{stop: make(chan struct{})}
	calls := 0
	f.accept(func() (*net.UnixConn, error) {
		if calls++; calls < 3 {
			return nil, errors.New("too many open files")
		}
		return nil, net.ErrClosed
	})
	if calls != 3 {
		t.Errorf("it was tried %d times", calls)
	}
}

func TestSockets(t *testing.T) {
	folder := t.TempDir()
	listen := func(path string) (*Front, error) {
		return Listen(Config{Path: path, Mode: 0o640, Most: 1, Serve: func(uint64, []byte) bool { return true }})
	}
	refused := func(path string, words ...string) {
		t.Helper()
		f, err := listen(path)
		if err == nil {
			f.Close()
			t.Errorf("%s is taken", path)
			return
		}
		var op *OpError
		for _, w := range words {
			if !strings.Contains(err.Error(), w) || !errors.As(err, &op) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
	path := filepath.Join(folder, "made", "f.sock")
	first, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	refused(path, path, "somebody answers", "choose another path")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}

	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	second, err := listen(path)
	if err != nil {
		t.Errorf("in the place of a stale socket: %v", err)
	} else {
		second.Close()
	}

	file := filepath.Join(folder, "important")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(file, file, "not a socket", "choose another path")
	if b, err := os.ReadFile(file); string(b) != "text" || err != nil {
		t.Errorf("the file in the way has %q, %v", b, err)
	}
	refused(filepath.Join(file, "f.sock"), file, "choose another path")
	refused(filepath.Join(folder, strings.Repeat("n", 108)), "107", "shorter")
}

func TestCloseEndsOpenConnections(t *testing.T) {
	p := begin(t, 1<<20)
	var conns []net.Conn
	for i := range 20 {
		c := p.dial()
		write(t, c, frame(""))
		id := p.next().client
		conns = append(conns, c)
		switch i % 3 {
		case 0:
			write(t, c, []byte{0, 0, 1}) // half a frame
		case 1:
			p.front.Send(id, Reply, make([]byte, 2<<20)) // it waits for room
			p.front.Flush()
		}
	}
	if err := p.front.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		expectEnd(t, c)
	}
	if len(p.gone) != len(conns) {
		t.Errorf("%d of %d are said to be gone", len(p.gone), len(conns))
	}
	p.front.Send(1, Reply, []byte("late"))
	p.front.Flush()
	if n := p.front.owed.Load(); n != 0 {
		t.Errorf("%d bytes are owed after the end", n)
	}
	if _, err := os.Lstat(p.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// What is announced costs nothing: 200 clients that announce a mebibyte each take less than
// two for all.
func TestAnnouncedBytesTakeNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var all []*frames
	room := make(chan struct{}, 200)
	for range 200 {
		s := newFrames(&script{[]byte("\x00\x0f\xff\xff just a little")}, 1<<20, room, nil)
		if _, err := s.next(); err == nil {
			t.Fatal("there is no such request")
		}
		all = append(all, s)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / uint64(len(all)); n > readerSize+pieceSize+4096 {
		t.Errorf("%d bytes for each client", n)
	}
	for _, s := range all {
		s.done()
	}
	if len(room) != 0 {
		t.Errorf("%d places are still taken", len(room))
	}
}

func TestLongRequestsWaitForTheirTurn(t *testing.T) {
	room, stop := make(chan struct{}, 1), make(chan struct{})
	long := frame(strings.Repeat("x", 2*readerSize))
	first := newFrames(&script{slices.Clone(long)}, 1<<20, room, stop)
	if b, err := first.next(); err != nil || len(b) != 2*readerSize {
		t.Fatal(len(b), err)
	}
	came := make(chan error, 1)
	go func() {
		second := newFrames(&script{slices.Clone(long)}, 1<<20, room, stop)
		_, err := second.next()
		second.done()
		came <- err
	}()
	select {
	case err := <-came:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	if _, err := first.next(); err != io.EOF {
		t.Error(err)
	}
	if err := within(t, came, "the second request"); err != nil {
		t.Error(err)
	}
	room <- struct{}{}
	go func() {
		_, err := newFrames(&script{slices.Clone(long)}, 1<<20, room, stop).next()
		came <- err
	}()
	close(stop)
	if err := within(t, came, "the end"); err == nil {
		t.Error("a closed front reads on")
	}
}

// script is a connection over which these bytes come, and then its end.
type script struct{ left []byte }

// Read gives as much as there is.
func (s *script) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.left)
	s.left = s.left[n:]
	return n, nil
}

// SetReadDeadline does nothing.
func (s *script) SetReadDeadline(time.Time) error { return nil }

func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add(frame("abc"))
	f.Add(append(frame(strings.Repeat("x", readerSize)), frame("y")...))
	f.Add(frame(strings.Repeat("x", readerSize))[:headSize])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 2 * readerSize
		room := make(chan struct{}, 1)
		s := newFrames(&script{slices.Clone(b)}, most, room, nil)
		var back []byte
		for {
			request, err := s.next()
			if err != nil {
				if err == io.EOF && len(back) != len(b) {
					t.Fatalf("it ends after %d of %d bytes as if all was read", len(back), len(b))
				}
				break
			}
			if len(request) > most {
				t.Fatalf("a request of %d bytes", len(request))
			}
			back = append(back, frame(string(request))...)
		}
		s.done()
		if !bytes.HasPrefix(b, back) {
			t.Fatal("the requests are not what was sent")
		}
		if len(room) != 0 {
			t.Fatal("the place for long requests is still taken")
		}
	})
}
