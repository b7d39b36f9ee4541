package gap

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Plot is an SVG with a row for each kind of each series: a dot for every run,
// a bar at the median. It is readable on a light and on a dark page.
func Plot(r *Record) string {
	const left, right, rowHeight, top = 150.0, 20.0, 34.0, 34.0
	const width = 760.0
	colours := map[Kind]string{Restart: "#6b7280", Naive: "#d97706", Belay: "#2563eb"}
	type row struct {
		name, colour string
		gaps         []float64
	}
	var rows []row
	furthest := 1.0
	for _, cold := range []bool{false, true} {
		for _, kind := range Kinds {
			gaps := r.Of(cold, kind, gapOf)
			if len(gaps) == 0 {
				continue
			}
			rows = append(rows, row{fmt.Sprintf("%s, %s", kind, Series(cold)), colours[kind], gaps})
			furthest = math.Max(furthest, slices.Max(gaps))
		}
	}
	step := 1.0
	for furthest/step > 12 {
		step *= 2
	}
	furthest = math.Ceil(furthest/step) * step
	x := func(v float64) float64 { return left + v/furthest*(width-left-right) }
	height := top + rowHeight*float64(len(rows)) + 40

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%.0f" y="18" font-weight="bold">API gap in seconds: a dot per run, a bar at the median</text>`+"\n", left)
	bottom := top + rowHeight*float64(len(rows))
	for v := 0.0; v <= furthest; v += step {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.0f" y2="%.0f" stroke="#e5e7eb"/><text x="%.1f" y="%.0f" text-anchor="middle" fill="#374151">%g</text>`+"\n",
			x(v), x(v), top, bottom, x(v), bottom+18, v)
	}
	for i, row := range rows {
		y := top + rowHeight*(float64(i)+0.5)
		fmt.Fprintf(&b, `<text x="%.0f" y="%.1f" text-anchor="end" fill="#111827">%s</text>`+"\n", left-10, y+4, row.name)
		for j, gap := range row.gaps {
			// Spread a little, in the order of the rounds, so that equal runs can be told apart.
			shift := float64(j%5-2) * 3.5
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s" fill-opacity="0.55"/>`+"\n", x(gap), y+shift, row.colour)
		}
		m := x(Median(row.gaps))
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="2.5"/>`+"\n", m, m, y-13, y+13, row.colour)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
