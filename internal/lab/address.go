package lab

// The nodes.
const (
	Client = "client"
	FW1    = "fw1"
	FW2    = "fw2"
	Server = "server"
)

// The interfaces. A firewall has all three, the client LAN, the server WAN.
const (
	LAN  = "lan0"
	WAN  = "wan0"
	Sync = "sync0"
)

// The virtual addresses: gateway of the client, and gateway of the server and source
// of all that the client sends over IPv4.
const (
	VirtualLAN4 = "192.0.2.1/24"
	VirtualLAN6 = "2001:db8:1::1/64"
	VirtualWAN4 = "198.51.100.1/24"
	VirtualWAN6 = "2001:db8:2::1/64"
)

// Client4 and Client6 are the first of the client's [ClientAddresses] addresses; the
// others follow it. Several let flows have equal source ports, which the firewalls
// must tell apart by giving them others.
const (
	Client4         = "192.0.2.10/24"
	Client6         = "2001:db8:1::10/64"
	ClientAddresses = 8
)

// Server4 and Server6 are the server's addresses.
const (
	Server4 = "198.51.100.10/24"
	Server6 = "2001:db8:2::10/64"
)

// PublishedPort of VirtualWAN4, TCP, leads to the same port of Client4: the one way in
// from the server's side.
const PublishedPort = 8080

// plan is who stands where: node, interface, addresses. The bridge is named like the
// interface without its digit.
var plan = []struct {
	node      string
	name      string
	addresses []string
}{
	{Client, LAN, []string{Client4, Client6}},
	{FW1, LAN, []string{"192.0.2.2/24", "2001:db8:1::2/64"}},
	{FW1, WAN, []string{"198.51.100.2/24", "2001:db8:2::2/64"}},
	{FW1, Sync, []string{"203.0.113.1/24"}},
	{FW2, LAN, []string{"192.0.2.3/24", "2001:db8:1::3/64"}},
	{FW2, WAN, []string{"198.51.100.3/24", "2001:db8:2::3/64"}},
	{FW2, Sync, []string{"203.0.113.2/24"}},
	{Server, WAN, []string{Server4, Server6}},
}
