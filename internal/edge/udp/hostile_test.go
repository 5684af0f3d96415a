package udp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ha/holdfast/internal/edge/link"
	"github.com/holdfast-ha/holdfast/internal/edge/seal"
	"github.com/holdfast-ha/holdfast/internal/key"
	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

// forge makes a datagram as the RFC says it, for any sender and receiver; in clear
// text if k is the zero key. It is written a second time here, so that a fault of the
// package shows.
func forge(t testing.TB, k key.Key, h seal.Header, to view.ID, frame string) []byte {
	t.Helper()
	h.Key = k.ID
	b := make([]byte, headerSize)
	h.Put(b)
	if k.ID == 0 {
		return append(b, frame...)
	}
	info := binary.BigEndian.AppendUint16([]byte("holdfast envelope"), uint16(h.From.ID))
	secret, err := k.Derive(binary.BigEndian.AppendUint64(info, uint64(h.From.Incarnation)))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if h.Scope == seal.Everyone {
		to = 0xffff
	}
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), h.Counter)
	aad := binary.BigEndian.AppendUint16(bytes.Clone(b), uint16(to))
	return aead.Seal(b, nonce, []byte(frame), aad)
}

// The sizes of docs/rfc/0002-envelope.md.
const (
	headerSize  = 22
	tagSize     = 16
	counterMax  = 1 << 48
	windowWords = 513
)

// target is a receiver (member 2) with a tap that speaks to it as anybody.
func target(t *testing.T, links int, r *key.Ring) (*node, *wireTap, Config) {
	t.Helper()
	_, c := configs(links, r)
	return start(t, c), tap(t, addressesOf.next()), c
}

func TestEveryFlippedBit(t *testing.T) {
	r := testRing(t, 1, 2)
	b, w, c := target(t, 1, r)
	b.hear(w, c, forge(t, r.At(0), seal.Header{From: first, Counter: 1}, 2, "before"))
	good := forge(t, r.At(0), seal.Header{From: first, Counter: 2}, 2, "frame")
	flipped := 0
	for at := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << bit
			b.hear(w, c, bad)
			flipped++
		}
	}
	b.expect(got{first, 1, "before"})
	// Nothing of it moved the window or ended the life.
	b.hear(w, c, good)
	b.expect(got{first, 1, "frame"})
	l := b.Stats()[0]
	var dropped uint64
	for _, n := range l.Dropped {
		dropped += n
	}
	if int(dropped) != flipped || l.Dropped[wire.Duplicate] != 0 || l.Dropped[wire.OK] != 0 {
		t.Errorf("dropped %d of %d flipped datagrams: %v", dropped, flipped, l.Dropped)
	}
	if l.LastReason != wire.ForgedSeal || l.LastSource != w.at {
		t.Errorf("the last drop was %q from %v, want forged seal from %v", l.LastReason, l.LastSource, w.at)
	}
}

// hear sends bytes to the first link of a node and lets it receive them.
func (n *node) hear(w *wireTap, c Config, b []byte) {
	n.t.Helper()
	w.write(c.Links[0].Local, b)
	n.take(1, 1)
}

func TestTruncated(t *testing.T) {
	r := testRing(t, 1)
	b, w, c := target(t, 1, r)
	good := forge(t, r.At(0), seal.Header{From: first, Counter: 1}, 2, "frame")
	for n := range good {
		b.hear(w, c, good[:n])
	}
	b.expect()
	b.dropped(map[wire.Reason]uint64{
		wire.Short:      headerSize + tagSize,
		wire.ForgedSeal: uint64(len("frame")),
	})
	b.hear(w, c, good)
	b.expect(got{first, 1, "frame"})
}

func TestReasons(t *testing.T) {
	r, other := testRing(t, 3), testRing(t, 3)
	k := r.At(0)
	change := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	third := view.Member{ID: 3, Incarnation: 1}
	huge := strings.Repeat("x", wire.FrameMax)
	for _, c := range []struct {
		name     string
		datagram []byte
		want     wire.Reason
	}{
		{"good", forge(t, k, seal.Header{From: first, Counter: 9}, 2, "f"), wire.OK},
		{"empty frame", forge(t, k, seal.Header{From: first, Counter: 9}, 2, ""), wire.OK},
		{"largest frame", forge(t, k, seal.Header{From: first, Counter: 9}, 2, huge), wire.OK},
		{"last counter", forge(t, k, seal.Header{From: first, Counter: counterMax}, 2, "f"), wire.OK},
		{"later life", forge(t, k, seal.Header{From: view.Member{ID: 1, Incarnation: 1 << 63}, Counter: 9}, 2, "f"), wire.OK},
		{"nothing", nil, wire.Short},
		{"frame too large", forge(t, k, seal.Header{From: first, Counter: 9}, 2, huge+"x"), wire.Long},
		{"beyond the room", make([]byte, 9000), wire.Long},
		{"another version", change(forge(t, k, seal.Header{From: first, Counter: 9}, 2, "f"), 0, 2), wire.WrongVersion},
		{"reserved scope", change(forge(t, k, seal.Header{From: first, Counter: 9}, 2, "f"), 3, 4), wire.Malformed},
		{"hello, of streams", forge(t, k, seal.Header{Scope: seal.Hello, From: first, Counter: 9}, 2, "f"), wire.Malformed},
		{"broken notice", forge(t, k, seal.Header{Scope: seal.Notice, From: first, Counter: 9}, 2, "f"), wire.Malformed},
		{"notice for another life", forge(t, k, seal.Header{Scope: seal.Notice, From: first, Counter: 9}, 2, string(link.AppendNotice(nil, wire.Twin, 199, netip.AddrPort{}))), wire.WrongDestination},
		{"for everyone", forge(t, k, seal.Header{Scope: seal.Everyone, From: first, Counter: 9}, 2, "f"), wire.OK},
		{"scope changed to everyone", change(forge(t, k, seal.Header{From: first, Counter: 9}, 2, "f"), 3, byte(seal.Everyone)), wire.ForgedSeal},
		{"scope changed to one", change(forge(t, k, seal.Header{Scope: seal.Everyone, From: first, Counter: 9}, 2, "f"), 3, 0), wire.ForgedSeal},
		{"everyone named, one meant", forge(t, k, seal.Header{From: first, Counter: 9}, view.Everyone, "f"), wire.ForgedSeal},
		{"counter 0", forge(t, k, seal.Header{From: first, Counter: 0}, 2, "f"), wire.Malformed},
		{"counter beyond the last", forge(t, k, seal.Header{From: first, Counter: counterMax + 1}, 2, "f"), wire.Malformed},
		{"no life", forge(t, k, seal.Header{From: view.Member{ID: 1}, Counter: 9}, 2, "f"), wire.Malformed},
		{"clear text", forge(t, key.Key{}, seal.Header{From: first, Counter: 9}, 2, "f"), wire.Unsealed},
		{"stranger", forge(t, k, seal.Header{From: third, Counter: 9}, 2, "f"), wire.UnknownSender},
		{"nobody", forge(t, k, seal.Header{From: view.Member{Incarnation: 1}, Counter: 9}, 2, "f"), wire.UnknownSender},
		{"the receiver itself", forge(t, k, seal.Header{From: second, Counter: 9}, 2, "f"), wire.UnknownSender},
		{"former life", forge(t, k, seal.Header{From: view.Member{ID: 1, Incarnation: 99}, Counter: 9}, 2, "f"), wire.OldIncarnation},
		{"for another link", forge(t, k, seal.Header{From: first, Link: 2, Counter: 9}, 2, "f"), wire.WrongDestination},
		{"seen", forge(t, k, seal.Header{From: first, Counter: 1}, 2, "f"), wire.Replayed},
		{"key not in the ring", forge(t, testRing(t, 4).At(0), seal.Header{From: first, Counter: 9}, 2, "f"), wire.UnknownKey},
		{"other secret", forge(t, other.At(0), seal.Header{From: first, Counter: 9}, 2, "f"), wire.ForgedSeal},
		{"other secret, later life", forge(t, other.At(0), seal.Header{From: view.Member{ID: 1, Incarnation: 101}, Counter: 9}, 2, "f"), wire.ForgedSeal},
		{"for another member", forge(t, k, seal.Header{From: first, Counter: 9}, 3, "f"), wire.ForgedSeal},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, w, config := target(t, 2, r)
			b.hear(w, config, forge(t, k, seal.Header{From: first, Counter: 1}, 2, "life"))
			b.got = nil
			b.hear(w, config, c.datagram)
			if c.want == wire.OK {
				b.dropped(nil)
				if len(b.got) != 1 {
					t.Errorf("handed over %v, want one frame", b.got)
				}
				return
			}
			b.expect()
			b.dropped(map[wire.Reason]uint64{c.want: 1})
			// Whatever it was, the member goes on to be heard.
			b.hear(w, config, forge(t, k, seal.Header{From: first, Counter: 2}, 2, "after"))
			b.expect(got{first, 1, "after"})
		})
	}
}

