package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// setting is one kernel setting of a namespace. One that is optional may be missing:
// the kernel has not got what it governs.
type setting struct {
	key, value string
	optional   bool
}

// everywhere holds for every node. IPv6 may be off on the host, so all of it is
// optional here; addresses will tell.
var everywhere = []setting{
	{"net/ipv4/conf/all/rp_filter", "0", false}, // a flow may change sides
	{"net/ipv4/conf/default/rp_filter", "0", false},
	{"net/ipv6/conf/all/accept_ra", "0", true},
	{"net/ipv6/conf/default/accept_ra", "0", true},
	{"net/ipv6/conf/all/accept_dad", "0", true}, // addresses are usable at once
	{"net/ipv6/conf/default/accept_dad", "0", true},
	{"net/ipv6/conf/default/dad_transmits", "0", true},
	{"net/ipv6/conf/all/disable_ipv6", "0", true},
	{"net/ipv6/conf/default/disable_ipv6", "0", true},
}

// setHost makes a client or server of the calling thread's namespace.
func setHost() error {
	return apply(everywhere, []setting{
		// Many short connections from few addresses.
		{"net/ipv4/ip_local_port_range", "1024 65535", false},
		{"net/core/somaxconn", "8192", true},
		{"net/ipv4/tcp_max_syn_backlog", "8192", true},
		// With RetransmitMin, and for its reason: a flow of small chunks tries six
		// times at that interval before it begins to double it.
		{"net/ipv4/tcp_thin_linear_timeouts", "1", true},
	})
}

// setRouter makes a firewall of it.
func setRouter() error {
	return apply(everywhere, []setting{
		{"net/ipv4/ip_forward", "1", false},
		{"net/ipv6/conf/all/forwarding", "1", true},
		{"net/ipv6/conf/default/forwarding", "1", true},
		// A firewall answers for addresses of the interface that was asked, and so
		// never for a virtual address that it does not hold there.
		{"net/ipv4/conf/all/arp_ignore", "1", false},
		{"net/ipv4/conf/all/arp_announce", "2", false},
		{"net/ipv4/conf/all/send_redirects", "0", false},
		{"net/ipv4/conf/default/send_redirects", "0", false},
	})
}

// setSwitch keeps the bridges from looking into what they carry.
func setSwitch() error {
	return apply([]setting{
		{"net/bridge/bridge-nf-call-iptables", "0", true},
		{"net/bridge/bridge-nf-call-ip6tables", "0", true},
		{"net/bridge/bridge-nf-call-arptables", "0", true},
		{"net/ipv6/conf/default/disable_ipv6", "1", true},
	})
}

// setTracker sets the connection tracker of a firewall.
func setTracker() error {
	return apply([]setting{
		// The point of the test bed: a firewall without the state drops the flow.
		{"net/netfilter/nf_conntrack_tcp_loose", "0", false},
		// 2, the default, would give no events of entries made before a listener came.
		{"net/netfilter/nf_conntrack_events", "1", false},
	})
}

// apply writes settings of the calling thread's namespace.
func apply(lists ...[]setting) error {
	for _, list := range lists {
		for _, s := range list {
			err := os.WriteFile(filepath.Join("/proc/sys", s.key), []byte(s.value), 0)
			if err == nil || s.optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			key := strings.ReplaceAll(s.key, "/", ".")
			if errors.Is(err, unix.EROFS) {
				return fmt.Errorf("set %s=%s: %w; /proc/sys is mounted read-only, as containers do: start the container with --privileged", key, s.value, err)
			}
			return fmt.Errorf("set %s=%s: %w", key, s.value, err)
		}
	}
	return nil
}

// ConntrackMax is how many connections the node's kernel will track; 0 where the
// kernel does not tell it to the owner of a user namespace.
func (n *Node) ConntrackMax() (entries int, err error) {
	err = n.Do(func() error {
		text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		entries, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
	if err != nil {
		return 0, &OpError{Op: "read nf_conntrack_max of " + n.name, Err: err}
	}
	return entries, nil
}

// noDAD gives the flag that makes an IPv6 address usable at once.
func noDAD(ip net.IP) int {
	if ip.To4() == nil {
		return unix.IFA_F_NODAD
	}
	return 0
}
