package address

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Numbers of the frames, from RFC 826, RFC 4861 and the registries they name.
const (
	arpSize     = 14 + 28
	arpRequest  = 1
	arpReply    = 2
	adviceSize  = 14 + 40 + 32 // neighbour advertisement with one option
	adviceType  = 136
	adviceFlags = 0xa0 // router, override; not solicited
	targetLink  = 2    // option: target link-layer address
)

// Announce tells the neighbours on each address's network that it is here now: by a
// gratuitous ARP request and a gratuitous ARP reply (some systems heed only one of the
// two), or by an unsolicited neighbour advertisement to all nodes, with the override
// and the router flag. Frames may be lost: announce again after a while, some times.
//
// Only addresses that are raised are announced. Interfaces without Ethernet headers
// have no neighbours to tell. The error joins an [*AddressError] for each failure.
func (h *Holder) Announce() error {
	var faults []error
	for i := range h.held {
		a := &h.held[i]
		if !a.ours || a.leftover {
			continue
		}
		if err := h.announceOne(a); err != nil {
			faults = append(faults, &AddressError{a.Address, err})
		}
	}
	return wrap("announce", errors.Join(faults...))
}

func (h *Holder) announceOne(a *held) error {
	link, err := h.link(a.Interface)
	if err != nil || !link.ethernet {
		return err
	}
	var room [2 * adviceSize]byte
	if ip := a.Prefix.Addr(); ip.Is6() {
		return h.send(link.index, unix.ETH_P_IPV6, advice(room[:0], ip, link.mac))
	}
	request := gratuitous(room[:0], arpRequest, a.Prefix.Addr(), link.mac)
	reply := gratuitous(request, arpReply, a.Prefix.Addr(), link.mac)[len(request):]
	return errors.Join(h.send(link.index, unix.ETH_P_ARP, request), h.send(link.index, unix.ETH_P_ARP, reply))
}

// send puts one frame on an interface.
func (h *Holder) send(index int, protocol uint16, frame []byte) error {
	to := unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: index, Halen: 6}
	copy(to.Addr[:], frame[:6])
	for {
		err := unix.Sendto(h.packet, frame, unix.MSG_DONTWAIT, &to)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// gratuitous appends an ARP frame in which sender and target are the address: the
// announcement of RFC 5227 section 3, or its form as a reply.
func gratuitous(b []byte, operation uint16, ip netip.Addr, mac [6]byte) []byte {
	address := ip.As4()
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_ARP)
	b = binary.BigEndian.AppendUint16(b, 1) // Ethernet
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, operation)
	b = append(b, mac[:]...)
	b = append(b, address[:]...)
	if operation == arpReply {
		b = append(b, mac[:]...)
	} else {
		b = append(b, 0, 0, 0, 0, 0, 0) // nobody is asked
	}
	return append(b, address[:]...)
}

// advice appends an unsolicited neighbour advertisement to all nodes.
func advice(b []byte, ip netip.Addr, mac [6]byte) []byte {
	from := len(b)
	address := ip.As16()
	b = append(b, 0x33, 0x33, 0, 0, 0, 1) // where ff02::1 is on Ethernet, RFC 2464
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IPV6)

	b = append(b, 6<<4, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, 32) // payload
	b = append(b, unix.IPPROTO_ICMPV6, 255)  // a receiver drops what a router could have forwarded
	b = append(b, address[:]...)
	b = append(b, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

	b = append(b, adviceType, 0, 0, 0) // type, code, checksum
	b = append(b, adviceFlags, 0, 0, 0)
	b = append(b, address[:]...)
	b = append(b, targetLink, 1)
	b = append(b, mac[:]...)
	packet := b[from+14:]
	binary.BigEndian.PutUint16(packet[42:], checksum(packet))
	return b
}

// checksum is the ICMPv6 checksum of an IPv6 packet (RFC 8200 section 8.1) whose
// checksum bytes are zero: the pseudo header is the addresses, the length and 58.
func checksum(packet []byte) uint16 {
	sum := uint32(len(packet)-40) + unix.IPPROTO_ICMPV6
	for b := packet[8:]; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
