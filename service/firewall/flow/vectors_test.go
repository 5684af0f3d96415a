package flow

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

func vectors() []struct {
	name string
	f    Flow
} {
	udp := Flow{Family: IPv6, Proto: UDP, Status: SeenReply, Timeout: 30,
		Orig: Tuple{Src: addr("2001:db8::10"), Dst: addr("2001:db8::53"), SrcPort: 5353, DstPort: 53}}
	udp.Reply = udp.Inverse()
	echo := Flow{Family: IPv4, Proto: ICMP, Timeout: 29, Mark: 0x1234,
		Orig: Tuple{Src: addr("192.0.2.10"), Dst: addr("198.51.100.7"), ICMPType: 8, ICMPID: 77}}
	echo.Reply = echo.Inverse()
	echo.Reply.Dst, echo.Reply.ICMPID = addr("203.0.113.1"), 78
	esp := Flow{Family: IPv4, Proto: 50, Zone: 7, Timeout: 600,
		Orig: Tuple{Src: addr("192.0.2.10"), Dst: addr("198.51.100.7")}}
	esp.Reply = esp.Inverse()
	data := tcp4()
	data.Orig.DstPort, data.Timeout, data.State = 20, 120, 1
	data.Status, data.TCPFlags[1], data.Scale[1] = 0, 0, 0
	data.Reply = data.Inverse()
	data.Reply.Src, data.Reply.SrcPort = addr("203.0.113.9"), 2020
	data.Master = Master{TCP, tcp4().Orig}
	copy(data.Helper[:], "ftp")
	data.Labels[0], data.Labels[15] = 0x01, 0x80
	return []struct {
		name string
		f    Flow
	}{
		{"TCP 192.0.2.10:40000 → 198.51.100.7:443, established, scales 7 and 9, 432000 s", tcp4()},
		{"the same, source translated to 203.0.113.1:61001", masqueraded()},
		{"UDP [2001:db8::10]:5353 → [2001:db8::53]:53, replied, 30 s", udp},
		{"ICMP echo 192.0.2.10 → 198.51.100.7, id 77, source translated to 203.0.113.1 id 78, mark 0x1234, 29 s", echo},
		{"ESP 192.0.2.10 → 198.51.100.7 in zone 7, 600 s", esp},
		{"TCP to port 20, SYN_SENT, destination translated to 203.0.113.9:2020, helper, two labels, master: the first", data},
		{"SCTP over IPv6 with everything", full()},
	}
}

// The table in the RFC is the golden file: the code must give what it says.
func TestVectors(t *testing.T) {
	const rfc = "../../../docs/rfc/0004-flow.md"
	text, err := os.ReadFile(rfc)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, v := range vectors() {
		fmt.Fprintf(&want, "| %s | `%x` | `%x` |\n", v.name, v.f.AppendKey(nil), v.f.AppendState(nil))
	}
	if !strings.HasSuffix(string(text), want.String()) {
		t.Errorf("the vectors in %s are not what the code gives:\n%s", rfc, want.String())
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.f.AppendKey(nil), v.f.AppendState(nil))
	}
	f.Add([]byte{0x01}, []byte{0xff, 0x7f})
	f.Fuzz(func(t *testing.T, key, state []byte) {
		var got Flow
		Remaining(state)
		if !SameState(state, state) {
			t.Fatal("a state is not the same as itself")
		}
		if !Parse(key, state, &got) {
			return
		}
		// One encoding: what was accepted must be what the code would write.
		if k := got.AppendKey(nil); string(k) != string(key) {
			t.Fatalf("key %s is written as %x", hex.EncodeToString(key), k)
		}
		if s := got.AppendState(nil); string(s) != string(state) {
			t.Fatalf("state %s is written as %x", hex.EncodeToString(state), s)
		}
		if got.String() == "" {
			t.Fatal("no text")
		}
	})
}
