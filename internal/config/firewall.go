package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func (r *reader) readFirewall(s section, f *Firewall, shared *clusterSection) {
	f.Inject = Inject(s.choice("inject", string(Continuous), string(AtTakeover)))
	f.Preempt = s.flag("preempt")
	f.Coalesce, _ = s.duration("coalesce", 0, coalesceMax, CoalesceDefault)
	f.MaxFlows = s.whole("max_flows", flowsMin, flowsMax, MaxFlowsDefault)

	first := map[netip.Addr]hcl.Range{}
	blocks := s.blocks("address", 1)
	for _, b := range blocks {
		r.readAddress(b, f, shared, first)
	}
	switch {
	case len(blocks) == 0 && !s.mentions("address"):
		r.fail(s.at, "block firewall has no address", `write address "192.0.2.1/24" { interface = "eth0" }`)
	case len(blocks) > addressesMax:
		r.failf(blocks[addressesMax].DefRange(), fmt.Sprintf("%d addresses", len(blocks)),
			"at most %d are moved in one takeover", addressesMax)
	}
	slices.SortFunc(f.Addresses, func(a, b Address) int { return a.Prefix.Compare(b.Prefix) })
	r.readTrack(s, f)
	r.readIgnore(s, f)
}

func (r *reader) readAddress(b *hclsyntax.Block, f *Firewall, shared *clusterSection, first map[netip.Addr]hcl.Range) {
	s := r.section(b)
	at := b.LabelRanges[0]
	device, deviceAt, given := s.text("interface", "eth0")
	if !s.mentions("interface") {
		r.failf(s.at, s.place+" has no interface", "write interface = %q with where this node adds it", "eth0")
	}
	if given && !r.checkInterface("interface", device, deviceAt) {
		given = false
	}
	prefix, ok := r.virtualAddress(b.Labels[0], at)
	if !ok {
		return
	}
	address := prefix.Addr()
	if before, ok := first[address]; ok {
		r.failf(at, fmt.Sprintf("a second address %s", address), "an address is held once; the first is on line %d", before.Start.Line)
		return
	}
	first[address] = at
	if owner, ok := shared.linkOf[address]; ok {
		r.failf(at, fmt.Sprintf("address %s is the address of %s", address, owner),
			"a link address stays with its node, a virtual address moves: use another one for the service")
		return
	}
	if given {
		f.Addresses = append(f.Addresses, Address{Prefix: prefix, Interface: device})
	}
}

// virtualAddress reads an address with the length of its network.
func (r *reader) virtualAddress(text string, at hcl.Range) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		remedy := `write an address with the length of its network, as in "192.0.2.1/24"`
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			remedy = fmt.Sprintf("write %q, or with the length that network has", text+"/24")
		} else if err == nil {
			remedy = fmt.Sprintf("write %q, or with the length that network has", a.WithZone("").String()+"/64")
		}
		summary := fmt.Sprintf("address %q is not an address with prefix length", text)
		r.fail(at, summary, remedy)
		return prefix, false
	}
	kind := unusable(prefix.Addr())
	if prefix.Addr().IsLinkLocalUnicast() {
		kind = "" // its interface is named in the block
	}
	switch {
	case kind != "":
	case prefix.Bits() == 0:
		kind = "every address"
	case prefix.Addr().Is4() && prefix.Bits() < 31 && prefix.Addr() == prefix.Masked().Addr():
		kind = "a network, not an address in it"
	case prefix.Addr().Is4() && prefix.Bits() < 31 && prefix.Addr() == broadcastOf(prefix):
		kind = "the broadcast address of its network"
	}
	if kind != "" {
		r.failf(at, fmt.Sprintf("address %q is %s", text, kind), "write a unicast address that clients use, as in %q", "192.0.2.1/24")
		return prefix, false
	}
	return prefix, true
}

func broadcastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func (r *reader) readTrack(s section, f *Firewall) {
	list, given := s.texts("track", "eth0", trackMax)
	if !given {
		for _, a := range f.Addresses {
			f.Track = append(f.Track, a.Interface)
		}
		slices.Sort(f.Track)
		f.Track = slices.Compact(f.Track)
		return
	}
	for _, p := range list {
		if !r.checkInterface("track", p.text, p.at) {
			continue
		}
		if slices.Contains(f.Track, p.text) {
			r.failf(p.at, fmt.Sprintf("track names %q twice", p.text), "remove one of them")
			continue
		}
		f.Track = append(f.Track, p.text)
	}
	slices.Sort(f.Track)
}

