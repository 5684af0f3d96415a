package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzParse holds that no file is harmful: Parse ends, with a whole file or with
// diagnostics that point into the source and can be printed.
func FuzzParse(f *testing.F) {
	good, err := os.ReadFile("testdata/good.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	group, err := os.ReadFile("testdata/group.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(group)
	locks, err := os.ReadFile("testdata/locks.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(locks)
	broken, err := filepath.Glob("testdata/broken/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range broken {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "----") {
			f.Add([]byte(part))
		}
	}
	f.Add([]byte(`node = "${a["b"]}" cluster "" {`))
	f.Add([]byte("node = <<EOT\nfw1\nEOT\ncluster \"a\" {\n port = -1e9999\n heartbeat = \"1\u00b5s\"\n}\n"))
	f.Add([]byte("firewall {\n address \"::ffff:192.0.2.1/120\" {}\n ignore = [null, 1, [], {}]\n track = true\n}"))
	f.Add(bytes.Repeat([]byte("("), 1000))
	f.Fuzz(func(t *testing.T, src []byte) {
		began := time.Now()
		file, diags := Parse(src, "fuzz.hcl")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if (file == nil) != diags.HasErrors() {
			t.Fatalf("file %v with %d diagnostics", file != nil, len(diags))
		}
		if len(diags) > diagnosticsMax+1 {
			t.Errorf("%d diagnostics", len(diags))
		}
		var out bytes.Buffer
		if err := Print(&out, diags); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Bytes() {
			if c < ' ' && c != '\n' || c == 0x7f {
				t.Errorf("printed a control character: %q", out.String())
				break
			}
		}
		if file == nil {
			if out.Len() == 0 {
				t.Error("refused without a word")
			}
			return
		}
		checkFile(t, file)
	})
}

// checkFile holds what every accepted file promises.
func checkFile(t *testing.T, f *File) {
	c := &f.Cluster
	if f.Self().Name != f.Node || (len(f.Groups) > 0) == (len(f.Firewall.Addresses) > 0) {
		t.Errorf("accepted %+v", f)
	}
	if c.SuspectAfter < suspectHeartbeats*c.Heartbeat || c.Heartbeat < heartbeatMin {
		t.Errorf("timing %v, %v", c.Heartbeat, c.SuspectAfter)
	}
	if (c.KeyFile == "") != c.Insecure {
		t.Errorf("key %q, insecure %v", c.KeyFile, c.Insecure)
	}
	twin := *f
	twin.Node = c.Members[0].Name
	if f.Fingerprint() != twin.Fingerprint() {
		t.Error("the fingerprint depends on which node it is")
	}
	if len(f.Groups) > 0 {
		checkGroups(t, f)
		return
	}
	if len(c.Members) != 2 {
		t.Errorf("a firewall of %d", len(c.Members))
	}
	for i, m := range c.Members {
		if int(m.ID) != i+1 || m.Priority < 1 || m.Priority > 254 || len(m.Links) == 0 {
			t.Errorf("member %+v", m)
		}
		for _, l := range m.Links {
			other, ok := c.Members[1-i].Link(l.Label)
			if !ok || other.Address == l.Address {
				t.Errorf("link %+v of %s leads to %+v", l, m.Name, other)
			}
		}
	}
}

// checkGroups holds what every accepted file with groups promises.
func checkGroups(t *testing.T, f *File) {
	all, working := 0, 0
	for i, m := range f.Cluster.Members {
		if int(m.ID) != i+1 || len(m.Links) == 0 || len(m.Links) != len(f.Cluster.Members[0].Links) || m.Priority != 0 {
			t.Errorf("member %+v", m)
		}
		all += int(m.Votes)
		if !m.Witness {
			working += int(m.Votes)
		}
	}
	if working < all/2+1 || len(f.Cluster.Members) > groupMembersMax {
		t.Errorf("%d of %d votes, %d members", working, all, len(f.Cluster.Members))
	}
	for _, m := range f.Cluster.Multicast {
		if !m.Address.IsMulticast() || m.Port == 0 || f.Cluster.Transport != "udp" {
			t.Errorf("multicast %+v over %s", m, f.Cluster.Transport)
		}
	}
	for _, g := range f.Groups {
		if g.Name == "" || g.MessageMax < 1 || g.MessageMax > messageMax || g.Stateful && !f.Self().Witness {
			t.Errorf("group %+v", g)
		}
	}
}
