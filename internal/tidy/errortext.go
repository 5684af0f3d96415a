package tidy

import (
	"go/ast"
	"go/token"
	"slices"
)

// checkError checks that no code branches on the text of an error.
func (t *tree) checkError(p *pkg) {
	const instead = "the text of an error is for people: compare with errors.Is or errors.As against a sentinel or OpError"
	for _, f := range p.source() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (errorText(n.X) || errorText(n.Y)) {
					t.report(n.Pos(), RuleError, "%s compares an error's text: %s", p.path, instead)
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || imported(f.ast, sel) != "strings" {
					return true
				}
				searches := slices.Contains([]string{"Contains", "HasPrefix", "HasSuffix", "Index", "EqualFold"}, sel.Sel.Name)
				if searches && slices.ContainsFunc(n.Args, errorText) {
					t.report(n.Pos(), RuleError, "%s searches an error's text: %s", p.path, instead)
				}
			}
			return true
		})
	}
}

// errorText says whether an expression is a call of a method Error without arguments.
func errorText(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) > 0 {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Error"
}
