package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// source is the text a diagnostic points into; it travels in the diagnostic's Extra.
type source []byte

// lineShownMax bounds a line shown under a message, in characters.
const lineShownMax = 120

// Print writes diagnostics for a person: where, what, the line itself with the place
// marked, and what to write instead.
//
//	fw1.hcl:7:3: unknown key "heartbaet" in cluster "edge"
//	    7 |   heartbaet = "10ms"
//	      |   ^~~~~~~~~
//	  did you mean "heartbeat"?
//
// Lines and columns count from 1; columns count characters.
func Print(w io.Writer, diags hcl.Diagnostics) error {
	var out bytes.Buffer
	for _, d := range diags {
		summary := clean(d.Summary)
		if d.Subject == nil {
			fmt.Fprintf(&out, "%s\n", summary)
		} else {
			at := d.Subject
			fmt.Fprintf(&out, "%s:%d:%d: %s\n", at.Filename, at.Start.Line, at.Start.Column, summary)
			if src, ok := d.Extra.(source); ok && at.End.Byte > 0 { // otherwise the file as a whole
				printLine(&out, src, *at)
			}
		}
		if d.Detail != "" {
			fmt.Fprintf(&out, "  %s\n", clean(d.Detail))
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// printLine shows the line that a range begins on, with the range marked.
func printLine(out *bytes.Buffer, src source, at hcl.Range) {
	if at.Start.Byte > len(src) || at.Start.Byte < 0 {
		return
	}
	begin := bytes.LastIndexByte(src[:at.Start.Byte], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[begin:], '\n'); i >= 0 {
		end = begin + i
	}
	if end == begin {
		return
	}
	line := clean(string(src[begin:end]))
	before := utf8.RuneCountInString(clean(string(src[begin:at.Start.Byte])))
	marked := 1
	if last := min(at.End.Byte, end); last > at.Start.Byte {
		marked = utf8.RuneCountInString(clean(string(src[at.Start.Byte:last])))
	}
	if before >= lineShownMax {
		return
	}
	if runes := []rune(line); len(runes) > lineShownMax {
		line = string(runes[:lineShownMax]) + "…"
		marked = min(marked, lineShownMax-before)
	}
	fmt.Fprintf(out, "%5d | %s\n", at.Start.Line, line)
	fmt.Fprintf(out, "      | %s^%s\n", strings.Repeat(" ", before), strings.Repeat("~", marked-1))
}

// clean makes text from a file safe on a terminal: one character wide each, nothing
// that moves a cursor.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\t' || c == '\n' || c == '\r':
			return ' '
		case c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == utf8.RuneError:
			return '?'
		}
		return c
	}, s)
}
