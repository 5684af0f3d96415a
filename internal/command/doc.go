// Package command is the command line: one verb a file, each thin. A verb reads its
// flags, asks internal/config, internal/control, internal/daemon or internal/demo to do
// the work, and words the outcome.
//
// What a verb has to say goes to the standard output, as text for people or, with
// --json, as one JSON value. What went wrong goes to the standard error as lines that
// begin with "holdfast: ". The exit code is
//
//	0  done; for status: protected
//	1  not done; for status: degraded
//	2  wrong use; for status: unprotected, or no node answers
//
// Colours are used on a terminal only, never alone carry a meaning, are told apart by
// people who do not see red and green, and are left out where NO_COLOR is set.
package command
