package gap

import (
	"math/rand/v2"
	"slices"
)

// Ratio is how the medians of two samples compare.
type Ratio struct {
	Median float64 `json:"median"`
	// Low and High are the 5th and 95th percentile of the bootstrapped ratio:
	// with 95 % confidence the true one is at most High.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

const resamples = 20_000

// Compare bootstraps median(a)/median(b). The seed is fixed: the same runs
// give the same table.
func Compare(a, b []float64) Ratio {
	rng := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, resamples)
	for i := range ratios {
		ratios[i] = Median(resample(rng, a)) / Median(resample(rng, b))
	}
	slices.Sort(ratios)
	return Ratio{Median: Median(a) / Median(b), Low: quantile(ratios, 0.05), High: quantile(ratios, 0.95)}
}

func resample(rng *rand.Rand, from []float64) []float64 {
	drawn := make([]float64, len(from))
	for i := range drawn {
		drawn[i] = from[rng.IntN(len(from))]
	}
	return drawn
}

// Median of at least one number.
func Median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return quantile(sorted, 0.5)
}

// quantile interpolates between the two nearest of sorted numbers.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
