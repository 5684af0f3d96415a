package demo

import (
	"strings"
	"unicode/utf8"
)

// The colours: blue and orange are told apart by nearly everybody.
const (
	inkGood  = "\x1b[1;38;5;33m"
	inkBad   = "\x1b[1;38;5;208m"
	inkLoud  = "\x1b[1m"
	inkFaint = "\x1b[2m"
	inkEnd   = "\x1b[0m"
)

// ink is what may be drawn with. Without colours everything is told by words and forms
// as well.
type ink struct{ colours, ascii bool }

func (k *ink) paint(with, text string) string {
	if !k.colours || text == "" {
		return text
	}
	return with + text + inkEnd
}

// finish leaves out what the output cannot show. Each character becomes one.
func (k *ink) finish(text string) string {
	if !k.ascii {
		return text
	}
	return strings.NewReplacer(
		"┌", "+", "┐", "+", "└", "+", "┘", "+", "─", "-", "│", "|", "├", "+", "┤", "+", "┬", "+", "┴", "+",
		"┏", "#", "┓", "#", "┗", "#", "┛", "#", "━", "#", "┃", "#", "┝", "#", "┥", "#", "●", "o", "╳", "x",
		"▲", "^", "…", "~", "–", "-", "·", ".", "▇", "#",
	).Replace(text)
}

// fit makes a text exactly so many characters long.
func fit(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// right is fit with the space on the left.
func right(text string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0)) + text
}
