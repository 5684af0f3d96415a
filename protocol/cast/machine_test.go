package cast

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/protocol/view"
	"github.com/holdfast-ha/holdfast/protocol/wire"
)

func TestConfig(t *testing.T) {
	self := view.Member{ID: 1, Incarnation: 1}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		cfg  Config
		rng  *rand.Rand
		want string
	}{
		{Config{Self: self}, rng, ""},
		{Config{Self: self, Window: 256}, rng, ""},
		{Config{Self: self, Window: 4096}, rng, ""},
		{Config{}, rng, "Self"},
		{Config{Self: self, Window: 255}, rng, "Window is 255"},
		{Config{Self: self, Window: 4097}, rng, "Window is 4097"},
		{Config{Self: self}, nil, "chance"},
	} {
		_, err := New(c.cfg, c.rng)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// TestAMachineWithoutAViewDoesNothing also is one for a witness, and for who is not in it.
func TestAMachineWithoutAViewDoesNothing(t *testing.T) {
	for name, install := range map[string]func(*view.View) *view.View{
		"no view":            func(*view.View) *view.View { return nil },
		"a witness":          func(v *view.View) *view.View { v.Seats[0].Witness = true; return v },
		"not a member":       func(v *view.View) *view.View { v.Seats = v.Seats[1:]; return v },
		"another life of it": func(v *view.View) *view.View { v.Seats[0].Incarnation++; return v },
	} {
		g := newRig(t, 3)
		g.fill()
		m, err := New(g.m.cfg, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		v := &view.View{Name: g.m.view.Name, Seats: append([]view.Seat(nil), g.m.view.Seats...)}
		if v = install(v); v != nil {
			m.Install(g.now, v)
		}
		if m.Submit(g.now, nil, []byte("record"), 0, &g.out) || m.Room() != 0 || m.ControlRoom() != 0 {
			t.Errorf("%s: there is room", name)
		}
		binary.BigEndian.PutUint64(g.pack[placeAt:], 1)
		m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
		m.Release(1, 1)
		m.Suspect(2, true)
		m.Tick(g.now, &g.out)
		m.Flush(g.now, &g.out)
		m.Freeze(g.now)
		m.Fetch(g.now, []view.Piece{{Rank: 1, Range: view.Range{From: 1, To: 1}, Holder: 2}}, &g.out)
		m.Complete(g.now, view.Cut{{{From: 1, To: 1}}, nil, nil}, &g.out)
		m.Flush(g.now, &g.out)
		if len(g.out.Send)+len(g.out.Records)+m.Missing()+int(m.Agreed(0)) > 0 || m.Holding().Ranges() > 0 || !m.Deadline().IsZero() {
			t.Errorf("%s: something was done", name)
		}
		if m.Drops()[wire.OtherView] != 1 {
			t.Errorf("%s: dropped %v", name, m.Drops())
		}
	}
}

func TestAloneEverythingIsStableAtOnce(t *testing.T) {
	for n := 1; n <= 2; n++ {
		net := newNetwork(n, 1, nil, func(v *view.View) { v.Seats[n-1].Witness = n > 1 })
		p := net.nodes[0]
		p.load, p.sizes = 20_000, mixed
		for p.submitted < p.load && net.err == nil {
			p.step(func() {})
		}
		if err := net.complete(); err != nil {
			t.Error(err)
		}
		if st := p.m.Stats(); p.m.Agreed(0) != st.Last || st.Used != 0 || net.carried != 0 || !p.m.Deadline().IsZero() {
			t.Errorf("agreed %d, %d frames: %+v", p.m.Agreed(0), net.carried, st)
		}
	}
}

// TestRoom submits records of exactly the length that fits, and one byte more.
func TestRoom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	g := newRig(t, 3)
	big := make([]byte, recordMax+1)
	for range 3000 {
		room := g.m.Room()
		if n := rng.IntN(6); n == 0 && room < recordMax && g.m.Submit(g.now, nil, big[:room+1], 0, &g.out) {
			t.Fatalf("a record of %d bytes is taken, and there was room for %d", room+1, room)
		}
		size := rng.IntN(3000)
		if rng.IntN(4) == 0 {
			size = room
		}
		if fits := size <= room && room > 0; g.m.Submit(g.now, nil, big[:size], 0, &g.out) != fits {
			t.Fatalf("a record of %d bytes: %v, and there was room for %d", size, !fits, room)
		}
		if used := int(g.m.last - g.m.freed); used > g.m.cfg.Window {
			t.Fatalf("%d packets are used", used)
		}
		if rng.IntN(20) == 0 {
			g.submit(t, nil, 0)
			g.agree()
			g.submit(t, nil, 0)
		}
	}
}

// TestControlRecordsDoNotUseTheReserveUp has a member whose window is full send small ones,
// one a step: they must share packets.
func TestControlRecordsDoNotUseTheReserveUp(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	sender, slow := net.nodes[0], net.nodes[2]
	sender.load, sender.sizes = 2000, func(i int) int { return map[bool]int{true: 1000, false: 10}[i < 1400] }
	slow.lag = 1 << 30
	net.run(time.Second)
	at := sender.submitted
	sender.flags, sender.load = Control, at
	for range 10_000 { // one every ten microseconds
		sender.load++
		sender.step(func() {})
		net.run(10 * time.Microsecond)
	}
	if used := sender.m.Stats().Used - sender.m.cfg.Window; sender.submitted != at+10_000 || used > 600 || net.err != nil {
		t.Errorf("%d records of 10,000 were taken, in %d packets of the reserve; %v", sender.submitted-at, used, net.err)
	}
	net.run(time.Second)
	if n := len(net.nodes[1].seen[0]); n != at+10_000 {
		t.Errorf("%d of them have come", n-at)
	}
}

// TestFullFramesHaveOneSize holds what segmentation by the kernel rests on.
func TestFullFramesHaveOneSize(t *testing.T) {
	g := newRig(t, 3)
	rng := rand.New(rand.NewPCG(4, 4))
	for range 60 {
		size := 0
		for size < 50*bodyMax {
			n := rng.IntN(400)
			g.m.Submit(g.now, nil, make([]byte, n), 0, &g.out)
			size += n
		}
		g.m.window.size = 128
		g.m.Release(0, 1<<60)
		g.m.Flush(g.now, &g.out)
		for i, e := range g.out.Send[:len(g.out.Send)-1] {
			if len(e.Frame) != wire.FrameMax {
				t.Fatalf("frame %d of %d has %d bytes", i, len(g.out.Send), len(e.Frame))
			}
		}
		g.out.Reset()
		g.agree()
	}
}

// TestPacketGolden holds the layout still: docs/rfc/0007-cast.md has the same bytes.
func TestPacketGolden(t *testing.T) {
	g := newRig(t, 3)
	g.m.Submit(g.now, nil, []byte("holdfast"), Urgent, &g.out)
	g.m.Submit(g.now, nil, []byte("early"), Early, &g.out)
	g.m.Flush(g.now, &g.out)
	_, payload, _ := wire.Open(g.out.Send[0].Frame)
	want := "0101" + "00000001" + "0000000000000007" + "00000001" + "0001" + "00" + "0000" + "000000000001" +
		"12" + hex.EncodeToString([]byte("holdfast")) + "0d" + hex.EncodeToString([]byte("early"))
	if got := hex.EncodeToString(payload); got != want {
		t.Errorf("packet\n got %s\nwant %s", got, want)
	}
	g.out.Reset()
	g.fill()
	g.receive(0)
	binary.BigEndian.PutUint64(g.pack[placeAt:], 3)
	g.m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
	g.m.Flush(g.now.Add(reorderDelay), &g.out)
	_, payload, _ = wire.Open(g.out.Send[len(g.out.Send)-1].Frame)
	if got, want := hex.EncodeToString(payload), "0300"+"000000010000000000000007000000010001"+"01"+"01"+"0001"; got != want {
		t.Errorf("nack\n got %s\nwant %s", got, want)
	}
	g.out.Reset()
	g.m.Flush(g.now.Add(ackDelay), &g.out)
	_, payload, _ = wire.Open(g.out.Send[0].Frame)
	if got, want := hex.EncodeToString(payload), "0200"+"000000010000000000000007000000010001"+"03"+"010101"+"0000"+"0000"; got != want {
		t.Errorf("ack\n got %s\nwant %s", got, want)
	}
}

func TestDrops(t *testing.T) {
	other := func(at int, to byte) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] = to; return b }
	}
	same := func(b []byte) []byte { return b }
	second := view.Member{ID: 2, Incarnation: 9}
	for _, c := range []struct {
		name   string
		from   view.Member
		change func([]byte) []byte
		want   wire.Reason
	}{
		{"a packet", second, same, wire.OK},
		{"a packet from another holder", view.Member{ID: 3, Incarnation: 9}, same, wire.OK},
		{"from nobody in the view", view.Member{ID: 4, Incarnation: 9}, same, wire.UnknownSender},
		{"from another life", view.Member{ID: 2, Incarnation: 8}, same, wire.UnknownSender},
		{"from oneself", view.Member{ID: 1, Incarnation: 9}, same, wire.UnknownSender},
		{"of another group", second, other(stampAt+3, 2), wire.ForeignGroup},
		{"of another epoch", second, other(stampAt+11, 8), wire.OtherView},
		{"of another round", second, other(stampAt+15, 8), wire.OtherView},
		{"of another proposer", second, other(stampAt+17, 8), wire.OtherView},
		{"of an unknown kind", second, other(0, 4), wire.Malformed},
		{"with an unknown flag", second, other(1, 2), wire.Malformed},
		{"of this member's own stream", second, other(messageAt, 0), wire.Malformed},
		{"of a stream that is not there", second, other(messageAt, 3), wire.Malformed},
		{"with number zero", second, other(placeAt+7, 0), wire.Malformed},
		{"beyond all windows", second, other(placeAt+5, 1), wire.Malformed},
		{"with a first record beyond its end", second, other(placeAt, 9), wire.Malformed},
		{"that ends in its head", second, func(b []byte) []byte { return b[:recordsAt-1] }, wire.Malformed},
		{"without a byte of records", second, func(b []byte) []byte { return b[:recordsAt] }, wire.Malformed},
		{"that ends in its stamp", second, func(b []byte) []byte { return b[:messageAt-1] }, wire.Malformed},
		{"with nothing", second, func([]byte) []byte { return nil }, wire.Malformed},
	} {
		g := newRig(t, 3)
		g.fill()
		binary.BigEndian.PutUint64(g.pack[placeAt:], 1)
		g.m.Receive(g.now, c.from, c.change(g.pack), &g.out)
		taken := g.m.streams[1].next == 2
		if drops := g.m.Drops(); taken != (c.want == wire.OK) || c.want != wire.OK && drops[c.want] != 1 {
			t.Errorf("%s: taken %v, dropped %v, want %v", c.name, taken, drops, c.want)
		}
	}
}

