package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// checkGlobal checks that a package has no variable that changes, and no init. Every
// package is checked, pure or not: what is shared by the whole process is shared by
// the tests that run in it.
func (t *tree) checkGlobal(p *pkg) {
	globals := map[types.Object]bool{}
	for _, f := range p.source() {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.report(d.Pos(), RuleGlobal, "%s has an init function: do it in New or Open, or in main, where a reader and a test can see it", p.path)
				}
			case *ast.GenDecl:
				t.checkGlobalDecl(p, d, globals)
			}
		}
	}
	for _, f := range p.source() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			for _, target := range written(n) {
				if id := root(target); id != nil && globals[p.info.Uses[id]] {
					t.report(target.Pos(), RuleGlobal, "%s changes its package-level variable %s: put it into a struct made by New or Open", p.path, id.Name)
				}
			}
			return true
		})
	}
}

// checkGlobalDecl collects the variables of one declaration, and reports those that
// could only be of use if they changed.
func (t *tree) checkGlobalDecl(p *pkg, d *ast.GenDecl, globals map[types.Object]bool) {
	if d.Tok != token.VAR {
		return
	}
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for _, name := range v.Names {
			if obj := p.info.Defs[name]; obj != nil {
				globals[obj] = true
			}
		}
		if len(v.Values) == 0 && !embedded(d, v) {
			t.report(v.Pos(), RuleGlobal, "%s declares the package-level variable %s without a value, so it is there to change: put it into a struct made by New or Open", p.path, v.Names[0].Name)
		}
	}
}

// embedded says whether the Go tool fills a variable from a file.
func embedded(d *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, group := range []*ast.CommentGroup{d.Doc, v.Doc} {
		if group == nil {
			continue
		}
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// written gives the expressions that a node writes to.
func written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// root is the variable that an expression like v.a[i].b leads to; nil if it leads
// through a call or a pointer of another's.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
