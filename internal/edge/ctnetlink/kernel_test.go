package ctnetlink

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// namespace moves the test into a network namespace of its own. The thread is not
// given back: it dies with the test's goroutine, and the namespace with it.
func namespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root: run sudo -E go test ./internal/edge/ctnetlink")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network namespace of its own: %v", err)
	}
	// Not for the table's entries, which live without it, but for rules and packets.
	run(t, "ip", "link", "set", "lo", "up")
	if err := os.WriteFile(eventsSysctl, []byte("1\n"), 0); err != nil {
		t.Fatal(err)
	}
}

// run runs a program of the system in the test's namespace.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs the program %s", name)
		}
		t.Skipf("needs the program %s", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func openTable(t testing.TB, cfg TableConfig) *Table {
	t.Helper()
	table, err := OpenTable(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

func openEvents(t testing.TB, cfg EventsConfig) *Events {
	t.Helper()
	e, err := OpenEvents(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// apply does operations of which none may fail.
func apply(t testing.TB, table *Table, verb Verb, flows ...flow.Flow) {
	t.Helper()
	ops := make([]Op, len(flows))
	for i := range flows {
		ops[i] = Op{verb, &flows[i]}
	}
	if err := table.Apply(ops, func(i int, err error) { t.Errorf("verb %d of %v: %v", verb, &flows[i], err) }); err != nil {
		t.Fatal(err)
	}
}

// dump gives all entries, by key.
func dump(t testing.TB) map[string]flow.Flow {
	t.Helper()
	d, err := OpenDump()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for {
		if err := d.Start(0); err != nil {
			t.Fatal(err)
		}
		found := map[string]flow.Flow{}
		more := true
		for more {
			more, err = d.Next(func(f *flow.Flow) { found[string(f.AppendKey(nil))] = *f })
		}
		if err == nil && d.Malformed() == 0 {
			return found
		}
		if err != ErrInterrupted {
			t.Fatalf("dump: %v, %d malformed", err, d.Malformed())
		}
	}
}

// one gives the entry of a flow, which must be there.
func one(t testing.TB, f flow.Flow) flow.Flow {
	t.Helper()
	all := dump(t)
	got, ok := all[string(f.AppendKey(nil))]
	if !ok {
		t.Fatalf("not in the table: %v\nwhich has: %v", &f, all)
	}
	return got
}

// heard is an event that was read.
type heard struct {
	kind Kind
	flow flow.Flow
}

// wait reads events until enough says so or two seconds have passed.
func wait(t testing.TB, e *Events, enough func([]heard) bool) (all []heard) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for !enough(all) && time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(e.FD()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, 100); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if _, err := e.Read(func(k Kind, f *flow.Flow) { all = append(all, heard{k, *f}) }); err != nil {
			t.Fatal(err)
		}
	}
	if !enough(all) {
		t.Fatalf("not enough events within two seconds: %v", all)
	}
	return all
}

func atLeast(n int) func([]heard) bool { return func(all []heard) bool { return len(all) >= n } }

func addr(s string) (a [16]byte) {
	copy(a[:], netip.MustParseAddr(s).AsSlice())
	return a
}

// plain makes a flow without translation. Of ICMP, sport is the identifier.
func plain(proto uint8, src, dst string, sport, dport uint16) flow.Flow {
	f := flow.Flow{Family: flow.IPv4, Proto: proto, Timeout: 300, Has: flow.AllFields,
		Status: flow.Confirmed | flow.SeenReply | flow.Assured, Orig: flow.Tuple{Src: addr(src), Dst: addr(dst)}}
	if netip.MustParseAddr(src).Is6() {
		f.Family = flow.IPv6
	}
	switch {
	case proto == flow.ICMP:
		f.Orig.ICMPType, f.Orig.ICMPID = 8, sport
	case proto == flow.ICMPv6:
		f.Orig.ICMPType, f.Orig.ICMPID = 128, sport
	case flow.Ported(proto):
		f.Orig.SrcPort, f.Orig.DstPort = sport, dport
	}
	switch proto {
	case flow.TCP:
		f.State, f.Scale = 3, [2]uint8{7, 9}
		f.TCPFlags = [2]uint8{flow.ScaleSent | flow.SACK, flow.ScaleSent}
	case flow.SCTP:
		f.State, f.Tag = 4, [2]uint32{0x11223344, 0x55667788}
	}
	f.Reply = f.Inverse()
	return f
}

// translated gives f with another source or destination, or both ("" leaves it).
func translated(f flow.Flow, src string, sport uint16, dst string, dport uint16) flow.Flow {
	icmp := f.Proto == flow.ICMP || f.Proto == flow.ICMPv6
	if src != "" {
		f.Reply.Dst = addr(src)
		f.Status |= flow.SourceNAT
		if icmp {
			f.Reply.ICMPID = sport
		} else if flow.Ported(f.Proto) {
			f.Reply.DstPort = sport
		}
	}
	if dst != "" {
		f.Reply.Src = addr(dst)
		f.Status |= flow.DestNAT
		if !icmp && flow.Ported(f.Proto) {
			f.Reply.SrcPort = dport
		}
	}
	return f
}