// TestBadRecordsHarmNobodyElse gives packets whose records contradict themselves: what
// follows comes through.
func TestBadRecordsHarmNobodyElse(t *testing.T) {
	g := newRig(t, 3)
	number := uint64(0)
	packet := func(first int, body ...byte) {
		number++
		b := append(g.head(kindPacket), 1)
		b = binary.BigEndian.AppendUint64(b, uint64(first)<<48|number)
		g.m.Receive(g.now, g.m.view.Seats[1].Member, append(b, body...), &g.out)
	}
	packet(0, 4, 'a', 1, 'x')                           // a record, and a head that cannot be
	packet(0, 4, 'b', 0xff, 0xff, 0xff, 0xff, 0xff, 15) // one longer than any
	packet(0, 4, 'c', 10, 'd')                          // one that is to go on
	packet(1, 'z', 4, 'e', 0)                           // and does not; then one, and nothing
	packet(noRecord, 'z')                               // and goes on what never began
	packet(1, 'z', 4, 'f', 0x84, 0)                     // not the shortest form
	packet(0, 10, 'g', 'h')
	packet(noRecord, 'i')
	packet(1, 'j', 2, 4, 'k')
	got := ""
	for _, r := range g.out.Records {
		got += string(whole(nil, r)) + " "
	}
	if want := "a b c e f ghij  k "; got != want {
		t.Errorf("handed over %q, want %q", got, want)
	}
	if n := g.m.Drops()[wire.Malformed]; n != 4 {
		t.Errorf("%d packets are counted as malformed", n)
	}
}

