package pair

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-ha/holdfast/internal/edge/ctnetlink"
	"github.com/holdfast-ha/holdfast/internal/lab"
	"github.com/holdfast-ha/holdfast/service/firewall/flow"
)

// Tracked counts the entries of a node's connection tracking table.
func Tracked(node *lab.Node) (int, error) {
	t, err := openTable(node)
	if err != nil {
		return 0, err
	}
	defer t.Close()
	entries, _, err := t.Count()
	return int(entries), err
}

func openTable(node *lab.Node) (t *ctnetlink.Table, err error) {
	err = node.Do(func() error {
		t, err = ctnetlink.OpenTable(ctnetlink.TableConfig{})
		return err
	})
	return t, err
}

// Fill puts established TCP flows from the client to the server into a node's table, as
// if they had come that way: with their source translated, no two alike.
func Fill(node *lab.Node, count int) error {
	t, err := openTable(node)
	if err != nil {
		return err
	}
	defer t.Close()
	const step = 256
	flows, ops := make([]flow.Flow, step), make([]ctnetlink.Op, 0, step)
	for from := 0; from < count; from += step {
		ops = ops[:0]
		for i := range min(step, count-from) {
			established(from+i, &flows[i])
			ops = append(ops, ctnetlink.Op{Verb: ctnetlink.Create, Flow: &flows[i]})
		}
		var first error
		err := t.Apply(ops, func(_ int, err error) {
			if first == nil {
				first = err
			}
		})
		if err == nil {
			err = first
		}
		if err != nil {
			return &OpError{fmt.Sprintf("put %d flows into the table of %s", count, node.Name()), err}
		}
	}
	return nil
}

// established is the flow with the number.
func established(i int, f *flow.Flow) {
	const ports, lowest, service = 60_000, 1024, 80
	client := netip.MustParsePrefix(lab.Client4).Addr().As4()
	client[3] += byte(i % lab.ClientAddresses)
	server := netip.MustParsePrefix(lab.Server4).Addr().As4()
	public := netip.MustParsePrefix(lab.VirtualWAN4).Addr().As4()
	*f = flow.Flow{
		Family: flow.IPv4, Proto: flow.TCP, Has: flow.AllFields,
		State: 3, Timeout: 432_000, // ESTABLISHED, and the kernel's default for it
		Status: flow.SeenReply | flow.Assured | flow.Confirmed | flow.SourceNAT,
		Scale:  [2]uint8{7, 7}, TCPFlags: [2]uint8{flow.ScaleSent | flow.SACK, flow.ScaleSent | flow.SACK},
	}
	copy(f.Orig.Src[:], client[:])
	copy(f.Orig.Dst[:], server[:])
	f.Orig.SrcPort, f.Orig.DstPort = uint16(lowest+i%ports), uint16(service+i/ports)
	f.Reply = f.Inverse()
	copy(f.Reply.Dst[:], public[:])
}

// fullEvery is how often the table is looked at while it fills.
const fullEvery = 200 * time.Microsecond

// AwaitTracked waits until a node's table has a number of entries, and gives the time
// at which that was seen.
func AwaitTracked(ctx context.Context, node *lab.Node, count int) (time.Time, error) {
	t, err := openTable(node)
	if err != nil {
		return time.Time{}, err
	}
	defer t.Close()
	ticker := time.NewTicker(fullEvery)
	defer ticker.Stop()
	for {
		entries, _, err := t.Count()
		if err != nil || int(entries) >= count {
			return time.Now(), err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return time.Time{}, &OpError{
				fmt.Sprintf("wait until %s tracks %d flows", node.Name(), count),
				fmt.Errorf("%w; it tracks %d", ctx.Err(), entries),
			}
		}
	}
}
