// Package tidy holds the rules of the house that a machine can check, as tests over
// the repository's own source. docs/style.md says the same rules in words, and why.
//
// [Check] reads a source tree and returns what breaks a rule. Each [Finding] says
// where, which rule, and what to do instead. The package's tests run Check over this
// repository, and over small broken trees in testdata, one or more for each rule: a
// rule that no longer finds its planted mistake fails.
//
// It works offline and needs nothing but the Go tool. Types are resolved from source
// within the module only; what comes from other modules or the standard library is of
// unknown type, and a rule that needs a type says nothing about what it does not know.
package tidy
