package ctnetlink

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// everyKind gives a flow of each protocol, family and translation.
func everyKind() []flow.Flow {
	var all []flow.Flow
	for _, v6 := range []bool{false, true} {
		src, dst, snat, dnat := "192.0.2.10", "198.51.100.7", "203.0.113.1", "203.0.113.9"
		icmp := uint8(flow.ICMP)
		if v6 {
			src, dst, snat, dnat = "2001:db8::10", "2001:db8::7", "2001:db8:1::1", "2001:db8:1::9"
			icmp = flow.ICMPv6
		}
		for n, proto := range []uint8{flow.TCP, flow.UDP, flow.SCTP, icmp, 136, 47, 50} {
			port := uint16(1000 * (n + 1))
			all = append(all,
				plain(proto, src, dst, port, 443),
				translated(plain(proto, src, dst, port+1, 443), snat, port+501, "", 0),
				translated(plain(proto, src, dst, port+2, 443), "", 0, dnat, 8443),
				translated(plain(proto, src, dst, port+3, 443), snat, port+503, dnat, 8443),
				translated(plain(proto, src, dst, port+4, 443), src, port+504, "", 0))
			if proto == 47 || proto == 50 {
				// The kernel translates only addresses of these (GRE keys only below a
				// PPTP master), and without ports the five would be one flow.
				all = all[:len(all)-5]
				f := plain(proto, src, dst, 7, 8)
				all = append(all, translated(f, snat, f.Reply.DstPort, "", 0))
			}
		}
	}
	return all
}

// same compares what an entry must have kept.
func same(want, got flow.Flow) string {
	want.Status &= flow.SeenReply | flow.Assured | flow.FixedTimeout | flow.SourceNAT | flow.DestNAT | flow.Confirmed | flow.SeqAdjusted | flow.Expected
	got.Status &= flow.SeenReply | flow.Assured | flow.FixedTimeout | flow.SourceNAT | flow.DestNAT | flow.Confirmed | flow.SeqAdjusted | flow.Expected
	if want.Timeout-got.Timeout <= 2 {
		got.Timeout = want.Timeout // the clock runs
	}
	for i := range got.TCPFlags {
		got.TCPFlags[i] &^= flow.Liberal
		want.TCPFlags[i] &^= flow.Liberal
	}
	return cmp.Diff(want, got)
}

func TestEveryKindRoundTrip(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	flows := everyKind()
	apply(t, table, Put, flows...)
	found := dump(t)
	if len(found) != len(flows) {
		t.Errorf("%d flows put, %d in the table", len(flows), len(found))
	}
	for _, f := range flows {
		got, ok := found[string(f.AppendKey(nil))]
		if !ok {
			t.Errorf("missing: %v", &f)
			continue
		}
		if d := same(f, got); d != "" {
			t.Errorf("%v: %s", &f, d)
		}
	}
	if entries, limit, err := table.Count(); err != nil || int(entries) != len(flows) || limit == 0 {
		t.Errorf("Count: %d of %d, %v", entries, limit, err)
	}
	for i := range flows {
		flows[i].Timeout, flows[i].Mark = 60, 0x77
	}
	apply(t, table, Put, flows...)
	for key, got := range dump(t) {
		if got.Timeout > 60 || got.Mark != 0x77 {
			t.Errorf("not changed: %x %v", key, &got)
		}
	}
	if n := table.Stats().Replaced; n != 0 {
		t.Errorf("%d entries were replaced, a change would have done", n)
	}
	apply(t, table, Delete, flows...)
	if left := dump(t); len(left) != 0 {
		t.Errorf("not deleted: %v", left)
	}
	apply(t, table, Delete, flows...) // again is no failure
}

func TestPutOfATranslatedFlowThatIsThere(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	f := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80), "203.0.113.1", 6001, "", 0)
	apply(t, table, Put, f)

	f.State, f.Timeout = 4, 120
	apply(t, table, Put, f)
	if d := same(f, one(t, f)); d != "" {
		t.Errorf("the same translation: %s", d)
	}
	if s := table.Stats(); s.Replaced != 0 {
		t.Errorf("it was replaced: %+v", s)
	}
	f.State, f.Timeout = 5, 60
	before := table.Stats().Messages
	apply(t, table, Change, f)
	if d := same(f, one(t, f)); d != "" {
		t.Errorf("change: %s", d)
	}
	if n := table.Stats().Messages - before; n != 1 {
		t.Errorf("change took %d messages", n)
	}

	// The client used its port again and was given another one by the translation.
	f = translated(f, "203.0.113.1", 6002, "", 0)
	apply(t, table, Put, f)
	if d := same(f, one(t, f)); d != "" {
		t.Errorf("another translation: %s", d)
	}
	if s := table.Stats(); s.Replaced != 1 {
		t.Errorf("it was not replaced: %+v", s)
	}
	// Another client was given the translated port of the first.
	second := translated(plain(flow.TCP, "192.0.2.11", "198.51.100.7", 1000, 80), "203.0.113.1", 6002, "", 0)
	apply(t, table, Put, second)
	if d := same(second, one(t, second)); d != "" {
		t.Errorf("the port of another: %s", d)
	}
	if all := dump(t); len(all) != 1 {
		t.Errorf("the first is still there: %v", all)
	}
}

