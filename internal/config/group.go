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
)

// groupsOnly refuses keys that mean something with groups only.
func (r *reader) groupsOnly(s section, keys ...string) {
	for _, key := range keys {
		if a, ok := s.body.Attributes[key]; ok {
			r.failf(a.NameRange, fmt.Sprintf("%s has %s, which is for groups", s.place, key),
				"remove it, or write group \"NAME\" { … } in the place of firewall { … }")
		}
	}
}

// readVotes reads by what a member decides with others: a firewall by priority, groups by
// votes.
func (r *reader) readVotes(s section, m *memberSection) {
	if !r.groups {
		r.groupsOnly(s, "votes", "witness")
		m.Priority = uint8(s.whole("priority", 1, 254, PriorityDefault))
		return
	}
	if a, ok := s.body.Attributes["priority"]; ok {
		r.fail(a.NameRange, s.place+" has a priority, which is for a firewall", "groups decide by votes: write votes = 1, or leave it out")
	}
	m.Votes, m.Witness = uint8(s.whole("votes", 0, votesMax, 1)), s.flag("witness")
	if m.Witness && m.Votes == 0 && !s.spoilt("votes") {
		r.fail(s.body.Attributes["votes"].SrcRange, s.place+" is a witness without a vote", "a witness does nothing but vote: write votes = 1, or remove the member")
	}
}

// checkQuorum finds votes with which no group could ever go on.
func (r *reader) checkQuorum(s section, shared *clusterSection) {
	all, working, members := 0, 0, 0
	for _, m := range shared.members {
		all += int(m.Votes)
		if !m.Witness {
			working += int(m.Votes)
			members++
		}
	}
	need := all/2 + 1
	switch {
	case members == 0 && len(shared.members) > 0:
		r.fail(s.at, "every member of "+s.place+" is a witness", "somebody must do the work: remove witness = true at one at least")
	case working == 0 && len(shared.members) > 0:
		r.fail(s.at, "no member of "+s.place+" that is not a witness has a vote", "then nobody can decide who the members are: write votes = 1")
	case working < need:
		r.failf(s.at, fmt.Sprintf("the witnesses of %s have %d of %d votes", s.place, all-working, all),
			"%d are needed, and the members that do the work have %d even if all live: give witnesses fewer votes, or have more members", need, working)
	}
}

func (r *reader) readMulticast(s section, c *Cluster, shared *clusterSection) {
	blocks := s.blocks("multicast", 1)
	if len(blocks) > 0 && !r.groups {
		r.fail(blocks[0].DefRange(), "multicast is for groups", "remove the block: a pair has nobody to spare a copy")
		return
	}
	if len(blocks) > 0 && c.Transport == "tcp" {
		r.fail(blocks[0].DefRange(), `multicast with transport = "tcp"`, `write transport = "udp", or remove the block`)
	}
	if r.groups {
		r.checkLinkSets(shared)
	}
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		r.readMulticastBlock(b, c, shared, first)
	}
	slices.SortFunc(c.Multicast, func(a, b Multicast) int { return strings.Compare(a.Label, b.Label) })
}

// checkLinkSets holds that every member has every link: links are numbered in the order of
// their labels, and the numbers travel.
func (r *reader) checkLinkSets(shared *clusterSection) {
	where := map[string]string{}
	names := slices.Sorted(maps.Keys(shared.members))
	for _, name := range names {
		for label := range shared.members[name].links {
			if _, ok := where[label]; !ok {
				where[label] = name
			}
		}
	}
	for _, name := range names {
		m := shared.members[name]
		for _, label := range slices.Sorted(maps.Keys(where)) {
			if _, ok := m.links[label]; !ok && len(m.links) > 0 && len(shared.members[where[label]].links) > 1 {
				r.failf(m.at, fmt.Sprintf("member %q has no link %q, which member %q has", name, label, where[label]),
					"every member of a cluster with groups is on every link: add it here, or remove it there")
			}
		}
	}
}

