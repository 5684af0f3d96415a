package config

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/holdfast-ha/holdfast/protocol/view"
)

// clusterSection remembers where things of the cluster stand, for checks that compare
// them with other parts of the file.
type clusterSection struct {
	names   []string                  // of all members, also of faulty ones
	linkAt  map[netip.Addr]hcl.Range  // where each link address stands
	linkOf  map[netip.Addr]string     // whose it is, in words
	members map[string]*memberSection // by name
}

// memberSection is a member as it stands in the file.
type memberSection struct {
	Member
	at    hcl.Range
	links map[string]hcl.Range // by label
}

func (r *reader) readCluster(b *hclsyntax.Block, c *Cluster) *clusterSection {
	s := r.section(b)
	shared := &clusterSection{
		linkAt: map[netip.Addr]hcl.Range{}, linkOf: map[netip.Addr]string{},
		members: map[string]*memberSection{},
	}
	c.Name = b.Labels[0]
	r.checkName("cluster name", c.Name, b.LabelRanges[0])
	c.Port = uint16(s.whole("port", 1, 65535, PortDefault))
	r.readSealing(s, c)
	r.readTiming(s, c)
	if r.groups {
		c.Transport = s.choice("transport", "udp", "tcp")
	} else {
		r.groupsOnly(s, "transport")
	}

	blocks := s.blocks("member", 1)
	for _, b := range blocks {
		r.readMember(b, shared)
	}
	switch {
	case r.groups && len(blocks) > groupMembersMax:
		r.failf(blocks[groupMembersMax].DefRange(), fmt.Sprintf("%d members", len(blocks)),
			"a cluster has at most %d; for more, make several clusters", groupMembersMax)
	case !r.groups && len(blocks) > membersMax:
		r.failf(blocks[membersMax].DefRange(), fmt.Sprintf("%d members", len(blocks)),
			"firewalls are a pair; more members are for groups")
	case len(blocks) < 2 && len(blocks) == s.count("member"):
		r.failf(s.at, fmt.Sprintf("%s has %s", s.place, count(len(blocks), "member")),
			"a takeover and a group need two: write a member block for each node")
	}
	r.checkLinks(shared)
	r.readMulticast(s, c, shared)
	if r.groups && len(blocks) == len(shared.members) {
		r.checkQuorum(s, shared)
	}
	for _, name := range slices.Sorted(maps.Keys(shared.members)) {
		c.Members = append(c.Members, shared.members[name].Member)
	}
	for i := range c.Members {
		c.Members[i].ID = view.ID(i + 1)
	}
	return shared
}

// readSealing decides between a key and a deliberate lack of one.
func (r *reader) readSealing(s section, c *Cluster) {
	path, at, given := s.text("key_file", "/etc/holdfast/edge.key")
	c.KeyFile, c.Insecure = path, s.flag("insecure")
	switch {
	case given && c.Insecure:
		r.failf(s.body.Attributes["insecure"].SrcRange, "key_file and insecure are both given",
			"remove insecure to seal the links with the key, or key_file to send in the clear")
	case given && !filepath.IsAbs(path):
		r.failf(at, fmt.Sprintf("key_file = %q is not an absolute path", path),
			"write key_file = %q", filepath.Join("/etc/holdfast", filepath.Base(path)))
	case !s.mentions("key_file") && !c.Insecure && !s.spoilt("insecure"):
		r.failf(s.at, s.place+" has neither key_file nor insecure",
			"make a key with `holdfast key new FILE` and write key_file = \"FILE\"")
	}
}