func TestSealedDatagramAtClearNode(t *testing.T) {
	b, w, c := target(t, 1, nil)
	k := testRing(t, 1).At(0)
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: 1}, 2, "f"))
	b.expect()
	b.dropped(map[wire.Reason]uint64{wire.Unsealed: 1})
	b.hear(w, c, forge(t, key.Key{}, seal.Header{From: first, Counter: 1}, 2, "clear"))
	b.hear(w, c, forge(t, key.Key{}, seal.Header{From: first, Counter: 1}, 2, "clear"))
	b.hear(w, c, forge(t, key.Key{}, seal.Header{From: view.Member{ID: 1, Incarnation: 99}, Counter: 7}, 2, "old"))
	b.expect(got{first, 1, "clear"})
	b.dropped(map[wire.Reason]uint64{wire.Unsealed: 1, wire.Replayed: 1, wire.OldIncarnation: 1})
}

func TestReplayOverTheSameAndAnotherLink(t *testing.T) {
	r := testRing(t, 1)
	b, w, c := target(t, 2, r)
	d := forge(t, r.At(0), seal.Header{From: first, Counter: 5}, 2, "f")
	over := func(link int) {
		w.write(c.Links[link-1].Local, d)
		b.take(link, 1)
	}
	over(1)
	b.expect(got{first, 1, "f"})
	over(1)
	b.dropped(map[wire.Reason]uint64{wire.Replayed: 1})
	over(2)
	b.dropped(map[wire.Reason]uint64{wire.Replayed: 1, wire.Duplicate: 1})
	over(2)
	b.dropped(map[wire.Reason]uint64{wire.Replayed: 2, wire.Duplicate: 1})
	b.expect()
}

func TestLaterLifeEndsTheFormer(t *testing.T) {
	r := testRing(t, 1)
	k := r.At(0)
	b, w, c := target(t, 1, r)
	later := view.Member{ID: 1, Incarnation: 101}
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: 500}, 2, "former"))
	// Claims that nobody proves end nothing, and do not keep out the life that is.
	for _, claimed := range []view.Incarnation{999, later.Incarnation} {
		bad := forge(t, k, seal.Header{From: view.Member{ID: 1, Incarnation: claimed}, Counter: 1}, 2, "claim")
		bad[len(bad)-1] ^= 1
		b.hear(w, c, bad)
	}
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: 501}, 2, "former"))
	b.hear(w, c, forge(t, k, seal.Header{From: later, Counter: 1}, 2, "later"))
	b.hear(w, c, forge(t, k, seal.Header{From: later, Counter: 500}, 2, "later")) // a window of its own
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: 502}, 2, "ghost"))
	b.expect(got{first, 1, "former"}, got{first, 1, "former"}, got{later, 1, "later"}, got{later, 1, "later"})
	b.dropped(map[wire.Reason]uint64{wire.ForgedSeal: 2, wire.OldIncarnation: 1})
}