func (r *reader) readMulticastBlock(b *hclsyntax.Block, c *Cluster, shared *clusterSection, first map[string]hcl.Range) {
	s := r.section(b)
	m := Multicast{Label: b.Labels[0]}
	if before, ok := first[m.Label]; ok {
		r.failf(b.LabelRanges[0], fmt.Sprintf("a second multicast %q", m.Label), "a link has one; the first is on line %d", before.Start.Line)
		return
	}
	first[m.Label] = b.DefRange()
	m.Port = uint16(s.whole("port", 1, 65535, int(c.Port)))
	labels := map[string]netip.Addr{}
	for _, name := range slices.Sorted(maps.Keys(shared.members)) {
		for _, l := range shared.members[name].Links {
			labels[l.Label] = l.Address
		}
	}
	if _, ok := labels[m.Label]; !ok && len(labels) > 0 {
		known := slices.Sorted(maps.Keys(labels))
		remedy := "the links are " + strings.Join(known, ", ")
		if near := nearest(m.Label, known); near != "" {
			remedy += fmt.Sprintf("; did you mean %q?", near)
		}
		r.fail(b.LabelRanges[0], fmt.Sprintf("multicast %q is for a link that no member has", m.Label), remedy)
	}
	text, at, ok := s.text("address", "239.192.0.1")
	if !ok {
		if !s.mentions("address") {
			r.fail(s.at, s.place+" has no address", `write address = "239.192.0.1", or another one that is free in your network`)
		}
		return
	}
	address, err := netip.ParseAddr(text)
	switch link := labels[m.Label]; {
	case err != nil:
		r.fail(at, fmt.Sprintf("address = %q is not an IP address", text), `write a multicast address of 239.0.0.0/8 without a port, as in address = "239.192.0.1"`)
	case !address.IsMulticast():
		r.fail(at, fmt.Sprintf("address = %q is not a multicast address", text), `take one of 239.0.0.0/8, or of ff12::/16 for IPv6, as in address = "239.192.0.1"`)
	case address.Zone() != "":
		r.failf(at, fmt.Sprintf("address = %q names an interface", text), "it is joined on the one that has the link's address: write address = %q", address.WithZone(""))
	case link.IsValid() && link.Is4() != address.Is4():
		r.failf(at, fmt.Sprintf("multicast %q has %s, and the link has %s", m.Label, address, link), "both are of the same IP version")
	case link.IsLoopback():
		r.fail(at, fmt.Sprintf("multicast %q on a loopback address", m.Label), "remove the block: the loopback interface has no multicast")
	default:
		m.Address = address
		c.Multicast = append(c.Multicast, m)
	}
}

func (r *reader) readGroups(top section, f *File) {
	blocks := top.blocks("group", 1)
	if len(blocks) > 0 && top.count("firewall") > 0 {
		r.fail(blocks[0].DefRange(), "a firewall and a group in one file", "write a file for each, with another port and another control socket: two daemons run then")
	}
	if len(blocks) > groupsMax {
		r.failf(blocks[groupsMax].DefRange(), fmt.Sprintf("%d groups", len(blocks)), "a process can be in %d", groupsMax)
	}
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		if before, ok := first[b.Labels[0]]; ok {
			r.failf(b.LabelRanges[0], fmt.Sprintf("a second group %q", b.Labels[0]), "names are unique; the first is on line %d", before.Start.Line)
			continue
		}
		first[b.Labels[0]] = b.DefRange()
		f.Groups = append(f.Groups, r.readGroup(b, f))
	}
	slices.SortFunc(f.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
}

func (r *reader) readGroup(b *hclsyntax.Block, f *File) Group {
	s := r.section(b)
	g := Group{Name: b.Labels[0]}
	r.checkName("group name", g.Name, b.LabelRanges[0])
	g.Partition = s.choice("partition", "primary", "all")
	g.Engine = s.choice("engine", "sequencer", "lamport", "isis")
	g.MessageMax = s.whole("message_max", 1, messageMax, messageMax)
	g.Stateful = s.flag("stateful")
	if self := f.Self(); g.Stateful && r.groups && self.Name != "" && !self.Witness {
		r.failf(s.body.Attributes["stateful"].SrcRange, fmt.Sprintf("%s has a state, and this node, %q, is not a witness", s.place, f.Node),
			"holdfast run keeps no application's state: run your program there, which imports the package holdfast, or write witness = true in the member block")
	}
	for _, b := range s.blocks("locks", 0) {
		g.Locks = r.readLocks(b, &g, s, f)
	}
	return g
}

