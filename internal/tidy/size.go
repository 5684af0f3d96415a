package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
)

// The sizes of the house. A package over them is two nouns.
const (
	fileLines     = 600 // of any Go file
	functionLines = 70  // of a function or method, from its first line to its last
	testLines     = 110 // of a function in a test: tables and transcripts are long and simple
	exportedNames = 40  // of a package; the values of one enumeration count as their type
)

// checkSize checks the sizes of files, functions and packages.
func (t *tree) checkSize(p *pkg) {
	for _, f := range p.files {
		if lines := t.fset.File(f.ast.FileStart).LineCount(); lines > fileLines {
			t.reportAt(path.Join(p.path, f.name), lines, RuleSize, "the file has %d lines, the house has room for %d: find the second noun in it and give it a file of its own", lines, fileLines)
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				t.checkSizeFunc(f, fn)
			}
		}
	}
	if names := p.exported(); len(names) > exportedNames {
		t.report(p.files[0].ast.Package, RuleSize, "%s exports %d names, the house has room for %d: unexport what only tests use, or split the package", p.path, len(names), exportedNames)
	}
}

// checkSizeFunc checks one function.
func (t *tree) checkSizeFunc(f *file, fn *ast.FuncDecl) {
	most := functionLines
	if f.test {
		most = testLines
	}
	lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
	if lines > most {
		t.report(fn.Pos(), RuleSize, "%s has %d lines, the house has room for %d: name its steps and make them functions", fn.Name.Name, lines, most)
	}
}

// exported gives the exported names at the top level of a package. Constants of one
// of its own types are counted as that type.
func (p *pkg) exported() []string {
	var names []string
	for _, f := range p.source() {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names = append(names, d.Name.Name)
				}
			case *ast.GenDecl:
				names = append(names, declared(d)...)
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !ast.IsExported(name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// declared gives the names that a declaration adds to a package.
func declared(d *ast.GenDecl) []string {
	var names []string
	enumeration := false // the constants follow the type of an earlier one
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, s.Name.Name)
		case *ast.ValueSpec:
			if s.Type != nil || len(s.Values) > 0 {
				id, ok := s.Type.(*ast.Ident)
				enumeration = d.Tok == token.CONST && ok && ast.IsExported(id.Name)
			}
			if enumeration {
				continue
			}
			for _, name := range s.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