func (r *reader) readTiming(s section, c *Cluster) {
	usual := HeartbeatDefault
	if r.groups {
		usual = GroupHeartbeatDefault
	}
	c.Heartbeat, _ = s.duration("heartbeat", heartbeatMin, heartbeatMax, usual)
	otherwise := max(SuspectAfterDefault, suspectHeartbeatsDefault*c.Heartbeat)
	if r.groups {
		otherwise = groupSuspectHeartbeats * c.Heartbeat
	}
	var at hcl.Range
	c.SuspectAfter, at = s.duration("suspect_after", suspectHeartbeats*heartbeatMin, suspectMax, otherwise)
	if c.SuspectAfter < suspectHeartbeats*c.Heartbeat {
		r.failf(at, fmt.Sprintf("suspect_after = %q is less than %d heartbeats of %q",
			spell(c.SuspectAfter), suspectHeartbeats, spell(c.Heartbeat)),
			"one lost datagram would be taken for a death: write at least %q, or a shorter heartbeat",
			spell(suspectHeartbeats*c.Heartbeat))
	}
}

func (r *reader) readMember(b *hclsyntax.Block, shared *clusterSection) {
	s := r.section(b)
	name := b.Labels[0]
	r.checkName("member name", name, b.LabelRanges[0])
	shared.names = append(shared.names, name)
	m := &memberSection{Member: Member{Name: name}, at: b.DefRange(), links: map[string]hcl.Range{}}
	r.readVotes(s, m)
	blocks := s.blocks("link", 1)
	for _, l := range blocks {
		r.readLink(l, m, shared)
	}
	switch {
	case len(blocks) == 0 && !s.mentions("link"):
		r.failf(s.at, s.place+" has no link", `write link "sync" { address = "198.51.100.1" }`)
	case len(blocks) > linksMax:
		r.failf(blocks[linksMax].DefRange(), fmt.Sprintf("%s has %d links", s.place, len(blocks)),
			"at most %d are used", linksMax)
	}
	slices.SortFunc(m.Links, func(a, b Link) int { return strings.Compare(a.Label, b.Label) })
	if first, ok := shared.members[name]; ok {
		r.failf(b.LabelRanges[0], fmt.Sprintf("a second member %q", name),
			"names are unique; the first is on line %d", first.at.Start.Line)
		return
	}
	shared.members[name] = m
}

func (r *reader) readLink(b *hclsyntax.Block, m *memberSection, shared *clusterSection) {
	s := r.section(b)
	label := b.Labels[0]
	r.checkName("link label", label, b.LabelRanges[0])
	if first, ok := m.links[label]; ok {
		r.failf(b.LabelRanges[0], fmt.Sprintf("a second link %q in member %q", label, m.Name),
			"labels are unique within a member; the first is on line %d", first.Start.Line)
		return
	}
	m.links[label] = b.DefRange()
	text, at, ok := s.text("address", "198.51.100.1")
	if !ok {
		if !s.mentions("address") {
			r.failf(s.at, s.place+" has no address", "write address = %q", "198.51.100.1")
		}
		return
	}
	address, ok := r.linkAddress(text, at)
	if !ok {
		return
	}
	owner := fmt.Sprintf("link %q of member %q", label, m.Name)
	if first, taken := shared.linkAt[address]; taken {
		r.failf(at, fmt.Sprintf("link address %s is already that of %s", address, shared.linkOf[address]),
			"each end of a link has its own address; the first use is on line %d", first.Start.Line)
	} else {
		shared.linkAt[address], shared.linkOf[address] = at, owner
	}
	m.Links = append(m.Links, Link{Label: label, Address: address})
}

func (r *reader) linkAddress(text string, at hcl.Range) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		remedy := `write an IPv4 or IPv6 address, as in address = "198.51.100.1"`
		if prefix, err := netip.ParsePrefix(text); err == nil {
			remedy = fmt.Sprintf("without the prefix length: address = %q", prefix.Addr())
		} else if port, err := netip.ParseAddrPort(text); err == nil {
			remedy = fmt.Sprintf("without the port, which is the cluster's: address = %q", port.Addr())
		}
		r.fail(at, fmt.Sprintf("address = %q is not an IP address", text), remedy)
		return address, false
	}
	if kind := unusable(address); kind != "" && !(r.groups && address.IsLoopback()) {
		r.failf(at, fmt.Sprintf("address = %q is %s", text, kind),
			"write the node's own unicast address on that network")
		return address, false
	}
	return address, true
}

