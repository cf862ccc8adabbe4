// The samples of one block and one input: the knot interval of each, and their order grouped by interval.
#pragma once
#include "problem.h"
#include "vectors.h"

namespace edgewise::EDGEWISE_VARIANT {

// The grid of one input: its knots, and the shortcuts that their spacing allows.
template <class T>
struct Grid {
  const T* knots;   // all of them
  const T* breaks;  // the size + 1 ends of intervals
  int64_t size;     // intervals
  T low, high, per_width;
  T margin;          // a guess of the interval is certain if it is this far from a whole number, in widths
  bool nearly_even;  // a guess of the interval of a point is wrong by at most one
  bool even;         // one polynomial table serves every interval
};

// Samples in their original order. Vectors may read and write up to `padding` numbers beyond the last one.
template <class T>
struct Samples {
  int64_t count;
  const T* x;
  T* inside;       // clamped to the domain
  int32_t* place;  // number of the interval
  bool outside;    // any sample beyond the domain
};

// Run r has interval[r] and the samples row[begin[r]] .. row[begin[r + 1] - 1].
struct Runs {
  int64_t count;
  int32_t* interval;
  int32_t* begin;
  int32_t* row;
  int32_t* counts;  // scratch, one per interval
};

// Number of samples by which rows of y or u are fetched ahead: on a fine grid neighbours in the sorted order are far
// apart in memory. With it float64 took up to a tenth less time, float32 1 to 3 %.
constexpr int64_t samples_ahead = 8;

template <class T>
constexpr T epsilon = sizeof(T) == 4 ? T(1.1920929e-7) : T(2.220446049250313e-16);

// The largest distance of a knot from its place low + (k - degree) width in an even grid; infinite if one is NaN.
template <class T>
T unevenness(const Grid<T>& grid, int64_t count, int degree, T width) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  V number, off = V{};
  for (int k = 0; k < lanes; k++) number[k] = T(k - degree);
  for (int64_t k = 0; k < count; k += lanes, number += T(lanes)) {
    const V place = grid.low + number * width;
    const V knots = k + lanes <= count ? load<V>(grid.knots + k) : load_some<V>(grid.knots + k, count - k);
    V distance = knots < place ? place - knots : knots - place;
    distance = distance < T(1e30) ? distance : V{} + T(__builtin_inf());
    for (int64_t lane = count - k; lane < lanes; lane++) distance[lane] = 0;
    off = distance > off ? distance : off;
  }
  T largest = 0;
  for (int lane = 0; lane < lanes; lane++) largest = off[lane] > largest ? off[lane] : largest;
  return largest;
}

template <class T>
EDGEWISE_SHARED Grid<T> make_grid(const T* knots, int64_t functions, int degree) {
  Grid<T> grid;
  grid.knots = knots;
  grid.breaks = knots + degree;
  grid.size = functions - degree;
  grid.low = grid.breaks[0];
  grid.high = grid.breaks[grid.size];
  T width = (grid.high - grid.low) / T(grid.size);
  grid.per_width = 1 / width;
  const T off = unevenness(grid, functions + degree + 1, degree, width);
  const bool broken = !(off < T(1e30));  // a NaN among the knots
  // With more intervals the rounding of positions in T would spoil guesses.
  grid.nearly_even = !broken && off < width / 4 && grid.size < (1 << 20);
  // With larger differences the results would change in float32: by 6e-6 at 200 intervals of [-1, 1].
  grid.even = !broken && off <= 16 * epsilon<T> * width;
  grid.margin = 2 * off * grid.per_width + 8 * epsilon<T> * T(grid.size);
  return grid;
}

// Corrects the guesses of some samples by comparison with the knots; a NaN keeps its interval.
template <class T>
void correct(const Grid<T>& grid, const T* inside, int64_t samples, int32_t* place) {
  const T* breaks = grid.breaks;
  const int32_t top = int32_t(grid.size - 1);
  for (int64_t b = 0; b < samples; b++) {
    const T x = inside[b];
    int32_t m = place[b];
    m -= int32_t(x < breaks[m]) & int32_t(m > 0);
    m += int32_t(x >= breaks[m + 1]) & int32_t(m < top);
    place[b] = m;
  }
}

