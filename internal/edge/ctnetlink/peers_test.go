package ctnetlink

import (
	"encoding/xml"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// fill puts a table together of which other programs give their opinion.
func fill(t testing.TB) map[string]flow.Flow {
	t.Helper()
	namespace(t)
	useLabels(t)
	flows := everyKind()
	control := plain(flow.TCP, "192.0.2.99", "198.51.100.7", 1000, 21)
	copy(control.Helper[:], "ftp")
	control.SeqAdj[1] = flow.Adjustment{Position: 1, Before: 2, After: 3}
	data := plain(flow.TCP, "192.0.2.99", "198.51.100.7", 1001, 2021)
	data.Master = flow.Master{Proto: flow.TCP, Tuple: control.Orig}
	data.Status, data.State, data.Mark = flow.Confirmed, 1, 0x1234
	data.Labels = [16]byte{1, 2, 3, 15: 0x80}
	zoned := plain(flow.UDP, "192.0.2.98", "198.51.100.7", 1, 53)
	zoned.Zone = 7
	oneWay := plain(flow.UDP, "192.0.2.97", "198.51.100.7", 1, 53)
	oneWay.Zone, oneWay.ZoneWay = 8, flow.OriginalOnly
	back := plain(flow.UDP, "192.0.2.96", "198.51.100.7", 1, 53)
	back.Zone, back.ZoneWay, back.Status = 9, flow.ReplyOnly, flow.Confirmed|flow.SeenReply
	flows = append(flows, control, data, zoned, oneWay, back)
	apply(t, openTable(t, TableConfig{}), Put, flows...)
	found := dump(t)
	if len(found) != len(flows) {
		t.Fatalf("%d of %d flows", len(found), len(flows))
	}
	return found
}

func TestDecodedAsByAnotherLibrary(t *testing.T) {
	ours := fill(t)
	ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	c, err := conntrack.Dial(&netlink.Config{NetNS: int(ns.Fd())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	theirs, err := c.Dump(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs) != len(ours) {
		t.Errorf("they have %d flows, we %d", len(theirs), len(ours))
	}
	for i := range theirs {
		want := foreign(&theirs[i])
		got, ok := ours[string(want.AppendKey(nil))]
		if !ok {
			t.Errorf("not seen by us: %+v", theirs[i])
			continue
		}
		got.Has = 0
		if got.Timeout-want.Timeout <= 2 {
			got.Timeout = want.Timeout
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", &got, d)
		}
	}
}

// foreign turns a flow of the other library into ours.
func foreign(c *conntrack.Flow) flow.Flow {
	f := flow.Flow{Family: flow.IPv4, Proto: c.TupleOrig.Proto.Protocol, Timeout: c.Timeout, Status: uint32(c.Status),
		Mark: c.Mark, Zone: c.Zone, Orig: foreignTuple(&c.TupleOrig), Reply: foreignTuple(&c.TupleReply)}
	if c.TupleOrig.IP.SourceAddress.Is6() {
		f.Family = flow.IPv6
	}
	if c.TupleOrig.Zone != 0 {
		f.Zone, f.ZoneWay = c.TupleOrig.Zone, flow.OriginalOnly
	}
	if c.TupleReply.Zone != 0 {
		f.Zone, f.ZoneWay = c.TupleReply.Zone, flow.ReplyOnly
	}
	if c.TupleMaster.Proto.Protocol != 0 {
		f.Master = flow.Master{Proto: c.TupleMaster.Proto.Protocol, Tuple: foreignTuple(&c.TupleMaster)}
	}
	if p := c.ProtoInfo.TCP; p != nil {
		f.State, f.Scale = p.State, [2]uint8{p.OriginalWindowScale, p.ReplyWindowScale}
		// The library reads the pair of flags and mask as one big-endian number.
		f.TCPFlags = [2]uint8{uint8(p.OriginalFlags>>8) & 0x0f, uint8(p.ReplyFlags>>8) & 0x0f}
	}
	if p := c.ProtoInfo.SCTP; p != nil {
		f.State, f.Tag = p.State, [2]uint32{p.VTagOriginal, p.VTagReply}
	}
	copy(f.Helper[:], c.Helper.Name)
	copy(f.Labels[:], c.Labels)
	for i, a := range []conntrack.SequenceAdjust{c.SeqAdjOrig, c.SeqAdjReply} {
		f.SeqAdj[i] = flow.Adjustment{Position: a.Position, Before: a.OffsetBefore, After: a.OffsetAfter}
	}
	f.SynProxy = flow.Proxied{Sequence: c.SynProxy.ISN, Timestamp: c.SynProxy.ITS, Offset: c.SynProxy.TSOff}
	return f
}

func foreignTuple(c *conntrack.Tuple) (t flow.Tuple) {
	copy(t.Src[:], c.IP.SourceAddress.AsSlice())
	copy(t.Dst[:], c.IP.DestinationAddress.AsSlice())
	t.SrcPort, t.DstPort = c.Proto.SourcePort, c.Proto.DestinationPort
	t.ICMPID, t.ICMPType, t.ICMPCode = c.Proto.ICMPID, c.Proto.ICMPType, c.Proto.ICMPCode
	return t
}

// listing is what conntrack(8) prints with -o xml.
type listing struct {
	Flows []struct {
		Meta []struct {
			Direction string `xml:"direction,attr"`
			Layer3    struct {
				Src string `xml:"src"`
				Dst string `xml:"dst"`
			} `xml:"layer3"`
			Layer4 struct {
				Proto uint8  `xml:"protonum,attr"`
				Sport uint16 `xml:"sport"`
				Dport uint16 `xml:"dport"`
			} `xml:"layer4"`
			Zone    uint16    `xml:"zone"`
			State   string    `xml:"state"`
			Timeout uint32    `xml:"timeout"`
			Mark    uint32    `xml:"mark"`
			Assured *struct{} `xml:"assured"`
			Silent  *struct{} `xml:"unreplied"`
		} `xml:"meta"`
	} `xml:"flow"`
}

// The program does not print ICMP identifiers, labels and such as XML; what it prints
// must be there as often as with us.
func TestDecodedAsByConntrackXML(t *testing.T) {
	const form = "%d %v:%d>%v:%d zone %d | %v:%d>%v:%d zone %d | zone %d state %q mark %d assured %v silent %v"
	want, got := map[string]int{}, map[string]int{}
	for _, f := range fill(t) {
		way := [3]uint16{}
		if f.Zone != 0 {
			way[f.ZoneWay] = f.Zone
		}
		sport, dport := [2]uint16{f.Orig.SrcPort, f.Reply.SrcPort}, [2]uint16{f.Orig.DstPort, f.Reply.DstPort}
		if f.Proto == 47 {
			sport, dport = [2]uint16{}, [2]uint16{} // printed as keys
		}
		got[fmt.Sprintf(form, f.Proto, f.Addr(&f.Orig.Src), sport[0], f.Addr(&f.Orig.Dst), dport[0], way[1],
			f.Addr(&f.Reply.Src), sport[1], f.Addr(&f.Reply.Dst), dport[1], way[2],
			way[0], flow.StateName(f.Proto, f.State), f.Mark, f.Status&flow.Assured != 0, f.Status&flow.SeenReply == 0)]++
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		var l listing
		if err := xml.Unmarshal(quiet(t, "conntrack", "-L", "-f", family, "-o", "xml"), &l); err != nil {
			t.Fatal(err)
		}
		for _, f := range l.Flows {
			o, r, i := f.Meta[0], f.Meta[1], f.Meta[2]
			if o.Layer4.Proto == flow.SCTP {
				i.State = "ESTABLISHED" // printed with the names of TCP's states in this form
			}
			want[fmt.Sprintf(form, o.Layer4.Proto, netip.MustParseAddr(o.Layer3.Src), o.Layer4.Sport, netip.MustParseAddr(o.Layer3.Dst),
				o.Layer4.Dport, o.Zone, netip.MustParseAddr(r.Layer3.Src), r.Layer4.Sport, netip.MustParseAddr(r.Layer3.Dst), r.Layer4.Dport, r.Zone,
				i.Zone, i.State, i.Mark, i.Assured != nil, i.Silent != nil)]++
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A flow's text must be what conntrack(8) prints, but for the reference count.
func TestPrintedAsByConntrack(t *testing.T) {
	references, life := regexp.MustCompile(` use=\d+`), regexp.MustCompile(`^(\S+ +\d+) \d+ `)
	clean := func(s string) string {
		return life.ReplaceAllString(references.ReplaceAllString(strings.TrimSpace(s), ""), "$1 T ")
	}
	want, got := map[string]int{}, map[string]int{}
	for _, f := range fill(t) {
		// These are not printed by the program.
		f.Master, f.Labels, f.SeqAdj = flow.Master{}, [16]byte{}, [2]flow.Adjustment{}
		got[clean(f.String())]++
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		for line := range strings.Lines(string(quiet(t, "conntrack", "-L", "-f", family))) {
			want[clean(line)]++
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// quiet runs a program and gives its standard output alone.
func quiet(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs the program %s", name)
		}
		t.Skipf("needs the program %s", name)
	}
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}