// readLocks reads what makes a group a lock service.
func (r *reader) readLocks(b *hclsyntax.Block, g *Group, group section, f *File) *Locks {
	s := r.section(b)
	l := &Locks{Order: s.choice("order", "strict", "loose")}
	if text, at, ok := s.text("socket", "/run/holdfast/main.locks"); ok {
		l.Socket = text
		if !filepath.IsAbs(text) {
			r.fail(at, fmt.Sprintf("socket = %q is not an absolute path", text), `write socket = "/run/holdfast/main.locks"`)
		}
	} else if !s.mentions("socket") {
		l.Socket = filepath.Join(SocketFolder, g.Name+".locks")
	}
	if text, at, ok := s.text("data", "/var/lib/holdfast/main"); ok {
		l.Data = filepath.Clean(text)
		if !filepath.IsAbs(text) {
			r.fail(at, fmt.Sprintf("data = %q is not an absolute path", text), fmt.Sprintf(`write data = "/var/lib/holdfast/%s"`, g.Name))
		}
	}
	r.readStyle(s, l, f)
	r.readRecovery(s, l, g.Name)
	for _, key := range []string{"engine", "message_max", "stateful"} {
		if a, ok := group.body.Attributes[key]; ok {
			r.fail(a.NameRange, fmt.Sprintf("%s has locks and %s", group.place, key), "the lock service chooses it: remove the line")
		}
	}
	if g.Partition == "all" {
		r.fail(s.at, group.place+" has locks and partition = \"all\"", "two parts that go on apart would grant one lock twice: write partition = \"primary\"")
	}
	return l
}

// readStyle reads how a service is replicated.
func (r *reader) readStyle(s section, l *Locks, f *File) {
	l.Style = s.choice("style", "active", "passive", "voted", "pair", "checkpointed")
	a, given := s.body.Attributes["voters"]
	if at, ok := s.body.Attributes["alone"]; ok && l.Style != "pair" && !s.spoilt("style") {
		r.fail(at.NameRange, fmt.Sprintf("alone with style = %q, whose members are not two", l.Style), `remove the line, or write style = "pair"`)
	}
	if at, ok := s.body.Attributes["durability"]; ok && l.Style != "pair" && !s.spoilt("style") {
		r.fail(at.NameRange, fmt.Sprintf("durability with style = %q", l.Style), "remove the line: with data there is a log, and without there is none")
	}
	switch l.Style {
	case "checkpointed", "pair":
		r.readTwo(s, l, f)
	}
	if l.Style != "voted" {
		if given && !s.spoilt("style") {
			r.fail(a.NameRange, fmt.Sprintf("voters with style = %q, which has none", l.Style), `remove the line, or write style = "voted"`)
		}
		return
	}
	l.Voters = s.whole("voters", 2, groupMembersMax, votersDefault)
	workers := 0
	for i := range f.Cluster.Members {
		if !f.Cluster.Members[i].Witness {
			workers++
		}
	}
	switch {
	case workers == 0 || s.spoilt("voters"): // said already
	case given && l.Voters > workers:
		r.failf(a.SrcRange, fmt.Sprintf("voters = %d, and %d %s the state", l.Voters, workers, verb(workers)),
			"write a number up to that, or have more members that are no witnesses")
	case !given && workers < votersDefault:
		r.failf(s.body.Attributes["style"].SrcRange, fmt.Sprintf("style = \"voted\", and %d %s the state", workers, verb(workers)),
			"it takes %d to decide who is wrong: have more members that are no witnesses, or write voters = 2, with which a difference stops the service", votersDefault)
	}
}

