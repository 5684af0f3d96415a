package figure

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Curve is one line of a plot: the medians, with a bar from least to greatest at each.
type Curve struct {
	Name    string
	X       []float64
	Samples []Sample // as many as X
}

// Plot is curves over a common axis, both axes logarithmic: the numbers of flows, and the
// sizes of messages, span more than two powers of ten.
type Plot struct {
	Title, X, Y string
	Curves      []Curve
	// Falling curves leave room for their names on the right, others on the left.
	Falling bool
}

const (
	plotWidth  = 16 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter
)

// Write draws the plot into an SVG file, and makes its folder.
func (p Plot) Write(path string) error {
	canvas := plot.New()
	canvas.Title.Text, canvas.X.Label.Text, canvas.Y.Label.Text = p.Title, p.X, p.Y
	canvas.BackgroundColor = color.White // readers have dark pages too
	canvas.X.Scale, canvas.Y.Scale = plot.LogScale{}, plot.LogScale{}
	canvas.X.Tick.Marker = plot.TickerFunc(p.ticksX)
	canvas.Y.Tick.Marker = plot.TickerFunc(ticksY)
	canvas.Legend.Top, canvas.Legend.Left = true, !p.Falling
	canvas.Add(plotter.NewGrid())
	for i, c := range p.Curves {
		if err := c.draw(canvas, i); err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return canvas.Save(plotWidth, plotHeight, path)
}

// colours can be told apart by people who see few of them (Okabe and Ito).
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
}

func (c Curve) draw(canvas *plot.Plot, number int) error {
	points := struct {
		plotter.XYs
		plotter.YErrors
	}{make(plotter.XYs, len(c.X)), make(plotter.YErrors, len(c.X))}
	for i, s := range c.Samples {
		points.XYs[i].X, points.XYs[i].Y = c.X[i], s.Median()
		points.YErrors[i].Low, points.YErrors[i].High = s.Median()-s.Least(), s.Most()-s.Median()
	}
	line, dots, err := plotter.NewLinePoints(points.XYs)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(points)
	if err != nil {
		return err
	}
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}}
	line.Color, dots.Color, bars.Color = colours[number%len(colours)], colours[number%len(colours)], colours[number%len(colours)]
	dots.Shape = shapes[number%len(shapes)]
	line.Width = vg.Points(1.5)
	canvas.Add(line, dots, bars)
	canvas.Legend.Add(c.Name, line, dots)
	return nil
}

// ticksX marks each measured number.
func (p Plot) ticksX(_, _ float64) []plot.Tick {
	var ticks []plot.Tick
	if len(p.Curves) == 0 {
		return nil
	}
	for _, x := range p.Curves[0].X {
		label := fmt.Sprintf("%g", x)
		if x >= 1000 && math.Mod(x, 1000) == 0 {
			label = fmt.Sprintf("%gk", x/1000)
		}
		ticks = append(ticks, plot.Tick{Value: x, Label: label})
	}
	return ticks
}

// ticksY marks 1, 2 and 5 of each power of ten.
func ticksY(least, most float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(least)); power <= math.Ceil(math.Log10(most)); power++ {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * math.Pow(10, power); v >= least && v <= most {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g", v)})
			}
		}
	}
	return ticks
}