func (r *reader) readIgnore(s section, f *Firewall) {
	list, _ := s.texts("ignore", "198.51.100.0/24", ignoreMax)
	for _, p := range list {
		prefix, err := netip.ParsePrefix(p.text)
		if err != nil {
			remedy := `write networks with their length, as in ignore = ["198.51.100.0/24"]`
			if a, err := netip.ParseAddr(p.text); err == nil && a.Zone() == "" {
				remedy = fmt.Sprintf("write %q for this address alone", netip.PrefixFrom(a, a.BitLen()))
			}
			r.fail(p.at, fmt.Sprintf("ignore: %q is not a network", p.text), remedy)
			continue
		}
		switch {
		case prefix.Bits() == 0:
			r.failf(p.at, fmt.Sprintf("ignore: %q is every address", p.text), "nothing would be replicated; name the networks to leave out")
		case prefix != prefix.Masked():
			r.failf(p.at, fmt.Sprintf("ignore: %q has bits set beyond its length", p.text), "did you mean %q?", prefix.Masked())
		case slices.Contains(f.Ignore, prefix):
			r.failf(p.at, fmt.Sprintf("ignore names %q twice", p.text), "remove one of them")
		default:
			f.Ignore = append(f.Ignore, prefix)
		}
	}
}

// checkInterface holds a name to what the kernel allows (dev_valid_name).
func (r *reader) checkInterface(key, name string, at hcl.Range) bool {
	switch {
	case name == "":
		r.failf(at, key+" is empty", "write the name of an interface of this node, as in %q", "eth0")
	case len(name) > interfaceNameMax:
		r.failf(at, fmt.Sprintf("%s: %q is %d bytes long", key, shorten(name), len(name)), "names of interfaces have at most %d", interfaceNameMax)
	case name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r"):
		r.failf(at, fmt.Sprintf("%s: %q cannot be the name of an interface", key, name), "see `ip link` for the names on this node")
	default:
		return true
	}
	return false
}

func shorten(s string) string {
	if len(s) > nameSizeMax {
		return s[:nameSizeMax] + "…"
	}
	return s
}

// choice gives one of some words, or the first of them.
func (s section) choice(name string, words ...string) string {
	text, at, ok := s.text(name, words[0])
	if !ok || slices.Contains(words, text) {
		if ok {
			return text
		}
		return words[0]
	}
	remedy := "write one of " + strings.Join(words, ", ")
	if near := nearest(text, words); near != "" {
		remedy = fmt.Sprintf("did you mean %q? It is one of %s", near, strings.Join(words, ", "))
	}
	s.fail(at, fmt.Sprintf("%s = %q is not known", name, shorten(text)), remedy)
	return words[0]
}

func (r *reader) readControl(top section, f *File) {
	f.Control.Socket = filepath.Join(SocketFolder, f.Cluster.Name+".sock")
	found := top.blocks("control", 0)
	if len(found) == 0 {
		return
	}
	path, at, ok := r.section(found[0]).text("socket", f.Control.Socket)
	if !ok {
		return
	}
	switch {
	case !filepath.IsAbs(path):
		r.failf(at, fmt.Sprintf("socket = %q is not an absolute path", path), "write socket = %q", filepath.Join(SocketFolder, filepath.Base(path)))
	case len(path) > socketPathMax:
		r.failf(at, fmt.Sprintf("socket = %q is %d bytes long", shorten(path), len(path)), "the kernel allows %d", socketPathMax)
	}
	f.Control.Socket = path
}

func (r *reader) readLog(top section, l *Log) {
	l.Level, l.Format = "info", "auto"
	found := top.blocks("log", 0)
	if len(found) == 0 {
		return
	}
	s := r.section(found[0])
	l.Level = s.choice("level", "info", "debug", "warn", "error")
	l.Format = s.choice("format", "auto", "text", "json")
}
