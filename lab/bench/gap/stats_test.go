package gap

import "testing"

func TestMedianAndQuantiles(t *testing.T) {
	for want, of := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 3, 2}, 7: {7}} {
		if got := Median(of); got != want {
			t.Errorf("median of %v: %v, not %v", of, got, want)
		}
	}
	if got := quantile([]float64{0, 10, 20, 30, 40}, 0.95); got != 38 {
		t.Errorf("95th percentile: %v", got)
	}
}

func TestTheBoundEnclosesTheRatio(t *testing.T) {
	a := []float64{10.1, 10.4, 9.9, 10.2, 10.0, 10.6, 9.8, 10.3, 10.1, 10.2, 10.5, 9.7, 10.0, 10.2, 10.1}
	b := []float64{5.0, 5.2, 4.9, 5.1, 5.3, 5.0, 4.8, 5.1, 5.0, 5.2, 4.9, 5.1, 5.0, 5.1, 5.0}
	r := Compare(a, b)
	if !(r.Low <= r.Median && r.Median <= r.High) || r.Low < 1.9 || r.High > 2.1 {
		t.Errorf("%+v", r)
	}
	if same := Compare(a, a); same.Median != 1 || same.High > 1.1 {
		t.Errorf("a sample against itself: %+v", same)
	}
	if again := Compare(a, b); again != r {
		t.Errorf("the same runs gave %+v and %+v", r, again)
	}
}
