package address

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// request is the kernel's struct ifreq, of linux/if.h.
type request struct {
	name [unix.IFNAMSIZ]byte
	data [24]byte
}

// link is what the kernel says of an interface now. It is asked for each time: an
// interface that was deleted and made again has another index, and one of a bond
// another hardware address.
type link struct {
	index    int
	ethernet bool // it has an Ethernet header, and neighbours to tell
	mac      [6]byte
}

// openQuery opens a socket for ioctl(2); any family does.
func openQuery() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

// ask makes one ioctl about an interface, by name.
func ask(fd int, name string, what uintptr) (request, error) {
	var r request
	if len(name) == 0 || len(name) >= unix.IFNAMSIZ || strings.ContainsAny(name, "/ \x00") {
		return r, unix.ENODEV
	}
	copy(r.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), what, uintptr(unsafe.Pointer(&r)))
	runtime.KeepAlive(&r)
	if errno != 0 {
		return r, errno
	}
	return r, nil
}

// number reads the int that an ioctl left.
func (r *request) number() int { return int(*(*int32)(unsafe.Pointer(&r.data))) }

// short reads the short that an ioctl left.
func (r *request) short() uint16 { return *(*uint16)(unsafe.Pointer(&r.data)) }

// link looks an interface up.
func (h *Holder) link(name string) (link, error) {
	r, err := ask(h.query, name, unix.SIOCGIFINDEX)
	if err != nil {
		return link{}, missing(name, err)
	}
	l := link{index: r.number()}
	if r, err = ask(h.query, name, unix.SIOCGIFHWADDR); err != nil {
		return link{}, missing(name, err)
	}
	l.ethernet = r.short() == unix.ARPHRD_ETHER // the first field of its struct sockaddr
	copy(l.mac[:], r.data[2:])
	return l, nil
}

// interfaceName gives an interface's name for a message.
func (h *Holder) interfaceName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return fmt.Sprintf("with index %d", index)
}

// missing words why an interface could not be looked up.
func missing(name string, err error) error {
	if !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("interface %q: %w", name, err)
	}
	var names []string
	if all, err := net.Interfaces(); err == nil {
		for i := range all {
			names = append(names, all[i].Name)
		}
	}
	return fmt.Errorf("interface %q does not exist on this host; interfaces: %s: %w", name, strings.Join(names, ", "), unix.ENODEV)
}
