package pair

import "github.com/holdfast-ha/holdfast/internal/lab"

// virtual is a virtual address with its interface.
type virtual struct{ name, address string }

// virtualAddresses are those of the test bed.
func virtualAddresses(bed *lab.Lab) []virtual {
	all := []virtual{{lab.LAN, lab.VirtualLAN4}, {lab.WAN, lab.VirtualWAN4}}
	if bed.HasIPv6() {
		all = append(all, virtual{lab.LAN, lab.VirtualLAN6}, virtual{lab.WAN, lab.VirtualWAN6})
	}
	return all
}

// hold gives a firewall the virtual addresses, as whoever manages addresses beside
// conntrackd would.
func hold(bed *lab.Lab, node string) error {
	for _, v := range virtualAddresses(bed) {
		if err := bed.Node(node).AddAddress(v.name, v.address); err != nil {
			return err
		}
	}
	return nil
}
