package ctnetlink

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

func TestDumpOfOneFamilyAndOfMany(t *testing.T) {
	namespace(t)
	_, ops := manyFlows(3000, nil)
	six := plain(flow.UDP, "2001:db8::10", "2001:db8::7", 1, 53)
	ops = append(ops, Op{Put, &six})
	if err := openTable(t, TableConfig{}).Apply(ops, func(i int, err error) { t.Error(i, err) }); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDump()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for family, want := range map[uint8]int{0: 3001, flow.IPv4: 3000, flow.IPv6: 1} {
		if err := d.Start(0); err != nil { // left half way by the next
			t.Fatal(err)
		}
		if err := d.Start(family); err != nil {
			t.Fatal(err)
		}
		seen, calls := map[flow.Tuple]bool{}, 0
		for more := true; more; calls++ {
			if more, err = d.Next(func(f *flow.Flow) { seen[f.Orig] = true }); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) != want || want > 1000 && calls < 10 {
			t.Errorf("family %d: %d of %d flows in %d datagrams", family, len(seen), want, calls)
		}
		if more, err := d.Next(nil); more || err != nil {
			t.Errorf("after the end: %v, %v", more, err)
		}
	}
}

// fakeDump is a dump to which the test talks in place of the kernel.
func fakeDump(t *testing.T) (d *Dump, kernel int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	d = &Dump{sock: &socket{fd: pair[0]}, buffer: make([]byte, receiveMax), out: writer{b: make([]byte, 0, messageMax)}}
	t.Cleanup(func() { d.Close(); unix.Close(pair[1]) })
	if err := d.Start(0); err != nil {
		t.Fatal(err)
	}
	return d, pair[1]
}

func TestDumpHearsWhatIsWrong(t *testing.T) {
	entry := func(flags uint16, seq uint32) []byte {
		f := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1, 2)
		w := writer{}
		w.flow(messageNew, flags, seq, formPut, &f, 0)
		return w.b
	}
	closing := func(kind uint16, errno int32) []byte {
		b := make([]byte, headerSize+4)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint32(b[8:], 1)
		binary.NativeEndian.PutUint32(b[headerSize:], uint32(-errno))
		return b
	}
	done := closing(unix.NLMSG_DONE, 0)
	broken := entry(0, 1)
	broken[headerSize] = unix.AF_UNIX
	for _, c := range []struct {
		name      string
		datagrams [][]byte
		flows     int
		malformed uint64
		err       error
	}{
		{"all well", [][]byte{append(entry(0, 1), entry(0, 1)...), done}, 2, 0, nil},
		{"in one datagram", [][]byte{append(entry(0, 1), done...)}, 1, 0, nil},
		{"interrupted", [][]byte{entry(unix.NLM_F_DUMP_INTR, 1), entry(0, 1), done}, 2, 0, ErrInterrupted},
		{"refused", [][]byte{closing(unix.NLMSG_ERROR, int32(unix.EPERM))}, 0, 0, unix.EPERM},
		{"fails at the end", [][]byte{entry(0, 1), closing(unix.NLMSG_DONE, int32(unix.ENOMEM))}, 1, 0, unix.ENOMEM},
		{"too long", [][]byte{make([]byte, receiveMax+1)}, 0, 0, ErrTruncated},
		{"answer to another", [][]byte{entry(0, 9), done}, 0, 0, nil},
		{"not tracked", [][]byte{broken, entry(0, 1), done}, 1, 1, nil},
		{"cut off", [][]byte{entry(0, 1)[:50], done}, 0, 1, nil},
	} {
		d, kernel := fakeDump(t)
		if more, err := d.Next(func(*flow.Flow) { t.Error("a flow from nowhere") }); !more || err != nil {
			t.Errorf("%s: before the answer: %v, %v", c.name, more, err)
		}
		for _, b := range c.datagrams {
			if _, err := unix.Write(kernel, b); err != nil {
				t.Fatal(err)
			}
		}
		flows, more, err := 0, true, error(nil)
		for i := 0; more && i < 5; i++ {
			more, err = d.Next(func(*flow.Flow) { flows++ })
		}
		if more || flows != c.flows || d.Malformed() != c.malformed || !errors.Is(err, c.err) || err != nil && c.err == nil {
			t.Errorf("%s: more %v, %d flows, %d malformed, %v", c.name, more, flows, d.Malformed(), err)
		}
	}
}
