package tidy

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tree is a module's source, parsed.
type tree struct {
	root     string // absolute
	module   string // its path in go.mod
	fset     *token.FileSet
	packages []*pkg // sorted by path
	byPath   map[string]*pkg
	findings []Finding
}

// pkg is one directory with Go files.
type pkg struct {
	path  string // relative to the root with slashes; "." for the root itself
	name  string
	files []*file
	types *types.Package
	info  *types.Info // of the files that are built here, tests left out
	busy  bool        // being type-checked, to stop at import cycles
}

// file is one Go file.
type file struct {
	name  string // base name
	test  bool
	built bool // its build constraints hold on this platform, without tags
	ast   *ast.File
}

// load parses every package below root. Directories named testdata, and those with a
// go.mod of their own, belong to somebody else.
func load(root string) (*tree, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, fset: token.NewFileSet(), byPath: map[string]*pkg{}}
	if t.module = modulePath(mod); t.module == "" {
		return nil, fmt.Errorf("%s/go.mod has no module line", root)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name != root && (foreign(d.Name()) || exists(filepath.Join(name, "go.mod"))) {
			return fs.SkipDir
		}
		return t.loadDir(name)
	})
	if err != nil {
		return nil, err
	}
	for _, p := range t.packages {
		t.resolve(p)
	}
	return t, nil
}

// foreign says whether a directory of that name holds no source of ours.
func foreign(name string) bool {
	return name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// modulePath is the path in the module line of a go.mod.
func modulePath(mod []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(mod))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// loadDir parses the Go files of one directory.
func (t *tree) loadDir(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		return err
	}
	p := &pkg{path: t.relative(dir)}
	for _, name := range names {
		parsed, err := parser.ParseFile(t.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		built, err := build.Default.MatchFile(dir, filepath.Base(name))
		if err != nil {
			return err
		}
		f := &file{name: filepath.Base(name), test: strings.HasSuffix(name, "_test.go"), built: built, ast: parsed}
		p.files = append(p.files, f)
		if p.name == "" || !f.test {
			p.name = parsed.Name.Name
		}
	}
	t.packages = append(t.packages, p)
	t.byPath[p.path] = p
	return nil
}

// relative gives a file's name from the root of the tree, with slashes.
func (t *tree) relative(name string) string {
	rel, err := filepath.Rel(t.root, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// resolve finds the types of a package as far as this module's source tells them.
func (t *tree) resolve(p *pkg) {
	if p.info != nil || p.busy {
		return
	}
	p.busy = true
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Uses:  map[*ast.Ident]types.Object{},
		Defs:  map[*ast.Ident]types.Object{},
	}
	var files []*ast.File
	for _, f := range p.files {
		if !f.test && f.built {
			files = append(files, f.ast)
		}
	}
	// Errors are expected: whatever comes from outside the module is unknown here.
	config := types.Config{Importer: moduleImporter{t}, Error: func(error) {}}
	p.types, _ = config.Check(path.Join(t.module, p.path), t.fset, files, info)
	p.info, p.busy = info, false
}

// moduleImporter imports the module's own packages from source, and no others.
type moduleImporter struct{ t *tree }

// Import gives the package, or an error for one of another module.
func (m moduleImporter) Import(name string) (*types.Package, error) {
	rel, ours := m.t.local(name)
	p := m.t.byPath[rel]
	if !ours || p == nil || p.busy {
		return nil, fmt.Errorf("%s is not resolved", name)
	}
	m.t.resolve(p)
	return p.types, nil
}

// local gives a package's path from the root of the tree, if it is of this module.
func (t *tree) local(name string) (string, bool) {
	if name == t.module {
		return ".", true
	}
	return strings.CutPrefix(name, t.module+"/")
}

// source gives the package's files that are not tests.
func (p *pkg) source() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
}

// importPath is the path of an import without its quotes.
func importPath(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return name
}

// imported gives, for a selector like time.Now, the import path of its package, or
// "" if it is not one of a package. A local variable of the same name hides a package
// from the compiler but not from here; nobody should name one so.
func imported(f *ast.File, sel *ast.SelectorExpr) string {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range f.Imports {
		full := importPath(spec)
		name := path.Base(full)
		if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(full)) // the package of math/rand/v2 is rand
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == id.Name {
			return full
		}
	}
	return ""
}
