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