func TestBehindTheWindow(t *testing.T) {
	r := testRing(t, 1)
	k := r.At(0)
	b, w, c := target(t, 1, r)
	const top = 100_000
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: top}, 2, "top"))
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: top - 32768}, 2, "late"))
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: top - 32768}, 2, "late"))
	b.hear(w, c, forge(t, k, seal.Header{From: first, Counter: top - 64*windowWords}, 2, "too late"))
	b.expect(got{first, 1, "top"}, got{first, 1, "late"})
	b.dropped(map[wire.Reason]uint64{wire.Replayed: 1, wire.Stale: 1})
}

// TestVector checks the vectors of the RFC, and that the RFC has them.
func TestVector(t *testing.T) {
	r, err := key.Parse("vector", []byte("5 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"))
	if err != nil {
		t.Fatal(err)
	}
	from := view.Member{ID: 1, Incarnation: 0x0102030405060708}
	text, err := os.ReadFile("../../../docs/rfc/0002-envelope.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []seal.Scope{seal.Member, seal.Everyone} {
		d := forge(t, r.At(0), seal.Header{Scope: scope, From: from, Link: 2, Counter: 9}, 2, "frame")
		have := hex.EncodeToString(d)
		if !strings.Contains(strings.Join(strings.Fields(string(text)), ""), have) {
			t.Errorf("docs/rfc/0002-envelope.md does not have the datagram\n%s\n%s", have[:64], have[64:])
		}
		b, w, c := target(t, 2, r)
		w.write(c.Links[1].Local, d)
		b.take(2, 1)
		b.expect(got{from, 2, "frame"})
	}
}

func FuzzReceive(f *testing.F) {
	r, err := key.Parse("fuzz", []byte("5 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"))
	if err != nil {
		f.Fatal(err)
	}
	good := forge(f, r.At(0), seal.Header{From: first, Counter: 9}, 2, "frame")
	f.Add(good)
	f.Add(good[:headerSize])
	all := forge(f, r.At(0), seal.Header{Scope: seal.Everyone, From: first, Counter: 9}, 2, "frame")
	f.Add(all)
	f.Add(forge(f, key.Key{}, seal.Header{From: first, Link: 1, Counter: 1 << 40}, 2, "frame"))
	f.Add(forge(f, key.Key{}, seal.Header{From: view.Member{ID: 1, Incarnation: 101}, Counter: 3}, 2, ""))
	f.Add([]byte{})
	_, sealed := configs(2, r)
	_, clear := configs(2, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Without sockets: what is fuzzed is all that is done with the bytes.
		for _, c := range []Config{sealed, clear} {
			sealer, err := seal.New(c.Self, c.Keys, c.Insecure)
			if err != nil {
				t.Fatal(err)
			}
			tr := &Transport{seal: sealer, peers: []*peer{1: {Peer: seal.NewPeer(1)}}}
			for link := range 2 {
				for range 2 {
					d := append(make([]byte, 0, slotSize), b[:min(len(b), slotSize)]...)
					from, frame, reason := tr.accept(link, d, &unix.RawSockaddrInet6{})
					if reason == wire.OK && c.Keys != nil && (from != first || string(frame) != "frame" || !bytes.Equal(b, good) && !bytes.Equal(b, all)) {
						t.Fatalf("a datagram nobody sealed was handed over: %v %q", from, frame)
					}
					if reason == wire.OK && len(frame) > wire.FrameMax {
						t.Fatalf("a frame of %d bytes was handed over", len(frame))
					}
				}
			}
			p := tr.peers[1]
			var accepted uint64
			for i := range p.paths {
				accepted += p.paths[i].count.in.Datagrams
			}
			if accepted > 1 {
				t.Fatalf("one datagram was handed over %d times", accepted)
			}
		}
	})
}
