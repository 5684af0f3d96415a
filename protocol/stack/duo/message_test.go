package duo

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-ha/holdfast/protocol/session"
	"github.com/holdfast-ha/holdfast/protocol/view"
)

// TestVectors are those of docs/rfc/0025-duo.md.
func TestVectors(t *testing.T) {
	p := piece{kindRequest, nameCaller(view.Member{ID: 2, Incarnation: 0x12345}, 7), 300, 5, 2, []byte("cde")}
	a, v := ask{5, 9}, verdict{9, true}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{p.append(nil), "01 0002234500000007 0000012c 00000005 00000002 636465"},
		{a.append(nil), "03 0000000000000005 0000000000000009"},
		{v.append(nil), "04 0000000000000009 01"},
	} {
		if want := strings.ReplaceAll(c.want, " ", ""); hex.EncodeToString(c.got) != want {
			t.Errorf("got %x, want %s", c.got, want)
		}
	}
	if q, ok := parsePiece(p.append(nil)); !ok || q.client != p.client || q.serial != 300 || q.size != 5 || q.offset != 2 || string(q.data) != "cde" {
		t.Errorf("read as %+v", q)
	}
	if q, ok := parseAsk(a.append(nil)); !ok || q != a {
		t.Errorf("read as %+v", q)
	}
	if q, ok := parseVerdict(v.append(nil)); !ok || q != v {
		t.Errorf("read as %+v", q)
	}
}

// TestSenselessMessages: each is refused.
func TestSenselessMessages(t *testing.T) {
	good := piece{kindReply, 1 << 48, 1, 3, 0, []byte("abc")}
	for name, change := range map[string]func(p *piece){
		"another kind":        func(p *piece) { p.kind = kindVerdict },
		"nobody":              func(p *piece) { p.client = 0 },
		"nothing in it":       func(p *piece) { p.data = nil },
		"more than all":       func(p *piece) { p.offset = 1 },
		"an answer too large": func(p *piece) { p.size = session.ReplyMax + 1 },
		"a request too large": func(p *piece) { p.kind, p.size = kindRequest, session.RequestMax+1 },
	} {
		p := good
		change(&p)
		if _, ok := parsePiece(p.append(nil)); ok {
			t.Errorf("%s is read", name)
		}
	}
	a := ask{9, 9}
	if _, ok := parseAsk(a.append(nil)); ok {
		t.Error("an epoch that both have had is asked for")
	}
	if _, ok := parseVerdict([]byte{kindVerdict, 0, 0, 0, 0, 0, 0, 0, 9, 2}); ok {
		t.Error("a verdict of 2 is read")
	}
}

// TestACallerIsOfOneLife: connections of another life, or member, are others.
func TestACallerIsOfOneLife(t *testing.T) {
	me := view.Member{ID: 3, Incarnation: 0xabcdef}
	c := nameCaller(me, 12)
	if !c.of(me) || c.connection() != 12 || c.member() != 3 {
		t.Errorf("%x is %v's connection %d", c, c.member(), c.connection())
	}
	if c.of(view.Member{ID: 3, Incarnation: 0xabcdee}) || c.of(view.Member{ID: 2, Incarnation: 0xabcdef}) {
		t.Error("it is another's, too")
	}
	if nameCaller(me, 0) != 0 {
		t.Error("nobody has a name")
	}
}

// TestWhatIsCarriedComesWholeOrNotAtAll carries answers of all sizes, pieces of which are lost, repeated and overtaken by others.
func TestWhatIsCarriedComesWholeOrNotAtAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var from, to relay
	came, lost := 0, 0
	for range 3000 {
		var pieces []piece
		sent := map[uint32][]byte{}
		for range 1 + rng.IntN(3) {
			data := make([]byte, 1+rng.IntN(4*pieceMax))
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			p := from.cut(kindReply, 1, data)
			sent[p.serial] = data
			for ; len(p.data) > 0; p.next(data) {
				if rng.IntN(20) == 0 {
					lost++
					continue
				}
				pieces = append(pieces, p)
				if rng.IntN(20) == 0 {
					pieces = append(pieces, p)
				}
			}
		}
		if rng.IntN(10) == 0 {
			rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		}
		for i := range pieces {
			if all := to.join(5, &pieces[i]); all != nil {
				if came++; !bytes.Equal(all, sent[pieces[i].serial]) {
					t.Fatalf("answer %d came as something else", pieces[i].serial)
				}
			}
		}
	}
	if came < 3000 || lost < 500 {
		t.Errorf("%d came, and %d pieces were lost: that shows nothing", came, lost)
	}
}

// FuzzMessages reads what nobody has written, and writes it again.
func FuzzMessages(f *testing.F) {
	p, a, v := piece{kindRequest, 1 << 48, 300, 5, 2, []byte("cde")}, ask{5, 9}, verdict{9, true}
	f.Add(p.append(nil))
	f.Add(a.append(nil))
	f.Add(v.append(nil))
	var r relay
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parsePiece(b); ok {
			if !bytes.Equal(p.append(nil), b) {
				t.Errorf("%x is written %x", b, p.append(nil))
			}
			if all := r.join(1, &p); len(all) > session.RequestMax {
				t.Errorf("%d bytes are one request", len(all))
			}
		}
		if a, ok := parseAsk(b); ok && !bytes.Equal(a.append(nil), b) {
			t.Errorf("%x is written %x", b, a.append(nil))
		}
		if v, ok := parseVerdict(b); ok && !bytes.Equal(v.append(nil), b) {
			t.Errorf("%x is written %x", b, v.append(nil))
		}
	})
}
