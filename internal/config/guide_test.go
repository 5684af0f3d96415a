package config

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestGuide holds that docs/guides/configuration.md explains every key and block, that
// the shape knows every field, and that the guide's example works.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/guides/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	for _, w := range fileShape.words() {
		want := "| `" + w.text + "` |"
		if w.block {
			want = "# `" + w.text
		}
		if !strings.Contains(guide, want) {
			t.Errorf("docs/guides/configuration.md does not explain %s: it has no %q", w.text, want)
		}
	}
	rows := 0
	for line := range strings.Lines(guide) {
		if strings.HasPrefix(line, "| `") {
			rows++
		}
	}
	if keys := countKeys(fileShape); rows != keys {
		t.Errorf("docs/guides/configuration.md explains %d keys, the file has %d", rows, keys)
	}
	_, example, _ := strings.Cut(guide, "```hcl\n")
	example, _, _ = strings.Cut(example, "```")
	if _, diags := Parse([]byte(example), "example.hcl"); diags.HasErrors() || example == "" {
		t.Errorf("the guide's example: %v", diags)
	}
}

func countKeys(s *shape) int {
	n := len(s.keys)
	for _, b := range s.blocks {
		n += countKeys(b)
	}
	return n
}

// TestShapeKnowsEveryField pairs the fields of the result with what may be written, so
// that a new field cannot be forgotten in the shape, and thereby in the guide.
func TestShapeKnowsEveryField(t *testing.T) {
	written := map[string]string{ // what is not simply the field's name
		"File.Path": "", "Member.ID": "", // not written
		"Cluster.Name": "", "Member.Name": "", "Link.Label": "", "Address.Prefix": "", // labels
		"Cluster.Members": "member", "Member.Links": "link", "Firewall.Addresses": "address",
		"Group.Name": "", "Multicast.Label": "", "File.Groups": "group",
	}
	known := map[string]bool{}
	for _, w := range fileShape.words() {
		known[w.text] = true
	}
	for _, value := range []any{File{}, Cluster{}, Member{}, Link{}, Multicast{}, Group{}, Locks{}, Firewall{}, Address{}, Control{}, Log{}} {
		kind := reflect.TypeOf(value)
		for i := range kind.NumField() {
			field := kind.Name() + "." + kind.Field(i).Name
			word, special := written[field]
			if !special {
				word = snake(kind.Field(i).Name)
			}
			if word != "" && !known[word] {
				t.Errorf("%s: no key or block %q in the shape", field, word)
			}
		}
	}
}

// snake gives suspect_after for SuspectAfter.
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if c >= 'A' && c <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// TestPair holds that what init writes works, for each node, and agrees.
func TestPair(t *testing.T) {
	p := &Pair{
		Cluster: "edge", Nodes: [2]string{"fw1", "fw2"}, KeyFile: "/etc/holdfast/edge.key",
		Links:     []PairLink{{"sync", [2]string{"198.51.100.1", "198.51.100.2"}}},
		Addresses: []PairAddress{{"192.0.2.1/24", "eth0"}, {"2001:db8::1/64", "eth1"}},
	}
	var files [2]*File
	for i, node := range p.Nodes {
		f, diags := Parse([]byte(p.Text(node)), node+".hcl")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if f.Node != node || len(f.Firewall.Addresses) != 2 {
			t.Errorf("%s: %+v", node, f)
		}
		files[i] = f
	}
	if files[0].Agreement() != files[1].Agreement() {
		t.Errorf("the nodes disagree:\n%s\n%s", files[0].Agreement(), files[1].Agreement())
	}
	folder := t.TempDir()
	written, err := p.Write(folder)
	if err != nil || len(written) != 3 {
		t.Fatalf("Write = %v, %v", written, err)
	}
	before, err := os.ReadFile(written[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(written[0]); err != nil {
		t.Fatal(err)
	}
	if again, err := p.Write(folder); err == nil {
		t.Errorf("Write over files = %v", again)
	}
	if _, err := os.Stat(written[0]); err == nil {
		t.Error("a refused Write wrote something")
	}
	if after, _ := os.ReadFile(written[2]); !bytes.Equal(before, after) {
		t.Error("a refused Write changed the key")
	}
}
