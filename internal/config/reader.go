package config

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// reader gathers what is wrong while a file is read, so that it is all told at once.
type reader struct {
	diags   hcl.Diagnostics
	unknown []string // keys and blocks that have been refused
	groups  bool     // the file has groups, and no firewall
}

// fail records an error. summary names the thing and the value; remedy says what to
// write.
func (r *reader) fail(at hcl.Range, summary, remedy string) {
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: remedy, Subject: &at,
	})
}

func (r *reader) failf(at hcl.Range, summary, remedy string, values ...any) {
	r.fail(at, summary, fmt.Sprintf(remedy, values...))
}

// section is one block's body with its place in words.
type section struct {
	*reader
	body  *hclsyntax.Body
	place string
	at    hcl.Range // where to point when something is missing
}

func (r *reader) section(b *hclsyntax.Block) section {
	return section{r, b.Body, place(b), b.DefRange()}
}

// blocks are the well-formed blocks of a kind: those with a wrong number of labels
// have been reported and are left out.
func (s section) blocks(kind string, labels int) []*hclsyntax.Block {
	var found []*hclsyntax.Block
	for _, b := range s.body.Blocks {
		if b.Type == kind && len(b.Labels) == labels {
			found = append(found, b)
		}
	}
	return found
}

// mentions says whether a key or block stands there, even if it is ill formed or
// misspelt: then its lack is not worth a second message.
func (s section) mentions(name string) bool {
	for key := range s.body.Attributes {
		if key == name || slices.Contains(s.unknown, key) && nearest(key, []string{name}) != "" {
			return true
		}
	}
	for _, b := range s.body.Blocks {
		if b.Type == name || slices.Contains(s.unknown, b.Type) && nearest(b.Type, []string{name}) != "" {
			return true
		}
	}
	return false
}

// spoilt says whether a key is there with a value that was refused as such.
func (s section) spoilt(name string) bool {
	a, ok := s.body.Attributes[name]
	return ok && slices.ContainsFunc(s.diags, func(d *hcl.Diagnostic) bool {
		return d.Subject != nil && d.Subject.Overlaps(a.Expr.Range())
	})
}

// count is how many blocks of a kind there are, well formed or not.
func (s section) count(kind string) int {
	n := 0
	for _, b := range s.body.Blocks {
		if b.Type == kind {
			n++
		}
	}
	return n
}

// literal gives the value of a key that is written out. Anything that would have to
// be computed is an error: the file is data.
func (s section) literal(name string) (cty.Value, hcl.Range, bool) {
	a, ok := s.body.Attributes[name]
	if !ok {
		return cty.NilVal, s.at, false
	}
	value, ok := s.constant(name, a.Expr)
	return value, a.Expr.Range(), ok
}

func (s section) constant(name string, e hclsyntax.Expression) (cty.Value, bool) {
	if bare := hcl.ExprAsKeyword(e); bare != "" && !isLiteral(e) {
		s.fail(e.Range(), fmt.Sprintf("%s = %s has no quotes", name, bare), bareRemedy(name, bare))
		return cty.NilVal, false
	}
	if !isLiteral(e) {
		s.failf(e.Range(), fmt.Sprintf("%s is not written out", name),
			"the file is data, without variables, functions or arithmetic: write the value itself")
		return cty.NilVal, false
	}
	value, diags := e.Value(nil)
	if diags.HasErrors() {
		s.diags = append(s.diags, diags...)
		return cty.NilVal, false
	}
	return value, true
}

// bareRemedy mends a word without quotes, which may have been meant as true or false.
func bareRemedy(name, bare string) string {
	switch strings.ToLower(bare) {
	case "yes", "on", "enable", "enabled":
		return fmt.Sprintf("write %s = true", name)
	case "no", "off", "disable", "disabled":
		return fmt.Sprintf("write %s = false", name)
	}
	return fmt.Sprintf("text stands in quotes: write %q", bare)
}

func isLiteral(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return e.IsStringLiteral() || len(e.Parts) == 0
	case *hclsyntax.UnaryOpExpr: // a negative number, to be refused as such
		_, ok := e.Val.(*hclsyntax.LiteralValueExpr)
		return ok && e.Op == hclsyntax.OpNegate
	}
	return false
}

// text gives a string. ok is false where it is absent or was reported.
func (s section) text(name, example string) (value string, at hcl.Range, ok bool) {
	v, at, ok := s.literal(name)
	if !ok {
		return "", at, false
	}
	if v.IsNull() || v.Type() != cty.String {
		s.failf(at, fmt.Sprintf("%s must be text, found %s", name, show(v)), "write %s = %q", name, example)
		return "", at, false
	}
	return v.AsString(), at, true
}