// A connection with the addresses and ports of an earlier one begins anew: its status
// bits cannot be taken back from the entry.
func TestPutOverALaterState(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	for _, verb := range []Verb{Put, Change} {
		old := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80)
		old.State = 7
		apply(t, table, Put, old)
		fresh := old
		fresh.State, fresh.Status, fresh.Timeout = 1, flow.Confirmed, 120
		apply(t, table, verb, fresh)
		if d := same(fresh, one(t, fresh)); d != "" {
			t.Errorf("verb %d: %s", verb, d)
		}
		fixed := fresh
		fixed.Status |= flow.FixedTimeout
		apply(t, table, verb, fixed)
		fixed.Timeout = 30
		apply(t, table, verb, fixed)
		if d := same(fixed, one(t, fixed)); d != "" {
			t.Errorf("verb %d, fixed timeout: %s", verb, d)
		}
	}
}

func TestCreateLeavesWhatIsThere(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	live := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80)
	apply(t, table, Create, live)
	ops := make([]Op, 3)
	late, fresh := live, plain(flow.TCP, "192.0.2.10", "198.51.100.7", 2000, 80)
	late.State, late.Mark = 7, 3
	ops[0], ops[1], ops[2] = Op{Create, &fresh}, Op{Create, &late}, Op{Create, &fresh}
	got := map[int]error{}
	if err := table.Apply(ops, func(i int, err error) { got[i] = err }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[1] != ErrExists || got[2] != ErrExists {
		t.Errorf("failures: %v", got)
	}
	if d := same(live, one(t, live)); d != "" {
		t.Errorf("the live entry was changed: %s", d)
	}
}

// Change of an entry that is gone must put it, in every form.
func TestChangeOfWhatIsGone(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	flows := everyKind()
	apply(t, table, Change, flows...)
	found := dump(t)
	for _, f := range flows {
		if d := same(f, found[string(f.AppendKey(nil))]); d != "" {
			t.Errorf("%v: %s", &f, d)
		}
	}
}

func TestZones(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	base := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80), "203.0.113.1", 6001, "", 0)
	both, orig, reply := base, base, base
	both.Zone = 7
	orig.Zone, orig.ZoneWay = 8, flow.OriginalOnly
	orig = translated(orig, "203.0.113.1", 6002, "", 0) // replies share the default zone
	reply.Orig.SrcPort, reply.Zone, reply.ZoneWay = 1001, 9, flow.ReplyOnly
	reply.Reply = reply.Inverse()
	reply = translated(reply, "203.0.113.1", 6001, "", 0)
	flows := []flow.Flow{base, both, orig, reply}
	check := func(n int) {
		t.Helper()
		found := dump(t)
		if len(found) != n {
			t.Errorf("%d entries, want %d: %v", len(found), n, found)
		}
		for _, f := range flows[:n] {
			if d := same(f, found[string(f.AppendKey(nil))]); d != "" {
				t.Errorf("%v: %s", &f, d)
			}
		}
	}
	apply(t, table, Put, flows...)
	check(4)
	for i := range flows {
		flows[i].State, flows[i].Mark = 4, uint32(i)
	}
	apply(t, table, Put, flows...)
	check(4)
	for i := range flows {
		flows[i].State, flows[i].Mark = 5, uint32(i)+10
	}
	apply(t, table, Change, flows...)
	check(4)
	for n := 3; n >= 0; n-- {
		apply(t, table, Delete, flows[n])
		check(n)
	}
	if s := table.Stats(); s.Replaced != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEverythingElseAFlowHas(t *testing.T) {
	namespace(t)
	useLabels(t)
	for _, v6 := range []bool{false, true} {
		table := openTable(t, TableConfig{})
		src, dst := "192.0.2.10", "198.51.100.7"
		if v6 {
			src, dst = "2001:db8::10", "2001:db8::7"
		}
		control := plain(flow.TCP, src, dst, 1000, 21)
		copy(control.Helper[:], "ftp")
		control.Mark = 0xdeadbeef
		control.SeqAdj = [2]flow.Adjustment{{Position: 1, Before: 2, After: 3}, {Position: 4, Before: 5, After: 0xfffffff0}}
		control.Status |= flow.SeqAdjusted
		data := plain(flow.TCP, dst, src, 20, 2000)
		data.Master = flow.Master{Proto: flow.TCP, Tuple: control.Orig}
		data.Status |= flow.Expected
		data.Labels = [16]byte{0: 0x81, 7: 1, 15: 0x80}
		data.SynProxy = flow.Proxied{Sequence: 7, Timestamp: 8, Offset: 9}
		flows := []flow.Flow{control, data}
		for _, verb := range []Verb{Put, Put, Change} {
			apply(t, table, verb, flows...)
			for _, f := range flows {
				got := one(t, f)
				if f.SynProxy != (flow.Proxied{}) && got.SynProxy == (flow.Proxied{}) {
					// The kernel gives entries room for it only while a rule proxies SYNs.
					got.SynProxy = f.SynProxy
				}
				if d := same(f, got); d != "" {
					t.Errorf("verb %d, %v: %s", verb, &f, d)
				}
			}
		}
		if s := table.Stats(); s.Orphans+s.Helpless+s.Unlabeled+s.Replaced+s.Failed != 0 {
			t.Errorf("%+v", s)
		}
		// The other order: the master comes later in the same batch.
		apply(t, table, Delete, data, control)
		apply(t, table, Put, data, control)
		if got := one(t, data); got.Master != data.Master {
			t.Errorf("put before its master: %v", &got)
		}
	}
}