func TestAcknowledgementsThatCannotBe(t *testing.T) {
	for name, fields := range map[string][]byte{
		"of packets that were not sent":    {3, 2, 0, 0, 0, 0, 0, 0},
		"released more than received":      {3, 1, 2, 0, 0, 0, 0, 0},
		"of a view with another size":      {4, 1, 0, 0, 0, 0, 0, 0},
		"too short":                        {3, 1, 0, 0, 0, 0, 0},
		"too long":                         {3, 1, 0, 0, 0, 0, 0, 0, 0},
		"of a number beyond all":           {3, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0},
		"with a number in a long form":     {3, 0x81, 0, 0, 0, 0, 0, 0, 0},
		"with an own entry that is broken": {3, 1, 0, 0, 0, 5, 0, 0},
	} {
		g := newRig(t, 3)
		g.submit(t, []byte("record"), 1)
		g.m.Receive(g.now, g.m.view.Seats[1].Member, append(g.head(kindAck), fields...), &g.out)
		if g.m.Drops()[wire.Malformed] != 1 || g.m.seats[1].acked[0] != 0 {
			t.Errorf("%s: dropped %v, and taken as %d", name, g.m.Drops(), g.m.seats[1].acked[0])
		}
	}
}

// TestRepeatsAreTheSameBytes, from the sender and from another holder, and no Nack is
// answered with more than it may be.
func TestRepeatsAreTheSameBytes(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	frames := map[string]int{}
	var holders [3]int
	net.lose = func(from, to int, payload []byte) bool {
		if payload[0] == byte(kindPacket) {
			frames[string(payload)]++
			holders[from]++
		}
		return from == 0 && to == 2 && payload[0] == byte(kindPacket) && net.now.Sub(net.start) < 10*time.Millisecond
	}
	p := net.nodes[0]
	p.load, p.sizes = 3000, mixed
	net.nodes[2].m.Suspect(1, true)
	net.run(time.Second)
	if err := net.complete(); err != nil {
		t.Fatal(err)
	}
	if last := p.m.Stats().Last; uint64(len(frames)) != last || holders[1] < 100 {
		t.Errorf("%d packets were sent as %d frames, %d by another holder", last, len(frames), holders[1])
	}
	m := p.m
	p.load = 4000
	net.lose = nil
	p.step(func() {})
	nack := append(append([]byte{byte(kindNack), 0}, m.stamp[:]...), 0)
	for range 3 {
		m.Receive(net.now, net.view.Seats[1].Member, appendRanges(nack, []view.Range{{From: 1, To: 1 << 47}}), &p.out)
		m.Receive(net.now, net.view.Seats[2].Member, appendRanges(nack, []view.Range{{From: 1, To: 1 << 47}}), &p.out)
	}
	m.Flush(net.now, &p.out)
	if n := len(p.out.Send); n == 0 || n > nackPackets {
		t.Errorf("six Nacks of everything, by two members, are answered with %d frames", n)
	}
}

