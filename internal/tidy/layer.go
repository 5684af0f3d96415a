package tidy

import (
	"fmt"
	"slices"
	"strings"
)

// layer is one floor of the house. A package belongs to the first layer that has a
// pattern for it.
type layer struct {
	name     string
	packages []string // paths; a trailing /... takes everything below too
	imports  []string // names of the layers it may import; its own is not among them unless named
	pure     bool     // a deterministic machine or a word: no I/O, clock, goroutine, randomness
	external []string // modules of others it may import; "*" for any, none for none
	deny     []string // standard packages it may not import, with what is below them
	never    string   // why, and what to do instead
}

// words are the packages every other may use. Each may import those before it.
var words = []string{
	"protocol/view", "protocol/clock", "protocol/ecc", "protocol/quorum", "protocol/wire", "protocol/trace",
	"protocol/session", "protocol/journal", "protocol/replica", "protocol/job",
}

// pureDeny is what a pure package may not import from the standard library.
var pureDeny = []string{
	"net", "os", "sync", "context", "log", "crypto/rand", "syscall", "io/fs", "io/ioutil", "runtime", "plugin", "unsafe", "testing",
}

// pureAllow is what it may import all the same: below a denied package, but pure.
var pureAllow = []string{"net/netip"}

const machineNever = "a machine does no I/O; take the bytes in Receive and put frames in Output"

// layers is the whole house, top floor last. docs/style.md draws it.
var layers = []layer{
	{
		name: "word", packages: words, pure: true, deny: pureDeny,
		never: "a word is a small noun without I/O that every layer may use; keep it to values and their encodings",
	},
	{
		name: "service word", packages: []string{"service/firewall/flow"}, imports: []string{"word"}, pure: true, deny: pureDeny,
		never: "a service's word is a value and its encoding; leave kernel and sockets to internal/edge",
	},
	{
		name: "stack", packages: []string{"protocol/stack/..."}, imports: []string{"machine", "word", "stack"},
		pure: true, deny: pureDeny, external: []string{"github.com/cespare/xxhash/v2"},
		never: "the stack wires machines and does no I/O; let internal/driver own sockets and time",
	},
	{
		name: "machine", packages: []string{"protocol/..."}, imports: []string{"word"}, pure: true, deny: pureDeny,
		external: []string{"github.com/cespare/xxhash/v2"}, never: machineNever,
	},
	{
		name: "check", packages: []string{"check/..."}, imports: []string{"word", "check"}, pure: true, deny: pureDeny,
		external: []string{"github.com/anishathalye/porcupine"},
		never:    "a checker knows a promise and a history, never the implementation; read trace events",
	},
	{
		name: "service", packages: []string{"service/..."}, imports: []string{"word", "service word"}, pure: true, deny: pureDeny,
		external: []string{"github.com/cespare/xxhash/v2"},
		never:    "a service is a pure state machine; leave kernel and sockets to internal/edge",
	},
	{
		name: "fence", packages: []string{"guard/fence"}, pure: true, deny: pureDeny,
		never: "what a guard decides is a value; what waits and what writes is package guard's",
	},
	{
		name: "guard", packages: []string{"guard/..."}, imports: []string{"fence"}, deny: []string{"log"},
		never: "a guard stands at the user's resource, with the standard library alone: whoever guards a thing need not run the lock service",
	},
	{
		name: "peers", packages: []string{"lock/peers/..."}, imports: []string{"library", "client", "machine", "service", "word"},
		never: "peers are clients of their own replicas: the library for the group, a machine for what is agreed, and the client's side",
	},
	{
		name: "client", packages: []string{"client/...", "lock/..."}, imports: []string{"client", "machine", "service", "service word", "word"},
		never: "a client is what programs import that use a service: the machine of protocol/call, the service's own words, and sockets",
	},
	{
		name: "sim", packages: []string{"internal/sim/..."}, imports: []string{"sim", "stack", "machine", "check", "service", "service word", "fence", "word"},
		pure: true, deny: pureDeny,
		never: "the simulator runs in virtual time on one thread; model the thing, do not touch it",
	},
	{
		name: "edge", packages: []string{"internal/edge/...", "internal/key/..."}, imports: []string{"word", "service word", "edge"},
		external: []string{"*"}, deny: []string{"log"},
		never: "an edge touches the kernel and knows no machine; declare what you need as an interface in the package that uses it",
	},
	{
		name: "driver", packages: []string{"internal/driver/..."},
		imports:  []string{"driver", "stack", "machine", "service", "service word", "word", "check"},
		external: []string{"*"},
		never:    "the driver knows the stack, and edges only through interfaces it declares itself",
	},
	{
		name: "tidy", packages: []string{"internal/tidy/...", "internal/script/..."},
		imports: []string{"tidy"}, external: []string{"*"},
		never: "a tool over the source needs nothing of what it judges",
	},
	{
		name: "library", packages: []string{"."},
		imports:  []string{"driver", "edge", "stack", "machine", "service", "service word", "word"},
		external: []string{"*"},
		never:    "what a Go program imports must not pull in the daemon or the simulator",
	},
	{
		name:     "daemon",
		packages: []string{"internal/daemon/...", "internal/control/...", "internal/console/...", "internal/config/...", "internal/demo/...", "internal/lab/..."},
		imports:  []string{"daemon", "library", "driver", "edge", "stack", "machine", "service", "service word", "word"},
		external: []string{"*"},
		never:    "the daemon wires what is below it; the simulator, the checkers and the commands are not",
	},
	{
		name: "command", packages: []string{"internal/command/..."},
		imports:  []string{"command", "daemon", "client", "sim", "stack", "service", "service word", "word"},
		external: []string{"*"},
		never:    "a verb of the command line asks internal/daemon, internal/control or internal/demo to do the work",
	},
	{
		name: "program", packages: []string{"cmd/..."}, imports: []string{"command"},
		never: "a main is thin; move the work to internal/command",
	},
	{
		name: "bench", packages: []string{"bench/..."},
		imports:  []string{"bench", "library", "peers", "client", "guard", "daemon", "driver", "edge", "stack", "machine", "service", "service word", "word"},
		external: []string{"*"},
		never:    "a benchmark measures what users run; the simulator and the commands are not among it",
	},
	{
		name: "example", packages: []string{"examples/..."},
		imports:  []string{"library", "peers", "client", "guard", "stack", "machine", "check", "service", "service word", "word"},
		external: []string{"*"},
		never:    "an example shows the public API; whatever it needs from internal is missing there",
	},
}

