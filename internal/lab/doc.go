// Package lab builds the seed's test bed on one machine: a client, two firewalls and a
// web server, in network namespaces of their own, with links that can be cut.
//
//	client ---[lan]---+--- fw1 ---+---[wan]--- server
//	                  |     |     |
//	                  |   [sync]  |
//	                  |     |     |
//	                  +--- fw2 ---+
//
// The names in brackets are bridges in a fifth namespace, the switch, so that a node
// that loses its cable takes no carrier from another. Both firewalls have the same
// ruleset: it drops what it does not know, admits new flows from the client's side
// only, and rewrites the client's IPv4 source to the virtual address (IPv6 goes through
// unchanged). With nf_conntrack_tcp_loose=0 a TCP flow whose state a firewall lacks is
// lost there, which is what the test bed is for. The virtual addresses, gateways of
// client and server, are held by whoever runs on the firewalls; the lab gives them to
// nobody.
//
// It is pure Go and needs Linux only. It needs the right to make network namespaces:
// root, or an ordinary user by way of package userns. Nothing is left behind, even
// when this process is killed: namespaces live by its descriptors, and processes that
// the lab started are killed with it.
//
// Source: seed 2, chapter 7 and its figure 7.1; sysctl names as in the kernel's
// Documentation/networking/ip-sysctl.rst and nf_conntrack-sysctl.rst.
package lab

// OpError says which step of the test bed failed, and where.
type OpError struct {
	Op  string // such as "connect fw1's lan0"
	Err error
}

// Error gives "test bed: connect fw1's lan0: ...".
func (e *OpError) Error() string { return "test bed: " + e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }
