package demo

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The pictures' columns.
const (
	stripCols = 75 // of the live screen
	plotCols  = int((plotBefore + plotAfter) / plotEvery)
	plotEvery = 8 * time.Millisecond // of a fault's
)

// The heights of a column. The first is nothing at all: a hole must be seen as one.
var (
	bars      = []rune(" ▁▂▃▄▅▆▇█")
	barsASCII = []rune(" .:-=+*%#")
)

// strip draws shares from 0 to 1 as columns of one row.
func (k *ink) strip(c columns) string {
	glyphs := bars
	if k.ascii {
		glyphs = barsASCII
	}
	var b strings.Builder
	for _, share := range c {
		i := int(math.Round(share * float64(len(glyphs)-1)))
		if i == 0 && share > 0.02 {
			i = 1 // something came
		}
		b.WriteRune(glyphs[min(max(i, 0), len(glyphs)-1)])
	}
	return b.String()
}

// scale is the row under a picture: times in ms from the fault on.
func scale(before, every time.Duration, count int, step time.Duration) string {
	row := []rune(strings.Repeat(" ", count+8))
	for at := time.Duration(0); at <= time.Duration(count)*every-before; at += step {
		label := fmt.Sprintf("+%d", at.Milliseconds())
		if at == 0 {
			label = "▲ 0 ms"
		}
		copy(row[int((at+before)/every):], []rune(label))
	}
	return strings.TrimRight(string(row), " ")
}