// unusable says what an address is that no node can have as its own, or "".
func unusable(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsMulticast():
		return "a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	case a.Is4In6():
		return "an IPv4 address written as IPv6"
	case a.IsLinkLocalUnicast() && a.Is6() && a.Zone() == "":
		return "a link-local address without its interface (as in \"fe80::1%eth2\")"
	}
	return ""
}

// checkLinks compares the members' links: a label that only one member has connects
// nothing, and the ends of one network speak one IP version.
func (r *reader) checkLinks(shared *clusterSection) {
	if len(shared.members) < 2 {
		return
	}
	names := slices.Sorted(maps.Keys(shared.members))
	for _, name := range names {
		m := shared.members[name]
		for _, label := range slices.Sorted(maps.Keys(m.links)) {
			r.checkLink(m, label, names, shared)
		}
	}
}

func (r *reader) checkLink(m *memberSection, label string, names []string, shared *clusterSection) {
	var others []string
	found := false
	for _, name := range names {
		other := shared.members[name]
		if name == m.Name {
			continue
		}
		if _, ok := other.links[label]; !ok {
			others = append(others, slices.Sorted(maps.Keys(other.links))...)
			continue
		}
		mine, ok1 := m.Link(label)
		theirs, ok2 := other.Link(label)
		if ok1 && ok2 && m.Name < name && mine.Address.Is4() != theirs.Address.Is4() {
			r.failf(shared.linkAt[theirs.Address], fmt.Sprintf("link %q joins %s and %s", label, mine.Address, theirs.Address),
				"both ends of a link use the same IP version")
		} else if ok1 && ok2 && m.Name < name && mine.Address.IsLoopback() != theirs.Address.IsLoopback() {
			r.failf(shared.linkAt[theirs.Address], fmt.Sprintf("link %q joins %s and %s", label, mine.Address, theirs.Address),
				"a loopback address is heard on its own machine only: all members of a link have one, or none")
		}
		found = true
	}
	if found {
		return
	}
	remedy := fmt.Sprintf("give the other %s a link %q, or remove this one", plural(len(names)-1, "member"), label)
	if near := nearest(label, others); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	r.fail(m.links[label], fmt.Sprintf("link %q of member %q leads nowhere: no other member has it", label, m.Name), remedy)
}

func (r *reader) readNode(top section, f *File, shared *clusterSection) {
	name, at, ok := top.text("node", "fw1")
	if !ok {
		if !top.mentions("node") {
			r.fail(top.at, "node is missing", `write node = "NAME" with the name of the member that this node is`)
		}
		return
	}
	f.Node = name
	if len(shared.names) == 0 || slices.Contains(shared.names, name) {
		return
	}
	remedy := "the members are " + strings.Join(shared.names, ", ")
	if near := nearest(name, shared.names); near != "" {
		remedy += fmt.Sprintf("; did you mean %q?", near)
	}
	r.fail(at, fmt.Sprintf("node = %q is not a member of the cluster", name), remedy)
}

// checkName holds names to what is safe in paths, metric labels, tables and shells.
func (r *reader) checkName(what, name string, at hcl.Range) {
	if len(name) > nameSizeMax {
		r.failf(at, fmt.Sprintf("%s %q… is %d bytes long", what, name[:nameSizeMax], len(name)),
			"at most %d bytes", nameSizeMax)
		return
	}
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("-_.", c)) {
			r.failf(at, fmt.Sprintf("%s %q has %q in it", what, name, c),
				"use letters, digits, and after the first of them also - _ .")
			return
		}
	}
	if name == "" {
		r.failf(at, what+" is empty", "use letters, digits, and after the first of them also - _ .")
	}
}

// count gives "no member", "1 member", "3 members".
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
