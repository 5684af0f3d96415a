package tidy

import (
	"go/ast"
	"path"
	"strings"
)

// checkTest checks the tests of a package, and that it has those it must have.
func (t *tree) checkTest(p *pkg) {
	fuzzed := false
	for _, f := range p.files {
		if !f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if imported(f.ast, n) == "time" && n.Sel.Name == "Sleep" {
					t.report(n.Pos(), RuleTest, "a test sleeps: wait for the condition itself, by a read with a deadline, a channel or testing/synctest")
				}
			case *ast.CallExpr:
				t.checkTestSkip(n)
			case *ast.FuncDecl:
				fuzzed = fuzzed || strings.HasPrefix(n.Name.Name, "Fuzz")
			}
			return true
		})
	}
	if fuzzed {
		return
	}
	for _, f := range p.source() {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && decodes(fn) {
				t.reportAt(path.Join(p.path, f.name), t.fset.Position(fn.Pos()).Line, RuleTest,
					"%s.%s reads bytes from outside and the package has no Fuzz test: add func Fuzz%s(f *testing.F) with seeds", p.name, fn.Name.Name, fn.Name.Name)
				return
			}
		}
	}
}

// checkTestSkip checks that a skipped test says why, and what to do.
func (t *tree) checkTestSkip(call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) > 0 {
		return
	}
	if id, ok := sel.X.(*ast.Ident); ok && len(id.Name) <= 2 && (sel.Sel.Name == "Skip" || sel.Sel.Name == "SkipNow") {
		t.report(call.Pos(), RuleTest, "a test is skipped without a word: say what is missing and what to run")
	}
}

// decodes says whether a function is an exported decoder of bytes.
func decodes(fn *ast.FuncDecl) bool {
	reads := false
	for _, verb := range []string{"Parse", "Open", "Decode", "Receive", "Unmarshal"} {
		reads = reads || strings.HasPrefix(fn.Name.Name, verb)
	}
	if !reads || !exportedReceiver(fn) {
		return false
	}
	for _, field := range fn.Type.Params.List {
		if array, ok := field.Type.(*ast.ArrayType); ok && array.Len == nil {
			if id, ok := array.Elt.(*ast.Ident); ok && id.Name == "byte" {
				return true
			}
		}
	}
	return false
}
