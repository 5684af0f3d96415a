package figure

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	for _, c := range []struct {
		sample              Sample
		median, least, most float64
		text                string
	}{
		{Sample{7}, 7, 7, 7, "7.00"},
		{Sample{30, 10, 200}, 30, 10, 200, "30.0 (10.0–200)"},
		{Sample{4, 1, 2, 3}, 2.5, 1, 4, "2.50 (1.00–4.00)"},
		{Sample{0.5, 0, 0.25}, 0.25, 0, 0.5, "0.250 (0–0.500)"},
	} {
		if m := c.sample.Median(); m != c.median {
			t.Errorf("the median of %v is %v, want %v", []float64(c.sample), m, c.median)
		}
		if c.sample.Least() != c.least || c.sample.Most() != c.most {
			t.Errorf("%v: from %v to %v, want from %v to %v", []float64(c.sample), c.sample.Least(), c.sample.Most(), c.least, c.most)
		}
		if text := c.sample.String(); text != c.text {
			t.Errorf("%v is shown as %q, want %q", []float64(c.sample), text, c.text)
		}
	}
}

func TestMedianLeavesTheOrder(t *testing.T) {
	s := Sample{3, 1, 2}
	s.Median()
	if s[0] != 3 || s[1] != 1 {
		t.Errorf("the sample became %v", []float64(s))
	}
}

func TestRatio(t *testing.T) {
	if r := Ratio(Sample{6, 6, 90}, Sample{2}); r != 3 {
		t.Errorf("6 over 2 is %v", r)
	}
	if r := Ratio(Sample{1}, nil); !math.IsNaN(r) || Times(r) != "–" {
		t.Errorf("a ratio to nothing is %v, shown as %q", r, Times(r))
	}
	if r := Ratio(Sample{1}, Sample{0}); Times(r) != "–" {
		t.Errorf("a ratio to zero is shown as %q", Times(r))
	}
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"flows", "ms"}}
	table.Add("1,000", "4")
	table.Add("a–b") // a cell is missing, and a character of three bytes is one column
	want := strings.Join([]string{
		"| flows | ms |",
		"|:------|---:|",
		"| 1,000 |  4 |",
		"| a–b   |    |",
		"",
	}, "\n")
	if got := table.String(); got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
}

func TestPlot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plots", "time.svg")
	p := Plot{Title: "time", X: "flows", Y: "ms", Curves: []Curve{
		{"one", []float64{1000, 20000}, []Sample{{1, 2, 3}, {40}}},
		{"other", []float64{1000, 20000}, []Sample{{10}, {400, 500}}},
	}}
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(string(text)))
	var words []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the plot is not XML: %v", err)
		}
		if data, ok := token.(xml.CharData); ok {
			words = append(words, string(data))
		}
	}
	for _, want := range []string{"one", "other", "20k", "flows"} {
		if !strings.Contains(strings.Join(words, "\n"), want) {
			t.Errorf("the plot does not show %q", want)
		}
	}
}