// whole gives a whole number within bounds, or otherwise the default.
func (s section) whole(name string, least, most, otherwise int) int {
	v, at, ok := s.literal(name)
	if !ok {
		return otherwise
	}
	if v.IsNull() || v.Type() != cty.Number {
		s.failf(at, fmt.Sprintf("%s must be a number, found %s", name, show(v)),
			"write %s = %d", name, otherwise)
		return otherwise
	}
	if !v.AsBigFloat().IsInt() {
		s.failf(at, fmt.Sprintf("%s = %s is not a whole number", name, show(v)),
			"write a whole number from %d to %d; the default is %d", least, most, otherwise)
		return otherwise
	}
	n, exact := v.AsBigFloat().Int64()
	if exact != big.Exact || n < int64(least) || n > int64(most) {
		s.failf(at, fmt.Sprintf("%s = %s is out of range", name, show(v)),
			"write a whole number from %d to %d; the default is %d", least, most, otherwise)
		return otherwise
	}
	return int(n)
}

// flag gives true or false, or otherwise false.
func (s section) flag(name string) bool {
	v, at, ok := s.literal(name)
	if !ok {
		return false
	}
	if v.IsNull() || v.Type() != cty.Bool {
		s.failf(at, fmt.Sprintf("%s must be true or false, found %s", name, show(v)),
			"write %s = true, without quotes", name)
		return false
	}
	return v.True()
}

// duration gives a length of time within bounds, or otherwise the default.
func (s section) duration(name string, least, most, otherwise time.Duration) (time.Duration, hcl.Range) {
	v, at, ok := s.literal(name)
	if !ok {
		return otherwise, at
	}
	if !v.IsNull() && v.Type() == cty.Number {
		s.failf(at, fmt.Sprintf("%s = %s has no unit", name, show(v)),
			"write %s = \"%sms\" or %s = \"%ss\"", name, show(v), name, show(v))
		return otherwise, at
	}
	if v.IsNull() || v.Type() != cty.String {
		s.failf(at, fmt.Sprintf("%s must be a duration, found %s", name, show(v)),
			"write %s = %q", name, spell(otherwise))
		return otherwise, at
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		s.fail(at, fmt.Sprintf("%s = %q is not a duration", name, v.AsString()),
			durationRemedy(name, v.AsString(), otherwise))
		return otherwise, at
	}
	if d < least || d > most {
		s.failf(at, fmt.Sprintf("%s = %q is out of range", name, v.AsString()),
			"write a duration from %q to %q; the default is %q", spell(least), spell(most), spell(otherwise))
		return otherwise, at
	}
	return d, at
}

// durationRemedy mends the usual slips: a space before the unit, no unit at all, and
// units written as words.
func durationRemedy(name, found string, otherwise time.Duration) string {
	number := strings.TrimRight(found, " \tabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToLower(strings.TrimSpace(found[len(number):]))
	if _, err := strconv.ParseFloat(number, 64); err == nil {
		switch unit {
		case "":
			return fmt.Sprintf("it has no unit: write %s = \"%sms\" or %s = \"%ss\"", name, number, name, number)
		case "msec", "msecs", "millis", "millisecond", "milliseconds", "ms":
			return fmt.Sprintf("write %s = \"%sms\"", name, number)
		case "sec", "secs", "second", "seconds", "s":
			return fmt.Sprintf("write %s = \"%ss\"", name, number)
		case "min", "mins", "minute", "minutes", "m":
			return fmt.Sprintf("write %s = \"%sm\"", name, number)
		}
	}
	return fmt.Sprintf("write a number with a unit (us, ms, s), as in %s = %q", name, spell(otherwise))
}

// spell gives a duration as a person writes it: "1m" and not "1m0s".
func spell(d time.Duration) string {
	switch {
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

// placed is a text with where it stands.
type placed struct {
	text string
	at   hcl.Range
}

// texts gives a list of strings. given is whether the key is there and is a list.
func (s section) texts(name, example string, most int) (list []placed, given bool) {
	a, ok := s.body.Attributes[name]
	if !ok {
		return nil, false
	}
	tuple, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		s.failf(a.Expr.Range(), fmt.Sprintf("%s must be a list", name), "write %s = [%q]", name, example)
		return nil, false
	}
	if len(tuple.Exprs) > most {
		s.failf(a.Expr.Range(), fmt.Sprintf("%s has %d entries", name, len(tuple.Exprs)), "at most %d are allowed", most)
		return nil, false
	}
	for _, e := range tuple.Exprs {
		v, ok := s.constant("an entry of "+name, e)
		if !ok {
			continue
		}
		if v.IsNull() || v.Type() != cty.String {
			s.failf(e.Range(), fmt.Sprintf("an entry of %s must be text, found %s", name, show(v)),
				"write %s = [%q]", name, example)
			continue
		}
		list = append(list, placed{v.AsString(), e.Range()})
	}
	return list, true
}

// show gives a literal as the file had it, shortened.
func show(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	var s string
	switch v.Type() {
	case cty.String:
		s = strconv.Quote(v.AsString())
	case cty.Number:
		s = v.AsBigFloat().Text('g', 12)
	case cty.Bool:
		s = strconv.FormatBool(v.True())
	default:
		s = v.Type().FriendlyName()
	}
	if len(s) > 2*nameSizeMax {
		s = s[:2*nameSizeMax] + "…"
	}
	return s
}
