package flow

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func addr(s string) (a [16]byte) {
	copy(a[:], netip.MustParseAddr(s).AsSlice())
	return a
}

// tcp4 is an established TCP flow over IPv4 without translation.
func tcp4() Flow {
	f := Flow{Family: IPv4, Proto: TCP, State: 3, Status: SeenReply | Assured | Confirmed, Timeout: 432000, Has: AllFields,
		Orig:  Tuple{Src: addr("192.0.2.10"), Dst: addr("198.51.100.7"), SrcPort: 40000, DstPort: 443},
		Scale: [2]uint8{7, 9}, TCPFlags: [2]uint8{ScaleSent | SACK, ScaleSent | SACK}}
	f.Reply = f.Inverse()
	return f
}

func masqueraded() Flow {
	f := tcp4()
	f.Reply.Dst, f.Reply.DstPort = addr("203.0.113.1"), 61001
	f.Status |= SourceNAT
	return f
}

// full has all there is.
func full() Flow {
	f := Flow{Family: IPv6, Proto: SCTP, State: 4, Zone: 65535, ZoneWay: ReplyOnly, Timeout: 1<<32 - 1, Mark: 1<<32 - 1, Has: AllFields,
		Orig: Tuple{Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), SrcPort: 1, DstPort: 2},
		Tag:  [2]uint32{3, 4}, Master: Master{47, Tuple{Src: addr("2001:db8::9"), Dst: addr("2001:db8::8"), SrcPort: 5, DstPort: 6}},
		SynProxy: Proxied{1, 2, 3}, SeqAdj: [2]Adjustment{{4, 5, 6}, {7, 8, 9}}}
	f.Reply = Tuple{Src: addr("2001:db8::3"), Dst: addr("2001:db8::4"), SrcPort: 7, DstPort: 8}
	copy(f.Helper[:], "a-name-15-bytes")
	for i := range f.Labels {
		f.Labels[i] = byte(i + 1)
	}
	f.Status = f.impliedStatus() | SeenReply | Assured | FixedTimeout
	return f
}

