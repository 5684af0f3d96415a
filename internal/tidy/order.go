package tidy

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// unordered marks a loop over a map whose order cannot be seen outside. It stands on
// the loop's line or the one above it and must give the reason.
const unordered = "//tidy:unordered"

// checkOrder checks that no map order escapes from a pure package: a function that
// ranges over a map must sort.
func (t *tree) checkOrder(p *pkg) {
	if l := layerOf(p.path); l == nil || !l.pure {
		return
	}
	for _, f := range p.source() {
		excused := t.excuses(f)
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil || sorts(f, fn) {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				loop, ok := n.(*ast.RangeStmt)
				if !ok || !p.rangesMap(f, loop) {
					return true
				}
				if line := t.fset.Position(loop.Pos()).Line; !excused[line] && !excused[line-1] {
					t.report(loop.Pos(), RuleOrder, "%s ranges over a map in %s, and Go shuffles maps: keep a sorted slice, or collect and sort in the same function; if no order can be seen outside, write %q with the reason",
						p.path, fn.Name.Name, unordered)
				}
				return true
			})
		}
	}
}

// excuses finds the lines with an unordered mark, and reports marks without a reason.
func (t *tree) excuses(f *file) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			reason, ok := strings.CutPrefix(c.Text, unordered)
			if !ok {
				continue
			}
			lines[t.fset.Position(c.Pos()).Line] = true
			if strings.TrimSpace(reason) == "" {
				t.report(c.Pos(), RuleOrder, "%s has no reason: say why the order cannot be seen outside", unordered)
			}
		}
	}
	return lines
}

// rangesMap says whether a loop runs over a map, or over an iterator of one.
func (p *pkg) rangesMap(f *file, loop *ast.RangeStmt) bool {
	if call, ok := loop.X.(*ast.CallExpr); ok {
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && imported(f.ast, sel) == "maps" {
			return slices.Contains([]string{"All", "Keys", "Values"}, sel.Sel.Name)
		}
	}
	typ := p.info.Types[loop.X].Type
	if typ == nil {
		return false
	}
	_, ok := typ.Underlying().(*types.Map)
	return ok
}

// sorts says whether a function calls something that sorts.
func sorts(f *file, fn *ast.FuncDecl) bool {
	found := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			from := imported(f.ast, sel)
			found = found || from == "sort" || from == "slices" && strings.HasPrefix(sel.Sel.Name, "Sort")
		}
		return !found
	})
	return found
}
