package tidy

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// Rule names one rule of the house.
type Rule string

// The rules. docs/style.md has a paragraph on each.
const (
	RuleLayer      Rule = "layer"      // imports point down only
	RulePure       Rule = "pure"       // no clock, randomness, goroutine, channel or output in a machine
	RuleOrder      Rule = "order"      // no map order escapes
	RuleGlobal     Rule = "global"     // no package-level variable that changes, no init
	RuleDoc        Rule = "doc"        // package and exported names are documented
	RuleSize       Rule = "size"       // files, functions and packages stay small
	RuleName       Rule = "name"       // a package is one noun
	RuleError      Rule = "error"      // the text of an error is for people
	RuleTest       Rule = "test"       // no sleep, no silent skip, codecs are fuzzed
	RuleText       Rule = "text"       // no path of one machine, no promise without an owner
	RuleDependency Rule = "dependency" // dependencies build with our Go
)

// Rules is every rule, in the order above.
func Rules() []Rule {
	return []Rule{
		RuleLayer, RulePure, RuleOrder, RuleGlobal, RuleDoc, RuleSize, RuleName,
		RuleError, RuleTest, RuleText, RuleDependency,
	}
}

// Finding is one place that breaks a rule.
type Finding struct {
	File    string // relative to the root of the tree, with slashes
	Line    int    // from 1; 0 when the whole file or package is meant
	Rule    Rule
	Message string // what is wrong, and what to do instead
}

// String gives "file:line: rule: message".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Rule, f.Message)
}

// Check reads the tree at root, which must hold a go.mod, and returns what breaks a
// rule, sorted by place. An error means that the tree could not be read or parsed.
func Check(root string) ([]Finding, error) {
	t, err := load(root)
	if err != nil {
		return nil, err
	}
	for _, p := range t.packages {
		t.checkLayer(p)
		t.checkPure(p)
		t.checkOrder(p)
		t.checkGlobal(p)
		t.checkDoc(p)
		t.checkSize(p)
		t.checkName(p)
		t.checkError(p)
		t.checkTest(p)
	}
	if err := t.checkText(); err != nil {
		return nil, err
	}
	slices.SortFunc(t.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(t.findings), nil
}

// report records a finding at a position of a parsed file.
func (t *tree) report(pos token.Pos, rule Rule, format string, args ...any) {
	p := t.fset.Position(pos)
	t.reportAt(t.relative(p.Filename), p.Line, rule, format, args...)
}

// reportAt records a finding at a line of a file given relative to the root.
func (t *tree) reportAt(file string, line int, rule Rule, format string, args ...any) {
	t.findings = append(t.findings, Finding{file, line, rule, fmt.Sprintf(format, args...)})
}
