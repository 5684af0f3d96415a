package tidy

import (
	"go/ast"
	"go/token"
	"strings"
)

// checkDoc checks that the package says what it is for, and so does every exported
// name in it.
func (t *tree) checkDoc(p *pkg) {
	files := p.source()
	if len(files) == 0 {
		return
	}
	want := "Package " + p.name + " "
	if p.name == "main" {
		want = "Command "
	}
	documented := false
	for _, f := range files {
		if f.ast.Doc != nil {
			documented = documented || strings.HasPrefix(f.ast.Doc.Text(), want)
		}
		for _, decl := range f.ast.Decls {
			t.checkDocDecl(p, decl)
		}
	}
	if !documented {
		t.report(files[0].ast.Package, RuleDoc, "%s has no package comment: write one that begins with %q and says what it is, where it comes from, what it promises and what it does not", p.path, want)
	}
}

// checkDocDecl checks one declaration.
func (t *tree) checkDocDecl(p *pkg, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			t.undocumented(p, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					t.undocumented(p, s.Name)
				}
			case *ast.ValueSpec:
				t.checkDocValue(p, d, s)
			}
		}
	}
}

// checkDocValue checks constants and variables: a comment on the line, above it, or
// on the group that they stand in.
func (t *tree) checkDocValue(p *pkg, d *ast.GenDecl, s *ast.ValueSpec) {
	if d.Tok == token.IMPORT || d.Doc != nil || s.Doc != nil || s.Comment != nil {
		return
	}
	for _, name := range s.Names {
		if name.IsExported() {
			t.undocumented(p, name)
		}
	}
}

func (t *tree) undocumented(p *pkg, name *ast.Ident) {
	t.report(name.Pos(), RuleDoc, "%s.%s has no comment: say what it is, its unit and bounds, and what it promises", p.name, name.Name)
}

// exportedReceiver says whether a function is none of a type that is not exported.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	id := root(d.Recv.List[0].Type)
	return id == nil || id.IsExported()
}