// readTwo reads what is said of two servers.
func (r *reader) readTwo(s section, l *Locks, f *File) {
	var workers, witnesses []string
	for i := range f.Cluster.Members {
		if m := &f.Cluster.Members[i]; m.Witness {
			witnesses = append(witnesses, m.Name)
		} else {
			workers = append(workers, m.Name)
		}
	}
	if len(workers) == 0 {
		return // said already
	}
	at := s.body.Attributes["style"].SrcRange
	if len(workers) != 2 {
		r.fail(at, fmt.Sprintf(`style = %q, and %s the state`, l.Style, verb(len(workers))), "it is one of two servers: have two, and at most a witness, or choose another style")
		return
	}
	if l.Style == "checkpointed" {
		if l.Data == "" {
			r.fail(at, `style = "checkpointed" without data`, `write data = "/srv/both/NAME": the directory that both servers reach`)
		}
		if len(witnesses) > 0 {
			r.fail(at, fmt.Sprintf(`style = "checkpointed", and %s is a witness`, witnesses[0]), "the store decides who serves: remove the member")
		}
		return
	}
	if l.Data == "" {
		r.fail(at, `style = "pair" without data`, `write data = "/var/lib/holdfast/NAME": there a server keeps what it executes, and a witness whom it let go on alone`)
	}
	l.Durability = s.choice("durability", "log", "memory")
	standard := ""
	if len(witnesses) == 1 {
		standard = "witness"
	}
	text, where, given := s.text("alone", "witness")
	if l.Alone = standard; given {
		l.Alone = text
	}
	prefers := l.Alone == "prefer "+workers[0] || l.Alone == "prefer "+workers[1]
	example := fmt.Sprintf(`write "prefer %s", "prefer %s" or "freeze"`, workers[0], workers[1])
	switch {
	case l.Alone == "":
		r.fail(at, `style = "pair", and nothing says which server goes on alone when they do not hear one another`,
			fmt.Sprintf(`write alone = "prefer %s" or alone = "freeze", or have a witness in the cluster`, workers[0]))
	case l.Alone == "witness" && len(witnesses) != 1:
		r.fail(where, fmt.Sprintf(`alone = "witness", and the cluster has %d`, len(witnesses)), "have one, or "+example)
	case l.Alone == "witness":
	case !prefers && l.Alone != "freeze":
		r.fail(where, fmt.Sprintf("alone = %q is not known", l.Alone), example+`, or "witness" if there is one`)
	case len(witnesses) > 0:
		r.fail(where, fmt.Sprintf("alone = %q, and nobody asks the witness %s", l.Alone, witnesses[0]), `remove the line, or the member`)
	}
}

// verb follows the number of members that have something.
func verb(n int) string {
	return plural(n, "member") + map[bool]string{true: " has", false: " have"}[n == 1]
}

// readRecovery reads from what a lock service that is lost begins again.
func (r *reader) readRecovery(s section, l *Locks, name string) {
	given := func(key string) (hcl.Range, bool) {
		a, is := s.body.Attributes[key]
		if !is {
			return hcl.Range{}, false
		}
		return a.SrcRange, true
	}
	_, kept := given("data")
	kept = kept && l.Durability != "memory"
	at, said := given("recovery")
	if l.Recovery = s.choice("recovery", "clients", "log"); kept && !said {
		l.Recovery = "log"
	}
	switch {
	case !said || s.spoilt("recovery"):
	case l.Recovery == "log" && l.Durability == "memory":
		r.fail(at, `recovery = "log" with durability = "memory"`, "there is no log: remove one of the two lines")
	case l.Recovery == "log" && !kept:
		r.fail(at, `recovery = "log" without data`, fmt.Sprintf(`there is no log: write data = "/var/lib/holdfast/%s", or recovery = "clients"`, name))
	case l.Recovery == "clients" && kept:
		r.fail(at, `recovery = "clients" with data`, `what clients say is for a service that keeps nothing: write recovery = "log", or remove data`)
	}
	most := leaseMax
	if l.Recovery == "clients" {
		l.Window, _ = s.duration("window", windowMin, leaseMax, WindowDefault)
		most = l.Window
	} else if at, is := given("window"); is {
		r.fail(at, `window with recovery = "log"`, "the log tells who held what, and nobody is asked: remove the line")
	}
	var where hcl.Range
	if l.LeaseMax, where = s.duration("lease_max", leaseMin, leaseMax, most); l.LeaseMax > most {
		r.failf(where, fmt.Sprintf("window = %q is shorter than lease_max = %q", spell(l.Window), spell(l.LeaseMax)),
			"after the window a lock is granted to others, and who has such a lease may still believe to hold it: write window = %q, or lease_max = %q", spell(l.LeaseMax), spell(l.Window))
	}
}

// plural gives "member" or "members".
func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
