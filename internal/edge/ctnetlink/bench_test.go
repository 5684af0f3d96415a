package ctnetlink

import (
	"testing"

	"github.com/holdfast-ha/holdfast/service/firewall/flow"
	"golang.org/x/sys/unix"
)

// benchmarkFlows is the number of flows put, changed or dumped in one iteration.
const benchmarkFlows = 20000

func manyFlows(n int, change func(*flow.Flow)) ([]flow.Flow, []Op) {
	flows, ops := make([]flow.Flow, n), make([]Op, n)
	for i := range flows {
		flows[i] = plain(flow.TCP, "192.0.2.10", "198.51.100.7", uint16(i), uint16(1+i>>16))
		flows[i].Orig.Src[3] = byte(i >> 8)
		flows[i].Reply = flows[i].Inverse()
		if change != nil {
			change(&flows[i])
		}
		ops[i] = Op{Put, &flows[i]}
	}
	return flows, ops
}

func source(f *flow.Flow) {
	*f = translated(*f, "203.0.113.1", f.Orig.SrcPort+1, "", 0)
	f.Reply.Dst[3] = f.Orig.Src[3]
}

func benchmarkPut(b *testing.B, change func(*flow.Flow), listen bool, verbs ...Verb) {
	namespace(b)
	table := openTable(b, TableConfig{})
	if listen {
		openEvents(b, EventsConfig{OwnPort: table.Port()})
	}
	_, ops := manyFlows(benchmarkFlows, change)
	failed := func(i int, err error) { b.Fatalf("%d: %v", i, err) }
	do := func(v Verb) {
		for i := range ops {
			ops[i].Verb = v
		}
		if err := table.Apply(ops, failed); err != nil {
			b.Fatal(err)
		}
	}
	if verbs[0] != Put {
		do(Put)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, v := range verbs {
			do(v)
		}
		n++
		if verbs[0] == Put {
			b.StopTimer()
			do(Delete)
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(n*benchmarkFlows)/b.Elapsed().Seconds(), "flows/s")
	do(Delete)
}

func BenchmarkPut(b *testing.B)         { benchmarkPut(b, nil, false, Put) }
func BenchmarkPutListened(b *testing.B) { benchmarkPut(b, nil, true, Put) }
func BenchmarkPutNAT(b *testing.B)      { benchmarkPut(b, source, false, Put) }
func BenchmarkChangeNAT(b *testing.B)   { benchmarkPut(b, source, false, Change) }
func BenchmarkPutAgainNAT(b *testing.B) { benchmarkPutAgain(b, source) }
func BenchmarkPutAgain(b *testing.B)    { benchmarkPutAgain(b, nil) }

func benchmarkPutAgain(b *testing.B, change func(*flow.Flow)) {
	namespace(b)
	table := openTable(b, TableConfig{})
	_, ops := manyFlows(benchmarkFlows, change)
	failed := func(i int, err error) { b.Fatalf("%d: %v", i, err) }
	n := -1
	b.ReportAllocs()
	for b.Loop() {
		if n++; n == 0 {
			b.StopTimer()
		}
		if err := table.Apply(ops, failed); err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(n*benchmarkFlows)/b.Elapsed().Seconds(), "flows/s")
}

func BenchmarkDump(b *testing.B) {
	namespace(b)
	table := openTable(b, TableConfig{})
	_, ops := manyFlows(benchmarkFlows, nil)
	if err := table.Apply(ops, func(i int, err error) { b.Fatal(err) }); err != nil {
		b.Fatal(err)
	}
	d, err := OpenDump()
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	seen := 0
	count := func(*flow.Flow) { seen++ }
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Start(0); err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			if more, err = d.Next(count); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(seen)/b.Elapsed().Seconds(), "flows/s")
}

// BenchmarkEvents reads events that wait in the socket.
func BenchmarkEvents(b *testing.B) {
	namespace(b)
	table, events := openTable(b, TableConfig{}), openEvents(b, EventsConfig{})
	_, ops := manyFlows(readMax, nil)
	seen := 0
	hear := func(Kind, *flow.Flow) { seen++ }
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, v := range []Verb{Put, Delete} {
			for i := range ops {
				ops[i].Verb = v
			}
			if err := table.Apply(ops, func(i int, err error) { b.Fatal(i, err) }); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for n := 1; n > 0; {
			var err error
			if n, err = events.Read(hear); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(seen)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkEncode(b *testing.B) {
	f := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1, 2), "203.0.113.1", 3, "", 0)
	w := writer{b: make([]byte, 0, messageMax)}
	b.ReportAllocs()
	for b.Loop() {
		w.b = w.b[:0]
		w.flow(messageNew, 0, 1, formPut, &f, 0)
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	f := translated(plain(flow.TCP, "192.0.2.10", "198.51.100.7", 1, 2), "203.0.113.1", 3, "", 0)
	w := writer{b: make([]byte, 0, messageMax)}
	w.flow(messageNew, unix.NLM_F_CREATE, 1, formPut, &f, 0)
	var got flow.Flow
	b.ReportAllocs()
	for b.Loop() {
		m, _, _ := nextMessage(w.b)
		if _, ok := event(m, &got); !ok {
			b.Fatal("refused")
		}
	}
}