// layerOf finds the layer of a package given by its path from the root.
func layerOf(path string) *layer {
	for i := range layers {
		for _, pattern := range layers[i].packages {
			below, all := strings.CutSuffix(pattern, "/...")
			if path == below || all && strings.HasPrefix(path, below+"/") {
				return &layers[i]
			}
		}
	}
	return nil
}

// checkLayer checks that imports point down only. Tests may import what they like:
// nothing imports them.
func (t *tree) checkLayer(p *pkg) {
	l := layerOf(p.path)
	if l == nil {
		t.reportAt(p.path+"/"+p.files[0].name, 0, RuleLayer,
			"%s is in no layer; put it where docs/style.md has a place for it, or add its layer to internal/tidy/layer.go and say why there", p.path)
		return
	}
	for _, f := range p.source() {
		for _, spec := range f.ast.Imports {
			name := importPath(spec)
			if why := t.refuse(p, l, name); why != "" {
				t.report(spec.Pos(), RuleLayer, "%s imports %q: %s", p.path, name, why)
			}
		}
	}
}

// refuse says why package p of layer l may not import name; "" if it may.
func (t *tree) refuse(p *pkg, l *layer, name string) string {
	if rel, ours := t.local(name); ours {
		return refuseOurs(p, l, rel)
	}
	if domain, _, _ := strings.Cut(name, "/"); strings.Contains(domain, ".") {
		if slices.Contains(l.external, "*") || slices.Contains(l.external, name) {
			return ""
		}
		return fmt.Sprintf("layer %q uses the standard library and what is below it; wrap the dependency in a layer above", l.name)
	}
	for _, denied := range l.deny {
		if (name == denied || strings.HasPrefix(name, denied+"/")) && !slices.Contains(pureAllow, name) {
			return l.never
		}
	}
	return ""
}

// refuseOurs says why package p of layer l may not import the package at rel.
func refuseOurs(p *pkg, l *layer, rel string) string {
	other := layerOf(rel)
	switch {
	case other == nil:
		return "that package is in no layer"
	case l.name == "word" && other.name == "word":
		if slices.Index(words, rel) < slices.Index(words, p.path) {
			return ""
		}
		return "words stand in an order and import only earlier ones, see internal/tidy/layer.go; move what both need into a word below"
	case slices.Contains(l.imports, other.name):
		return ""
	case l.name == "machine" && other.name == "machine":
		return "machines never import one another; carry one's output into the other in protocol/stack"
	}
	return fmt.Sprintf("layer %q may not import layer %q; %s", l.name, other.name, l.never)
}