// Guesses the interval of each point, and compares with the knots only where rounding could change it; 0 for a NaN.
template <class T>
void guess_intervals(const Grid<T>& grid, const T* inside, int64_t samples, int32_t* place) {
  constexpr int lanes = full_lanes<T>;
  constexpr int64_t chunk = 4 * lanes;
  typedef Vector<T, lanes> V;
  typedef Vector<int32_t, lanes> I;
  typedef Vector<typename Bits<T>::type, lanes> M;
  const V low = V{} + grid.low, scale = V{} + grid.per_width, top = V{} + T(grid.size - 1);
  const V near = V{} + grid.margin, far = T(1) - near;
  for (int64_t first = 0; first < samples; first += chunk) {
    M doubt = M{};
    for (int64_t b = first; b < first + chunk; b += lanes) {  // up to a chunk beyond the end: the arrays are padded
      const V x = load<V>(inside + b);
      const V at = (x - low) * scale;
      V guess = at > T(0) ? at : V{};  // 0 for a NaN too
      guess = guess < top ? guess : top;
      const I whole = __builtin_convertvector(guess, I);
      const V floor = __builtin_convertvector(whole, V);
      const V rest = at - floor;
      doubt |= ((rest < near) & (floor > T(0))) | ((rest > far) & (floor < top));
      store(place + b, whole);
    }
    if (any<lanes>(doubt))
      correct(grid, inside + first, samples - first < chunk ? samples - first : chunk, place + first);
  }
}

// Finds the interval of each point by bisection, for knots of any spacing.
template <class T>
void bisect_intervals(const Grid<T>& grid, const T* inside, int64_t samples, int32_t* place) {
  const T* breaks = grid.breaks;
  for (int64_t b = 0; b < samples; b++) place[b] = 0;
  for (int64_t left = grid.size; left > 1;) {
    int32_t half = int32_t(left / 2);
    for (int64_t b = 0; b < samples; b++) {
      int32_t middle = place[b] + half;
      place[b] = breaks[middle] <= inside[b] ? middle : place[b];
    }
    left -= half;
  }
}

// Fills inside, place and outside from x.
template <class T>
EDGEWISE_SHARED void locate(const Grid<T>& grid, Samples<T>& samples) {
  const T low = grid.low, high = grid.high, *x = samples.x;
  T* to = samples.inside;
  int32_t beyond = 0;
  for (int64_t b = 0; b < samples.count; b++) {
    const T value = x[b];
    T inside = value < low ? low : value;
    inside = inside > high ? high : inside;
    beyond |= int32_t(value < low) | int32_t(value > high);
    to[b] = inside;
  }
  samples.outside = beyond != 0;
  if (grid.nearly_even)
    guess_intervals(grid, to, samples.count, samples.place);
  else
    bisect_intervals(grid, to, samples.count, samples.place);
}

// A counting sort of the samples by interval.
template <class T>
EDGEWISE_SHARED void group(const Samples<T>& samples, int64_t intervals, Runs& runs) {
  int32_t* counts = runs.counts;
  const int32_t* place = samples.place;
  __builtin_memset(counts, 0, size_t(intervals) * sizeof(int32_t));
  for (int64_t b = 0; b < samples.count; b++) counts[place[b]]++;
  int64_t count = 0;
  int32_t position = 0;
  for (int64_t m = 0; m < intervals; m++) {
    int32_t here = counts[m];
    counts[m] = position;
    runs.interval[count] = int32_t(m);
    runs.begin[count] = position;
    count += here != 0;
    position += here;
  }
  runs.begin[count] = position;
  runs.count = count;
  for (int64_t b = 0; b < samples.count; b++) runs.row[counts[place[b]]++] = int32_t(b);
  for (int64_t k = 0; k < samples_ahead; k++) runs.row[samples.count + k] = 0;
}

}  // namespace edgewise::EDGEWISE_VARIANT