// TestASenderThatDiesIsStoodInFor: nobody is told that it is dead.
func TestASenderThatDiesIsStoodInFor(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	net.lose = func(from, to int, payload []byte) bool {
		return from == 0 && to == 2 && payload[0] == byte(kindPacket) && payload[placeAt+7]%3 == 0
	}
	p := net.nodes[0]
	p.load, p.sizes = 100, mixed
	p.step(func() {})
	p.up = false
	net.run(60 * time.Millisecond)
	if n := len(net.nodes[2].seen[0]); n != 100 || net.err != nil {
		t.Errorf("%d records of 100 have come; %v", n, net.err)
	}
}

// TestWhoComesIntoTheViewLateCatchesUpAtOnce: it knows what it had to drop.
func TestWhoComesIntoTheViewLateCatchesUpAtOnce(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	v := &view.View{Name: view.Name{Epoch: 2, Round: 1, By: 1}, Seats: net.view.Seats}
	for _, p := range net.nodes[:2] {
		p.load, p.sizes = 80, mixed
		p.install(v)
		net.run(time.Millisecond)
	}
	late := net.nodes[2]
	late.install(v)
	net.run(4*net.delay + time.Microsecond)
	if a, b := len(late.seen[0]), len(late.seen[1]); a != 80 || b != 80 || net.err != nil {
		t.Errorf("four delays after it came, %d and %d of 80 records are there; %v", a, b, net.err)
	}
	if a := late.m.Agreed(1); a == 0 {
		t.Error("it does not know that the others had agreed")
	}
}