// A flow is put without what this kernel cannot give it, rather than not at all.
func TestPutWithoutWhatIsNotThere(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	f := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80), "203.0.113.1", 6001, "", 0)
	f.Master = flow.Master{Proto: flow.TCP, Tuple: plain(flow.TCP, "192.0.2.10", "198.51.100.7", 999, 21).Orig}
	copy(f.Helper[:], "no-such-helper")
	f.Labels[3] = 8
	want := f
	want.Master, want.Helper, want.Labels = flow.Master{}, [16]byte{}, [16]byte{}
	for _, verb := range []Verb{Put, Put, Change} {
		apply(t, table, verb, f)
		if d := same(want, one(t, f)); d != "" {
			t.Errorf("verb %d: %s", verb, d)
		}
	}
	if s := table.Stats(); s.Orphans == 0 || s.Helpless == 0 || s.Unlabeled == 0 {
		t.Errorf("%+v", s)
	}
	apply(t, table, Delete, f)
	apply(t, table, Create, f)
	if d := same(want, one(t, f)); d != "" {
		t.Errorf("create: %s", d)
	}
}

func TestWindows(t *testing.T) {
	namespace(t)
	for _, strict := range []bool{false, true} {
		table := openTable(t, TableConfig{StrictWindows: strict})
		f := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80)
		f.TCPFlags[1] |= flow.FirstFIN
		apply(t, table, Put, f)
		got, want := one(t, f), f.TCPFlags
		if !strict {
			want[0] |= flow.Liberal
			want[1] |= flow.Liberal
		}
		if got.TCPFlags != want || got.Scale != f.Scale {
			t.Errorf("strict %v: flags %x, scales %v", strict, got.TCPFlags, got.Scale)
		}
		apply(t, table, Delete, f)
		// Half open: only the SYN told its scale.
		f.State, f.Status, f.Scale, f.TCPFlags = 1, flow.Confirmed, [2]uint8{7, 0}, [2]uint8{flow.ScaleSent, 0}
		apply(t, table, Put, f)
		if got := one(t, f); strict && got.Scale[0] != 7 {
			t.Errorf("half open: scales %v", got.Scale)
		}
		apply(t, table, Delete, f)
	}
}

// What is tried again must not come after what was to follow it.
func TestOrderWithinACall(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	f := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80), "203.0.113.1", 6001, "", 0)
	moved := translated(f, "203.0.113.1", 6002, "", 0)
	apply(t, table, Put, f)
	do := func(ops ...Op) {
		t.Helper()
		if err := table.Apply(ops, func(i int, err error) { t.Errorf("%d: %v", i, err) }); err != nil {
			t.Fatal(err)
		}
	}
	do(Op{Put, &moved}, Op{Delete, &f})
	if left := dump(t); len(left) != 0 {
		t.Errorf("the put came after the delete: %v", left)
	}
	do(Op{Put, &f}, Op{Put, &moved}, Op{Put, &f}, Op{Delete, &f}, Op{Put, &moved})
	if d := same(moved, one(t, f)); d != "" {
		t.Error(d)
	}
}

func TestFailureIsTold(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	good, bad := plain(flow.UDP, "192.0.2.10", "198.51.100.7", 1, 53), plain(flow.ICMP, "192.0.2.10", "198.51.100.7", 1, 0)
	bad.Orig.ICMPType = 3 // no such thing is tracked
	flows := []*flow.Flow{&good, &bad, &good, &bad}
	var ops []Op
	for range 200 {
		for _, f := range flows {
			ops = append(ops, Op{Put, f})
		}
	}
	got := 0
	if err := table.Apply(ops, func(i int, err error) {
		got++
		if ops[i].Flow != &bad || err == nil {
			t.Errorf("%d: %v", i, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got != 400 || table.Stats().Failed != 400 {
		t.Errorf("%d failures of 400 were told, %+v", got, table.Stats())
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if err := table.Apply(ops, func(int, error) {}); err == nil {
		t.Error("a closed table takes flows")
	}
}
