package daemon

import (
	"fmt"

	"github.com/holdfast-ha/holdfast/internal/control"
	"github.com/holdfast-ha/holdfast/internal/edge/ctnetlink"
)

// fullPercent is how full the kernel's table may be before somebody should know: what
// is beyond its limit is dropped, established or not.
const fullPercent = 90

// bufferLeast is the receive buffer of events below which a burst may overrun it: it
// holds about a thousand events.
const bufferLeast = 1 << 20

// faults names the conditions that threaten the service and that no counter explains.
func (d *daemon) faults(entries, limit uint32) []control.Fault {
	var all []control.Fault
	if limit > 0 && uint64(entries)*100 >= uint64(limit)*fullPercent {
		all = append(all, control.Fault{
			What:   fmt.Sprintf("the kernel tracks %d flows of %d at most; when it is full it drops new ones", entries, limit),
			Action: fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*limit),
		})
	}
	if flows := d.file.Firewall.MaxFlows; uint32(flows) < limit && uint64(entries)*100 >= uint64(flows)*fullPercent {
		all = append(all, control.Fault{
			What:   fmt.Sprintf("max_flows is %d and the kernel tracks %d flows; what is beyond is not replicated", flows, entries),
			Action: fmt.Sprintf("set max_flows = %d in the configuration of both nodes", limit),
		})
	}
	if size := d.kernel.events.ReceiveBuffer(); size < bufferLeast {
		all = append(all, control.Fault{
			What:   fmt.Sprintf("the kernel gave the events' socket %d bytes of %d; a burst of connections may overrun it", size, ctnetlink.ReceiveBufferDefault),
			Action: fmt.Sprintf("sysctl -w net.core.rmem_max=%d", ctnetlink.ReceiveBufferDefault),
		})
	}
	if d.kernel.raiseAt.After(d.started) {
		all = append(all, control.Fault{What: "the virtual addresses could not be added; it is tried again", Action: "ip address show"})
	}
	return all
}