// TestRangesAreBounded loses every second packet, of two streams, for good. The others
// have early records: some are handed over, and only those are reported.
func TestRangesAreBounded(t *testing.T) {
	g := newRig(t, 3)
	g.fill()
	at := g.pack[recordsAt:]
	code, _ := recordHead(len(at)-2, true)
	putHead(at, code)
	binary.BigEndian.PutUint64(g.pack[placeAt:], 0)
	g.out.Records = g.out.Records[:0]
	for number := uint64(2); number < 500; number += 2 {
		for rank := byte(1); rank < 3; rank++ {
			g.pack[messageAt] = rank
			binary.BigEndian.PutUint64(g.pack[placeAt:], number)
			g.m.Receive(g.now, g.m.view.Seats[rank].Member, g.pack, &g.out)
		}
	}
	most := view.RangesMax / 3
	if n, handed := g.m.Holding().Ranges(), len(g.out.Records); n != most || handed != most {
		t.Errorf("%d ranges are reported, %d records were handed over; want %d", n, handed, most)
	}
	for number := uint64(1); number < 90; number += 2 { // what joins two is taken
		g.pack[messageAt] = 1
		binary.BigEndian.PutUint64(g.pack[placeAt:], number)
		g.m.Receive(g.now, g.m.view.Seats[1].Member, g.pack, &g.out)
	}
	if n := g.m.Holding().Prefix(1); n < 90 {
		t.Errorf("what is missing is not taken: %v", g.m.Holding())
	}
}

// TestAClockThatIsSetBack must not stop the timers.
func TestAClockThatIsSetBack(t *testing.T) {
	net := newNetwork(2, 1, nil, nil)
	net.nodes[0].load = 10
	net.lose = func(from, to int, payload []byte) bool { return net.now.After(net.start.Add(-time.Minute)) }
	net.run(10 * time.Millisecond)
	net.now = net.start.Add(-time.Hour)
	net.run(300 * time.Millisecond)
	if err := net.complete(); err != nil {
		t.Error(err)
	}
}

// TestANarrowLinkDoesNotCollapse sends more than a link takes, whose queue is short.
func TestANarrowLinkDoesNotCollapse(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	net.rate, net.queue = 12_500_000, 10*time.Millisecond // 100 Mbit/s, 90 frames
	for _, p := range net.nodes {
		p.load, p.sizes = 4000, func(int) int { return 1000 }
	}
	net.run(time.Minute)
	if err := net.complete(); err != nil {
		t.Fatal(err)
	}
	took := net.now.Sub(net.start)
	least := time.Duration(2*4000*1000) * time.Second / time.Duration(net.rate)
	t.Logf("%v, where the bytes alone take %v; %d frames carried, %d lost in queues", took, least, net.carried, net.lostInQueue)
	if took > 3*least/2 {
		t.Errorf("it took %v, and the bytes alone take %v", took, least)
	}
}

func TestBoundsHaveNames(t *testing.T) {
	var all bytes.Buffer
	for b := Ring; b <= Ring; b++ {
		all.WriteString(b.String() + " ")
	}
	if got := all.String() + Bound(99).String(); got != "ring unknown bound" {
		t.Error(got)
	}
}

// TestAPacketThatIsBeingFilledIsNotReleased: records put into it after its first ones were
// released still lie in it.
func TestAPacketThatIsBeingFilledIsNotReleased(t *testing.T) {
	net := newNetwork(3, 1, nil, nil)
	p := net.nodes[0]
	p.out.Records = nil
	p.m.Submit(net.now, nil, []byte("first"), 0, &p.out)
	p.m.Release(0, 1)
	p.m.Submit(net.now, nil, []byte("second"), 0, &p.out)
	p.m.Flush(net.now, &p.out)
	for n := range 300 { // takes every slot that was given back
		p.m.Submit(net.now, nil, bytes.Repeat([]byte{byte(n)}, 1000), 0, &p.out)
		p.m.Flush(net.now, &p.out)
	}
	if got := string(p.out.Records[1].Data); got != "second" {
		t.Errorf("the second record has become %q", got)
	}
}
