package ctnetlink

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

func TestForeignChangesAreHeardAndOwnAreNot(t *testing.T) {
	namespace(t)
	own, other := openTable(t, TableConfig{}), openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{OwnPort: own.Port()})
	mine := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1000, 80)
	foreign := plain(flow.TCP, "192.0.2.10", "198.51.100.7", 2000, 80)
	for _, v := range []Verb{Put, Change, Delete} {
		apply(t, own, v, mine)
		apply(t, other, v, foreign)
	}
	all := wait(t, events, atLeast(3))
	want := []Kind{New, Update, Destroy}
	for i, h := range all {
		if i >= len(want) || h.kind != want[i] || h.flow.Orig != foreign.Orig {
			t.Errorf("event %d: %v %v", i, h.kind, &h.flow)
		}
	}
	if s := events.Stats(); s.Received != 3 || s.Own != 0 {
		t.Errorf("the kernel's filter let own changes through: %+v", s)
	}
	if d := same(foreign, all[0].flow); d != "" {
		t.Errorf("what the event shows: %s", d)
	}
}

// The check in user space must do when the filter in the kernel is not there.
func TestOwnChangesAreDroppedInUserSpaceToo(t *testing.T) {
	namespace(t)
	own, other := openTable(t, TableConfig{}), openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{})
	events.own = own.Port()
	apply(t, own, Put, plain(flow.UDP, "192.0.2.10", "198.51.100.7", 1, 53))
	apply(t, other, Put, plain(flow.UDP, "192.0.2.10", "198.51.100.7", 2, 53))
	all := wait(t, events, atLeast(1))
	if len(all) != 1 || all[0].flow.Orig.SrcPort != 2 || events.Stats().Own != 1 {
		t.Errorf("heard %v, dropped %d", all, events.Stats().Own)
	}
}

func TestChangesAreHeardWhileAskedFor(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{})
	for _, c := range []struct {
		changes bool
		want    []Kind
	}{{true, []Kind{New, Update, Destroy}}, {false, []Kind{Destroy}}, {true, []Kind{New, Update, Destroy}}} {
		if err := events.Hear(c.changes); err != nil {
			t.Fatal(err)
		}
		for _, v := range []Verb{Put, Change, Delete} {
			apply(t, table, v, plain(flow.UDP, "192.0.2.10", "198.51.100.7", 1, 53))
		}
		var got []Kind
		for _, h := range wait(t, events, atLeast(len(c.want))) {
			got = append(got, h.kind)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("changes heard: %v; events: %v, want %v", c.changes, got, c.want)
		}
	}
}

func TestOverrunIsToldAndWhatIsQueuedIsDelivered(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{ReceiveBuffer: receiveBufferMin})
	flows, ops := manyFlows(500, nil)
	if err := table.Apply(ops, func(i int, err error) { t.Error(i, err) }); err != nil {
		t.Fatal(err)
	}
	n, err := events.Read(func(Kind, *flow.Flow) {})
	if err != ErrOverrun {
		t.Errorf("500 events in %d bytes: %v", events.ReceiveBuffer(), err)
	}
	if n == 0 || n >= len(flows) {
		t.Errorf("%d events were delivered", n)
	}
	// The subscription goes on, and the overrun is told once.
	apply(t, table, Delete, flows[:1]...)
	if n, err := events.Read(func(Kind, *flow.Flow) {}); n != 1 || err != nil {
		t.Errorf("afterwards: %d events, %v", n, err)
	}
	if s := events.Stats(); s.Overruns != 1 {
		t.Errorf("%+v", s)
	}
}

func TestReadIsBounded(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{})
	_, ops := manyFlows(readMax+100, nil)
	if err := table.Apply(ops, func(i int, err error) { t.Error(i, err) }); err != nil {
		t.Fatal(err)
	}
	if n, err := events.Read(func(Kind, *flow.Flow) {}); n != readMax || err != nil {
		t.Errorf("first %d, %v", n, err)
	}
	if n, err := events.Read(func(Kind, *flow.Flow) {}); n != 100 || err != nil {
		t.Errorf("then %d, %v", n, err)
	}
	if n, err := events.Read(func(Kind, *flow.Flow) {}); n != 0 || err != nil {
		t.Errorf("at last %d, %v", n, err)
	}
}

// What an update leaves out must be said to be unknown, or the caller would forget it.
func TestHasTellsWhatAnUpdateLeavesOut(t *testing.T) {
	namespace(t)
	trackEverything(t)
	useLabels(t)
	table, other := openTable(t, TableConfig{}), openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{OwnPort: table.Port()})
	fd, port := listen(t, "127.0.0.1")
	client := dial(t, "127.0.0.1", port)
	server, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	assured := func(all []heard) bool { return len(all) > 0 && all[len(all)-1].flow.Status&flow.Assured != 0 }
	all := wait(t, events, assured)
	known := all[len(all)-1].flow
	known.Has = flow.AllFields
	known.Labels[0], known.Mark = 0x10, 9
	apply(t, table, Change, known) // unheard
	unix.Close(server)
	// The first packet after the change still reports it.
	wait(t, events, func(all []heard) bool { return len(all) > 0 && all[len(all)-1].flow.State == 5 })
	unix.Close(client)
	closing := wait(t, events, func(all []heard) bool { return len(all) > 0 && all[len(all)-1].flow.State == 7 })
	update := closing[len(closing)-1].flow
	const shown = flow.FieldState | flow.FieldTCPFlags | flow.FieldTimeout | flow.FieldMaster | flow.FieldSeqAdj
	if update.Has != shown || update.Mark != 9 {
		t.Errorf("the update shows %07b, mark %d; want %07b, 9", update.Has, update.Mark, shown)
	}
	update.Keep(&known)
	if update.Labels != known.Labels || update.State != 7 || update.Has != flow.AllFields {
		t.Errorf("kept: %v", &update)
	}
	update.Labels[0] = 0x30
	apply(t, other, Change, update)
	last := wait(t, events, atLeast(1))[0].flow
	if last.Has&flow.FieldLabels == 0 || last.Labels != update.Labels {
		t.Errorf("a change of labels shows %v, has %07b", &last, last.Has)
	}
}

