package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Route is an address in the kernel's form. An IPv4 one takes its first 16 bytes.
type Route struct {
	Name unix.RawSockaddrInet6
	Size uint32 // of Name in bytes; 0: there is none
}

// NewRoute brings an address into the kernel's form. zone is the
// interface of link-local addresses that name none, 0 if there is none.
func NewRoute(at netip.AddrPort, zone uint32) (Route, error) {
	var r Route
	port := (*[2]byte)(unsafe.Pointer(&r.Name.Port))
	binary.BigEndian.PutUint16(port[:], at.Port())
	if at.Addr().Is4() {
		r.Name.Family, r.Size = unix.AF_INET, unix.SizeofSockaddrInet4
		(*unix.RawSockaddrInet4)(unsafe.Pointer(&r.Name)).Addr = at.Addr().As4()
		return r, nil
	}
	r.Name.Family, r.Size = unix.AF_INET6, unix.SizeofSockaddrInet6
	r.Name.Addr = at.Addr().As16()
	if name := at.Addr().Zone(); name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return Route{}, fmt.Errorf("%v: interface %q does not exist on this host; interfaces: %s", at, name, interfaces())
		}
		zone = uint32(i.Index)
	}
	if at.Addr().IsLinkLocalUnicast() || at.Addr().IsLinkLocalMulticast() || at.Addr().IsInterfaceLocalMulticast() {
		if zone == 0 {
			return Route{}, fmt.Errorf("%v is a link-local address; name its interface, as in %v%%eth0", at, at.Addr())
		}
		r.Name.Scope_id = zone
	}
	return r, nil
}

// Address brings a source that the kernel gave back into ours; invalid if there is none.
func Address(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	switch name.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	case unix.AF_INET6:
		a := netip.AddrFrom16(name.Addr)
		if name.Scope_id != 0 {
			a = a.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
		}
		return netip.AddrPortFrom(a, port)
	}
	return netip.AddrPort{}
}

// BindError words why an address cannot be used, and what to do.
func BindError(protocol string, at netip.AddrPort, errno unix.Errno) error {
	switch {
	case errors.Is(errno, unix.EADDRNOTAVAIL):
		have, here := addresses(at.Addr())
		if here {
			return fmt.Errorf("address %v is still being checked for duplicates by the kernel; wait some seconds, or turn the check off with sysctl net.ipv6.conf.INTERFACE.accept_dad=0: %w", at.Addr(), errno)
		}
		return fmt.Errorf("address %v is not on this host; addresses: %s; add it with `ip address add`, or correct the configuration: %w", at.Addr(), have, errno)
	case errors.Is(errno, unix.EADDRINUSE):
		return fmt.Errorf("port %d of %v is in use by another process; find it with `ss -l%snp sport = :%d`: %w", at.Port(), at.Addr(), protocol[:1], at.Port(), errno)
	case errors.Is(errno, unix.EACCES):
		return fmt.Errorf("port %d of %v: ports below 1024 need root or CAP_NET_BIND_SERVICE: %w", at.Port(), at.Addr(), errno)
	}
	return fmt.Errorf("bind %v: %w", at, errno)
}

// checkInterface says whether an interface has the address.
func checkInterface(i *net.Interface, a netip.Addr) error {
	list, err := i.Addrs()
	if err != nil {
		return fmt.Errorf("interface %q: %w", i.Name, err)
	}
	var have []string
	for _, n := range list {
		p, err := netip.ParsePrefix(n.String())
		if err != nil {
			continue
		}
		if p.Addr() == a.WithZone("") {
			return nil
		}
		have = append(have, p.Addr().String())
	}
	return fmt.Errorf("interface %q does not have the address %v; its addresses: %s", i.Name, a, strings.Join(have, ", "))
}

// interfaces lists the names of the host's interfaces.
func interfaces() string {
	list, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return strings.Join(names, ", ")
}

// addresses lists the host's addresses, and says whether a is among them.
func addresses(a netip.Addr) (string, bool) {
	list, err := net.Interfaces()
	if err != nil {
		return err.Error(), false
	}
	var have []string
	here := false
	for i := range list {
		on, err := list[i].Addrs()
		if err != nil {
			continue
		}
		for _, n := range on {
			p, err := netip.ParsePrefix(n.String())
			if err != nil {
				continue
			}
			here = here || p.Addr() == a.WithZone("")
			have = append(have, p.Addr().String()+" ("+list[i].Name+")")
		}
	}
	return strings.Join(have, ", "), here
}

// InterfaceOf finds the interface that has an address. A loopback interface has all of
// 127.0.0.0/8, whatever is listed.
func InterfaceOf(a netip.Addr) (int, error) {
	list, err := net.Interfaces()
	if err != nil {
		return 0, fmt.Errorf("list the interfaces: %w", err)
	}
	for i := range list {
		if checkInterface(&list[i], a) == nil || a.IsLoopback() && list[i].Flags&net.FlagLoopback != 0 {
			return list[i].Index, nil
		}
	}
	return 0, fmt.Errorf("no interface is known to have the address %v; name it in Interface", a)
}
