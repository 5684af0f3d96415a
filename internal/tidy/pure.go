package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// clockCalls are the functions of package time that read or wait for the real clock.
var clockCalls = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep", "Tick"}

// randAllowed are the names of math/rand and math/rand/v2 that do not touch the
// generator shared by the whole process.
var randAllowed = []string{
	"Rand", "New", "Source", "Source64", "NewSource", "PCG", "NewPCG", "ChaCha8", "NewChaCha8", "Zipf", "NewZipf",
}

// waiting are the edges that may start a goroutine: what they wait for has no descriptor that
// becomes ready. They say who waits for its end.
var waiting = []string{
	"internal/edge/disk", // fdatasync: nothing tells that a disk has synced but the call's return
}

// checkPure checks that a pure package has no clock, randomness, goroutine, channel
// or output of its own. Edges are checked for goroutines alone.
func (t *tree) checkPure(p *pkg) {
	l := layerOf(p.path)
	if l == nil || !l.pure && l.name != "edge" {
		return
	}
	for _, f := range p.source() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok && !slices.Contains(waiting, p.path) {
				t.report(g.Pos(), RulePure, "%s starts a goroutine: one goroutine owns a node; give its owner a method to call, and a Deadline or a file descriptor to wait for", p.path)
			}
			if l.pure {
				t.checkPureNode(p, f, n)
			}
			return true
		})
	}
}

// checkPureNode checks one node of a pure package.
func (t *tree) checkPureNode(p *pkg, f *file, n ast.Node) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		t.checkPureSelector(p, f, n)
	case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
		t.report(n.Pos(), RulePure, "%s uses a channel: inputs are method calls and outputs are values appended to Output", p.path)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			t.report(n.Pos(), RulePure, "%s uses a channel: inputs are method calls and outputs are values appended to Output", p.path)
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			t.report(n.Pos(), RulePure, "%s prints: record a trace.Event, the driver logs it", p.path)
		}
	}
}

// checkPureSelector checks one use of another package's name in a pure package.
func (t *tree) checkPureSelector(p *pkg, f *file, sel *ast.SelectorExpr) {
	name := sel.Sel.Name
	switch from := imported(f.ast, sel); {
	case from == "time" && slices.Contains(clockCalls, name):
		t.report(sel.Pos(), RulePure, "%s calls time.%s: take now as an argument and tell the next moment in Deadline", p.path, name)
	case (from == "math/rand" || from == "math/rand/v2") && !slices.Contains(randAllowed, name):
		t.report(sel.Pos(), RulePure, "%s calls rand.%s, which draws from the process: draw from the *rand.Rand given to New, so that a seed replays the run", p.path, name)
	case from == "fmt" && (strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan")):
		t.report(sel.Pos(), RulePure, "%s calls fmt.%s: record a trace.Event, the driver logs it", p.path, name)
	}
}