// Real packets: the events of a connection over the loopback, decoded.
func TestEventsOfRealConnections(t *testing.T) {
	namespace(t)
	trackEverything(t)
	events := openEvents(t, EventsConfig{})
	for _, address := range []string{"127.0.0.1", "::1"} {
		fd, port := listen(t, address)
		client := dial(t, address, port)
		server, _, err := unix.Accept(fd)
		if err != nil {
			t.Fatal(err)
		}
		all := wait(t, events, func(all []heard) bool {
			return len(all) > 0 && all[len(all)-1].flow.State == 3 && all[len(all)-1].flow.Status&flow.Assured != 0
		})
		first, last := all[0], all[len(all)-1]
		if first.kind != New || first.flow.State != tcpStateSynSent || first.flow.Status&flow.SeenReply != 0 ||
			first.flow.Has != flow.AllFields || first.flow.Orig.DstPort != uint16(port) {
			t.Errorf("first: %v %v", first.kind, &first.flow)
		}
		if last.kind != Update || last.flow.TCPFlags[0]&last.flow.TCPFlags[1]&flow.ScaleSent == 0 || last.flow.Scale[0] == 0 {
			t.Errorf("last: %v %v %+v", last.kind, &last.flow, last.flow)
		}
		unix.Close(client)
		unix.Close(server)
		closed := wait(t, events, func(all []heard) bool { return len(all) > 0 && all[len(all)-1].flow.State == 7 })
		if f := closed[len(closed)-1].flow; f.TCPFlags[0]&flow.FirstFIN == 0 {
			t.Errorf("the originator sent FIN first, but: %+v", f)
		}
	}
}

func TestEventsConfigIsChecked(t *testing.T) {
	for _, size := range []int{-1, 1, receiveBufferMin - 1, receiveBufferLimit + 1} {
		var op *OpError
		if e, err := OpenEvents(EventsConfig{ReceiveBuffer: size}); !errors.As(err, &op) || op.Op != "open events" {
			t.Errorf("a buffer of %d bytes: %v, %v", size, e, err)
		}
	}
}

func TestReliableIsAskedOfTheKernel(t *testing.T) {
	namespace(t)
	for want, reliable := range []bool{false, true} {
		events := openEvents(t, EventsConfig{Reliable: reliable})
		if got, err := unix.GetsockoptInt(events.FD(), unix.SOL_NETLINK, unix.NETLINK_BROADCAST_ERROR); err != nil || got != want {
			t.Errorf("%v: %d, %v", reliable, got, err)
		}
	}
}

func TestNothingIsAllocatedPerFlow(t *testing.T) {
	namespace(t)
	table := openTable(t, TableConfig{})
	events := openEvents(t, EventsConfig{})
	flows, ops := manyFlows(100, source)
	failed := func(i int, err error) { t.Error(&flows[i], err) }
	heard := 0
	hear := func(Kind, *flow.Flow) { heard++ }
	if n := testing.AllocsPerRun(20, func() {
		for _, v := range []Verb{Put, Put, Change, Create, Delete} {
			for i := range ops {
				ops[i].Verb = v
			}
			fail := failed
			if v == Create {
				fail = func(_ int, err error) {
					if err != ErrExists {
						panic(fmt.Sprint("create: ", err))
					}
				}
			}
			if err := table.Apply(ops, fail); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := events.Read(hear); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if heard == 0 {
		t.Error("no event was heard")
	}
}

// listen opens a TCP socket on the loopback in the namespace of this thread (package
// net might use another thread).
func listen(t testing.TB, address string) (fd, port int) {
	t.Helper()
	fd, err := unix.Socket(family(address), unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, sockaddr(address, 0)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		port = a.Port
	case *unix.SockaddrInet6:
		port = a.Port
	}
	return fd, port
}

func dial(t testing.TB, address string, port int) (fd int) {
	t.Helper()
	fd, err := unix.Socket(family(address), unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, sockaddr(address, port)); err != nil {
		t.Fatal(err)
	}
	return fd
}

func family(address string) int {
	if net.ParseIP(address).To4() != nil {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(address string, port int) unix.Sockaddr {
	ip := net.ParseIP(address)
	if v4 := ip.To4(); v4 != nil {
		return &unix.SockaddrInet4{Port: port, Addr: [4]byte(v4)}
	}
	return &unix.SockaddrInet6{Port: port, Addr: [16]byte(ip)}
}
