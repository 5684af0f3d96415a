package config

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLoadFillsEveryDefault(t *testing.T) {
	f, diags := Load("testdata/good.hcl")
	if diags.HasErrors() {
		t.Fatalf("Load: %v", diags)
	}
	want := &File{
		Path: "testdata/good.hcl",
		Node: "fw1",
		Cluster: Cluster{
			Name: "edge", KeyFile: "/etc/holdfast/edge.key", Port: 7946,
			Heartbeat: 10 * time.Millisecond, SuspectAfter: 50 * time.Millisecond,
			Members: []Member{
				{ID: 1, Name: "fw1", Priority: 150, Links: []Link{
					{"lan", netip.MustParseAddr("192.0.2.2")}, {"sync", netip.MustParseAddr("198.51.100.1")}}},
				{ID: 2, Name: "fw2", Priority: 100, Links: []Link{
					{"lan", netip.MustParseAddr("192.0.2.3")}, {"sync", netip.MustParseAddr("198.51.100.2")}}},
			},
		},
		Firewall: Firewall{
			Inject: Continuous, Coalesce: 2 * time.Millisecond, MaxFlows: 262144,
			Track: []string{"eth0", "eth1"},
			Addresses: []Address{
				{netip.MustParsePrefix("192.0.2.1/24"), "eth0"},
				{netip.MustParsePrefix("2001:db8:1::1/64"), "eth1"},
			},
			Ignore: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		},
		Control: Control{Socket: "/run/holdfast/edge.sock"},
		Log:     Log{Level: "info", Format: "auto"},
	}
	if diff := cmp.Diff(want, f, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if self, peers := f.Self(), f.Peers(); self.Name != "fw1" || len(peers) != 1 || peers[0].Name != "fw2" {
		t.Errorf("Self, Peers: %v, %v", self, peers)
	}
	if f.Cluster.NameOf(2) != "fw2" || f.Cluster.NameOf(0) != "" || f.Cluster.NameOf(3) != "" {
		t.Errorf("NameOf: %q %q %q", f.Cluster.NameOf(2), f.Cluster.NameOf(0), f.Cluster.NameOf(3))
	}
	if _, ok := f.Self().Link("wan"); ok {
		t.Error("Link: found a label that is not there")
	}
}

// A pair in memory has a directory and no log: what it has lost its clients know.
func TestAPairRecoversFromItsClients(t *testing.T) {
	const text = `node = "a"
cluster "shop" {
  key_file = "/etc/holdfast/key"
  member "a" {
    link "lan" { address = "192.0.2.1" }
  }
  member "b" {
    link "lan" { address = "192.0.2.2" }
  }
}
group "locks" {
  locks {
    style = "pair"
    alone = "prefer a"
    data  = "/var/lib/holdfast/locks"
    durability = "memory"
  }
}
`
	f, diags := Parse([]byte(text), "locks.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if l := f.Groups[0].Locks; l.Recovery != "clients" || l.Window != WindowDefault || l.LeaseMax != WindowDefault {
		t.Errorf("it recovers from %s, in a window of %v, with leases up to %v", l.Recovery, l.Window, l.LeaseMax)
	}
	_, diags = Parse([]byte(strings.Replace(text, "alone", `recovery = "log"
    alone`, 1)), "locks.hcl")
	if !strings.Contains(diags.Error(), "there is no log") {
		t.Errorf("a log that there is not: %v", diags)
	}
	if f, diags = Parse([]byte(strings.Replace(text, `durability = "memory"`, "", 1)), "locks.hcl"); diags.HasErrors() || f.Groups[0].Locks.Recovery != "log" {
		t.Errorf("with a log: %v", diags)
	}
}

func TestLoadReadsAStyle(t *testing.T) {
	f, diags := Load("testdata/locks.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if l := f.Groups[0].Locks; l.Order != "loose" || l.Data != "/var/lib/holdfast/locks" || l.Style != "voted" || l.Voters != 3 {
		t.Errorf("the lock service is %+v", l)
	}
	if line := "locks order loose style voted voters 3 recovery log"; !strings.Contains(f.Agreement(), line) {
		t.Errorf("the agreement has no %q: %s", line, f.Agreement())
	}
	text, err := os.ReadFile("testdata/locks.hcl")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("style ", "#", "voters", "#", "order ", "#", "data ", "#").Replace(string(text))
	if f, diags = Parse([]byte(plain), "locks.hcl"); diags.HasErrors() || f.Groups[0].Locks.Style != "active" || f.Groups[0].Locks.Voters != 0 {
		t.Errorf("without a word it is %+v, %v", f, diags)
	}
}

func TestLoadFillsEveryDefaultOfAGroup(t *testing.T) {
	f, diags := Load("testdata/group.hcl")
	if diags.HasErrors() {
		t.Fatalf("Load: %v", diags)
	}
	links := func(n string) []Link {
		return []Link{{"lan", netip.MustParseAddr("192.0.2." + n)}, {"sync", netip.MustParseAddr("198.51.100." + n)}}
	}
	want := &File{
		Path: "testdata/group.hcl", Node: "w",
		Cluster: Cluster{
			Name: "shop", KeyFile: "/etc/holdfast/shop.key", Port: 7946, Transport: "udp",
			Heartbeat: 50 * time.Millisecond, SuspectAfter: 500 * time.Millisecond,
			Members: []Member{
				{ID: 1, Name: "a", Votes: 1, Links: links("1")}, {ID: 2, Name: "b", Votes: 1, Links: links("2")},
				{ID: 3, Name: "w", Votes: 1, Witness: true, Links: links("3")},
			},
			Multicast: []Multicast{{"sync", netip.MustParseAddr("239.192.0.1"), 7946}},
		},
		Groups:  []Group{{Name: "orders", Partition: "primary", Engine: "sequencer", MessageMax: 1 << 20, Stateful: true}},
		Control: Control{Socket: "/run/holdfast/shop.sock"},
		Log:     Log{Level: "info", Format: "auto"},
	}
	if diff := cmp.Diff(want, f, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	agreement := f.Agreement()
	for _, line := range []string{`member "w" votes 1 witness true`, "transport udp insecure false", `group "orders" partition primary engine sequencer message_max 1048576 stateful true`} {
		if !strings.Contains(agreement, line+"\n") {
			t.Errorf("the agreement has no line %s:\n%s", line, agreement)
		}
	}
}

// TestFingerprint holds the line between what nodes must share and what they may not.
func TestFingerprint(t *testing.T) {
	src, err := os.ReadFile("testdata/good.hcl")
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := func(old, new string) uint32 {
		t.Helper()
		text := strings.Replace(string(src), old, new, 1)
		if text == string(src) && old != "" {
			t.Fatalf("%q is not in the file", old)
		}
		f, diags := Parse([]byte(text), "good.hcl")
		if diags.HasErrors() {
			t.Fatalf("%s -> %s: %v", old, new, diags)
		}
		return f.Fingerprint()
	}
	base := fingerprint("", "")
	for _, c := range []struct {
		old, new string
		shared   bool
	}{
		{`node = "fw1"`, `node = "fw2"`, false},
		{`edge.key`, `other.key`, false},
		{`interface = "eth0"`, `interface = "wan"`, false},
		{`ignore = [`, `coalesce = "5ms"` + "\n ignore = [", false},
		{`ignore = [`, `track = []` + "\n ignore = [", false},
		{`ignore = [`, `max_flows = 2048` + "\n ignore = [", false},
		{`"203.0.113.0/24"`, `"203.0.113.0/25"`, false},
		{`firewall {`, "log { level = \"debug\" }\ncontrol { socket = \"/run/s\" }\nfirewall {", false},
		{`cluster "edge"`, `cluster "rim"`, true},
		{`priority = 150`, `priority = 151`, true},
		{`"198.51.100.2"`, `"198.51.100.3"`, true},
		{`member "fw2"`, `member "fw3"`, true},
		{`key_file`, "heartbeat = \"11ms\"\nkey_file", true},
		{`key_file`, "suspect_after = \"60ms\"\nkey_file", true},
		{`key_file`, "port = 7947\nkey_file", true},
		{`192.0.2.1/24`, `192.0.2.1/25`, true},
		{`ignore = [`, `preempt = true` + "\n ignore = [", true},
		{`ignore = [`, `inject = "takeover"` + "\n ignore = [", true},
	} {
		if got := fingerprint(c.old, c.new); (got != base) != c.shared {
			t.Errorf("%s -> %s: fingerprint changed %v, want %v", c.old, c.new, got != base, c.shared)
		}
	}
	// A change here separates running pairs of different versions: it is made by raising
	// agreementVersion, and told in the CHANGELOG.
	if base != 0xab46f3db {
		t.Errorf("fingerprint of testdata/good.hcl is %08x", base)
	}
}

func TestLoadUnreadable(t *testing.T) {
	for _, path := range []string{"testdata/absent.hcl", t.TempDir()} {
		f, diags := Load(path)
		if f != nil || !diags.HasErrors() {
			t.Errorf("Load(%q) = %v, %v; want an error", path, f, diags)
		}
		var b strings.Builder
		if err := Print(&b, diags); err != nil || !strings.Contains(b.String(), path) {
			t.Errorf("Print: %q, %v; want the path", b.String(), err)
		}
	}
}
