package segment

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// lossScale is the resolution of Lose: ten thousandths.
const lossScale = 10000

// faults is what becomes of packets that come to one machine.
type faults struct {
	deaf []string // machines that it does not hear, sorted
	loss uint32   // of lossScale
}

// Cut takes the way from one machine to another off, or, if both, the ways between them.
func (s *Segment) Cut(from, to string, both bool) error {
	s.Machine(from)
	s.Machine(to)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[to].deafTo(from)
	if both {
		s.faults[from].deafTo(to)
		if err := s.load(from); err != nil {
			return err
		}
	}
	return s.load(to)
}

func (f *faults) deafTo(name string) {
	if !slices.Contains(f.deaf, name) {
		f.deaf = append(f.deaf, name)
		slices.Sort(f.deaf)
	}
}

// Split cuts the segment into parts that hear nothing of each other. Machines in none of
// them hear everybody. It takes the place of all cuts before.
func (s *Segment) Split(parts ...[]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names() {
		f := s.faults[name]
		f.deaf = nil
		mine := slices.IndexFunc(parts, func(part []string) bool { return slices.Contains(part, name) })
		if mine < 0 {
			continue
		}
		for i, part := range parts {
			if i != mine {
				f.deaf = append(f.deaf, part...)
			}
		}
		slices.Sort(f.deaf)
	}
	return s.loadAll()
}

// Lose makes every machine lose a share of the packets that come to it, from 0 (none, the
// default) to 100 per cent.
func (s *Segment) Lose(percent float64) error {
	if !(percent >= 0 && percent <= 100) {
		return &OpError{fmt.Sprintf("lose %g%%", percent), fmt.Errorf("a share is from 0 to 100 per cent")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names() {
		s.faults[name].loss = uint32(percent * lossScale / 100)
	}
	return s.loadAll()
}

// Mend ends all faults.
func (s *Segment) Mend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names() {
		*s.faults[name] = faults{}
	}
	return s.loadAll()
}

func (s *Segment) loadAll() error {
	for _, name := range s.names() {
		if err := s.load(name); err != nil {
			return err
		}
	}
	return nil
}

// load gives a machine its packet filter, in one transaction.
func (s *Segment) load(name string) error {
	f := s.faults[name]
	op := func(err error) error {
		return &OpError{"load the faults of " + name + " (the kernel needs nf_tables with numgen)", err}
	}
	c, err := nftables.New(nftables.WithNetNSFd(s.machines[name].space.FD()))
	if err != nil {
		return op(err)
	}
	// Adding before deleting: deleting what is not there would fail.
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "faults"}
	c.AddTable(table)
	c.DelTable(table)
	if len(f.deaf) > 0 || f.loss > 0 {
		c.AddTable(table)
		chain := c.AddChain(&nftables.Chain{
			Name: "arriving", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		for _, other := range f.deaf {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(sourceIs(s.machines[other].address), drop())})
		}
		if f.loss > 0 {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(notLoopback(), dice(f.loss)...)})
		}
	}
	if err := c.Flush(); err != nil {
		return op(err)
	}
	return nil
}

func drop() expr.Any { return &expr.Verdict{Kind: expr.VerdictDrop} }

// sourceIs matches the source address of the IPv4 header.
func sourceIs(address string) []expr.Any {
	const offset, length = 12, 4
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: netip.MustParseAddr(address).AsSlice()},
	}
}

// notLoopback matches what came by the wire.
func notLoopback() []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, device)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}

// dice drops a share of what comes to it.
func dice(share uint32) []expr.Any {
	if share >= lossScale {
		return []expr.Any{drop()}
	}
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: lossScale, Type: unix.NFT_NG_RANDOM},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: []byte{byte(share >> 24), byte(share >> 16), byte(share >> 8), byte(share)}},
		drop(),
	}
}
