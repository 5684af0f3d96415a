package ctnetlink

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rules opens nftables in the namespace of this thread.
func rules(t testing.TB) *nftables.Conn {
	t.Helper()
	ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	c, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func flush(t testing.TB, c *nftables.Conn) {
	t.Helper()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// trackEverything has a rule ask for the connection state, without which the kernel
// tracks nothing in a namespace.
func trackEverything(t testing.TB) {
	t.Helper()
	c := rules(t)
	table := c.AddTable(&nftables.Table{Name: "track", Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{Name: "in", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1}}})
	flush(t, c)
}

// useLabels has a rule set a label, without which entries have no room for any.
func useLabels(t testing.TB) {
	t.Helper()
	c := rules(t)
	table := c.AddTable(&nftables.Table{Name: "label", Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{Name: "through", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Immediate{Register: 1, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		&expr.Ct{Key: expr.CtKeyLABELS, Register: 1, SourceRegister: true},
	}})
	flush(t, c)
}

// translate adds a base chain of type nat without any rule.
func translate(t testing.TB) {
	t.Helper()
	c := rules(t)
	table := c.AddTable(&nftables.Table{Name: "translate", Family: nftables.TableFamilyINet})
	c.AddChain(&nftables.Chain{Name: "post", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	flush(t, c)
}