// random makes a canonical flow.
func random(r *rand.Rand) Flow {
	protos := []uint8{TCP, TCP, UDP, ICMP, ICMPv6, SCTP, gre, dccp, 50, 0}
	f := Flow{Family: IPv4, Proto: protos[r.IntN(len(protos))], Timeout: r.Uint32() >> r.IntN(32), Has: AllFields}
	size := 4
	if r.IntN(2) == 0 {
		f.Family, size = IPv6, 16
	}
	tuple := func(proto uint8) (t Tuple) {
		for i := range size {
			t.Src[i], t.Dst[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		if icmpish(proto) {
			t.ICMPType, t.ICMPCode, t.ICMPID = byte(r.Uint32()), byte(r.Uint32()), uint16(r.Uint32())
		} else if Ported(proto) {
			t.SrcPort, t.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
		}
		return t
	}
	maybe := func() bool { return r.IntN(3) == 0 }
	f.Orig = tuple(f.Proto)
	f.Reply = f.Inverse()
	if other := tuple(f.Proto); maybe() {
		f.Reply.Dst, f.Reply.DstPort, f.Reply.ICMPID = other.Dst, other.DstPort, other.ICMPID
	} else if maybe() {
		f.Reply.Src, f.Reply.SrcPort = other.Src, other.SrcPort
	}
	if maybe() {
		f.Zone, f.ZoneWay = uint16(1+r.IntN(65535)), uint8(r.IntN(3))
	}
	if maybe() {
		f.Mark = r.Uint32()
	}
	if maybe() {
		copy(f.Helper[:], "ftp-21")
		f.Labels[r.IntN(16)] = byte(r.Uint32())
	}
	if maybe() {
		f.Master = Master{TCP, tuple(TCP)}
		f.SynProxy.Timestamp, f.SeqAdj[r.IntN(2)].After = r.Uint32(), r.Uint32()
	}
	switch f.Proto {
	case TCP:
		f.State = uint8(r.IntN(StateTop + 1))
		f.Scale = [2]uint8{uint8(r.IntN(15)), uint8(r.IntN(15))}
		f.TCPFlags = [2]uint8{uint8(r.IntN(16)), uint8(r.IntN(16))}
	case SCTP:
		f.State, f.Tag = uint8(r.IntN(StateTop+1)), [2]uint32{r.Uint32(), r.Uint32()}
	}
	f.Status = f.impliedStatus() | r.Uint32()&(SeenReply|Assured|FixedTimeout)
	return f
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(f Flow) {
		t.Helper()
		key, state := f.AppendKey(nil), f.AppendState(nil)
		if len(key) > KeyMax || len(state) > StateMax {
			t.Fatalf("%v: key %d bytes, state %d bytes", &f, len(key), len(state))
		}
		var back Flow
		if !Parse(key, state, &back) {
			t.Fatalf("%v: % x | % x is refused", &f, key, state)
		}
		if d := cmp.Diff(f, back); d != "" {
			t.Fatalf("%v: %s", &f, d)
		}
	}
	for _, f := range []Flow{tcp4(), masqueraded(), full()} {
		check(f)
	}
	for range 20000 {
		check(random(r))
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name       string
		f          Flow
		key, state int
	}{
		{"plain IPv4 TCP", tcp4(), 13, 7},
		{"masqueraded IPv4 TCP", masqueraded(), 13, 13},
		{"everything", full(), KeyMax, StateMax},
	} {
		if k, s := len(c.f.AppendKey(nil)), len(c.f.AppendState(nil)); k != c.key && c.name != "everything" || s != c.state {
			t.Errorf("%s: key %d bytes, state %d bytes; the RFC says %d and %d", c.name, k, s, c.key, c.state)
		}
	}
	other := Flow{Family: IPv6, Proto: gre, Zone: 1}
	if n := len(other.AppendKey(nil)); n != KeyMax {
		t.Errorf("the longest key has %d bytes, KeyMax is %d", n, KeyMax)
	}
}

// A state that says something without need must be refused, or two byte strings
// would be one flow.
func TestRefused(t *testing.T) {
	f := tcp4()
	key, good := f.AppendKey(nil), f.AppendState(nil)
	state := func(p uint64, parts ...byte) []byte {
		return append(append(binary.AppendUvarint(nil, p), parts...), good[1:]...)
	}
	reply := f.Inverse()
	for _, c := range []struct {
		name       string
		key, state []byte
	}{
		{"empty key", nil, good},
		{"short key", key[:12], good},
		{"long key", append(append([]byte{}, key...), 0), good},
		{"reserved class", append([]byte{0x06}, key[1:]...), good},
		{"reserved head bits", append([]byte{0x41}, key[1:]...), good},
		{"class 0 for TCP", append([]byte{0x00, TCP}, key[1:]...), good},
		{"zone zero", append([]byte{0x11, 0, 0}, key[1:]...), good},
		{"empty state", key, nil},
		{"short state", key, good[:len(good)-1]},
		{"long state", key, append(append([]byte{}, good...), 0)},
		{"reserved part", key, state(partsEnd)},
		{"long uvarint of parts", key, append([]byte{0x80, 0}, good[1:]...)},
		{"same source", key, state(partSourceAddr, reply.Dst[:4]...)},
		{"same destination", key, state(partDestAddr, reply.Src[:4]...)},
		{"same port", key, state(partSourcePort, 0x9c, 0x40)},
		{"mark zero", key, state(partMark, 0, 0, 0, 0)},
		{"helper without name", key, state(partHelper, 0)},
		{"helper too long", key, state(partHelper, append([]byte{16}, "sixteen-letters!"...)...)},
		{"helper with a space", key, state(partHelper, append([]byte{3}, "f p"...)...)},
		{"helper with a zero", key, state(partHelper, append([]byte{3}, "f\x00p"...)...)},
		{"no labels", key, state(partLabels, 0, 0)},
		{"label byte zero", key, state(partLabels, 0x80, 0, 0)},
		{"master of another family", key, state(partMaster, (&Flow{Family: IPv6, Proto: UDP}).AppendKey(nil)...)},
		{"master in a zone", key, state(partMaster, (&Flow{Family: IPv4, Proto: UDP, Zone: 1}).AppendKey(nil)...)},
		{"master of no protocol", key, state(partMaster, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
		{"SYN proxy zero", key, state(partSynProxy, make([]byte, 12)...)},
		{"adjustment zero", key, state(partSeqReply, make([]byte, 12)...)},
		{"state ten", key, append(append([]byte{}, good[:3]...), 0x3a, 0)},
		{"tail bit 7", key, append(append([]byte{}, good[:3]...), 0x83, 0)},
		{"life of 33 bits", key, append(append([]byte{}, good[:4]...), 0xff, 0xff, 0xff, 0xff, 0x1f)},
		{"long uvarint of life", key, append(append([]byte{}, good[:4]...), 0x85, 0x00)},
	} {
		var got Flow
		if Parse(c.key, c.state, &got) {
			t.Errorf("%s: accepted as %v", c.name, &got)
		}
	}
	icmp := Flow{Family: IPv4, Proto: ICMP}
	if Parse(icmp.AppendKey(nil), []byte{partDestPort, 0, 1, 0, 0}, &f) {
		t.Error("ICMP with a translated destination port is accepted")
	}
}

func TestSameState(t *testing.T) {
	f, older, closing := tcp4(), tcp4(), tcp4()
	older.Timeout, closing.State = 5, 4
	for _, timeout := range []uint32{0, 127, 128, 1 << 20, 1<<32 - 1} {
		f.Timeout = timeout
		b := f.AppendState(nil)
		if !SameState(b, older.AppendState(nil)) {
			t.Errorf("life %d and 5 are not the same state", timeout)
		}
		if SameState(b, closing.AppendState(nil)) {
			t.Error("ESTABLISHED and FIN_WAIT are the same state")
		}
		if got := Remaining(b); got != timeout {
			t.Errorf("Remaining gives %d for %d", got, timeout)
		}
	}
	if !SameState(nil, nil) || SameState(nil, []byte{0x80}) || Remaining(nil) != 0 {
		t.Error("malformed states")
	}
}

func TestMasterKey(t *testing.T) {
	control := tcp4()
	control.Zone, control.ZoneWay = 7, OriginalOnly
	data := tcp4()
	data.Zone, data.ZoneWay, data.Orig.DstPort = 7, OriginalOnly, 20
	data.Master = Master{TCP, control.Orig}
	if got, want := data.AppendMasterKey(nil), control.AppendKey(nil); string(got) != string(want) {
		t.Errorf("master's key % x, want % x", got, want)
	}
	if b := control.AppendMasterKey(nil); len(b) != 0 {
		t.Errorf("a flow without master has master key % x", b)
	}
}

// An update that leaves out a field must not make it forgotten, and one that shows it
// must not be overruled.
func TestKeep(t *testing.T) {
	known, update := full(), full()
	update.Has = AllFields &^ (FieldLabels | FieldMaster | FieldState)
	update.Labels, update.Master, update.State, update.Tag = [16]byte{}, Master{}, 0, [2]uint32{}
	update.SynProxy, update.Mark = Proxied{}, 9
	update.Keep(&known)
	want := known
	want.SynProxy, want.Mark = Proxied{}, 9
	if d := cmp.Diff(want, update); d != "" {
		t.Error(d)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	f := full()
	key, state := make([]byte, 0, KeyMax), make([]byte, 0, StateMax)
	var back Flow
	if n := testing.AllocsPerRun(100, func() {
		key, state = f.AppendKey(key[:0]), f.AppendState(state[:0])
		if !Parse(key, state, &back) {
			t.Fatal("refused")
		}
		back.Keep(&f)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	f := masqueraded()
	key, state := make([]byte, 0, KeyMax), make([]byte, 0, StateMax)
	b.ReportAllocs()
	for b.Loop() {
		key, state = f.AppendKey(key[:0]), f.AppendState(state[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	f := masqueraded()
	key, state := f.AppendKey(nil), f.AppendState(nil)
	b.ReportAllocs()
	for b.Loop() {
		if !Parse(key, state, &f) {
			b.Fatal("refused")
		}
	}
}
