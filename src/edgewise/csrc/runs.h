// The samples of one block and one input, grouped by knot interval: location and a counting sort.
#pragma once
#include "problem.h"
#include "vectors.h"

namespace edgewise::EDGEWISE_VARIANT {

// The grid of one input: its knots and how they may be used.
template <class T>
struct Grid {
  const T* knots;   // all of them
  const T* breaks;  // the size + 1 ends of intervals
  int64_t size;     // intervals
  T low, high, per_width;
  bool nearly_even;  // the interval of a point can be guessed, to one interval
  bool even;         // one polynomial table serves every interval
};

// Samples sorted by interval: run r has interval[r] and the samples begin[r] .. begin[r + 1] - 1 of the sorted order.
template <class T>
struct Runs {
  int64_t samples, count;
  int32_t* interval;
  int32_t* begin;
  int32_t* row;    // within the block, by sorted position
  T* x;            // as it came, by sorted position
  T* inside;       // clamped to the domain
  bool outside;    // any sample beyond the domain
  int32_t* place;  // scratch: interval of each row
  int32_t* counts;  // scratch: (intervals + 1)
};

template <class T>
constexpr T epsilon = sizeof(T) == 4 ? T(1.1920929e-7) : T(2.220446049250313e-16);

template <class T>
Grid<T> make_grid(const T* knots, int64_t functions, int degree) {
  Grid<T> grid;
  grid.knots = knots;
  grid.breaks = knots + degree;
  grid.size = functions - degree;
  grid.low = grid.breaks[0];
  grid.high = grid.breaks[grid.size];
  T width = (grid.high - grid.low) / T(grid.size);
  grid.per_width = 1 / width;
  T off = 0;
  bool broken = false;
  int64_t last = functions + degree;
  for (int64_t k = 0; k <= last; k++) {
    T distance = __builtin_fabs(double(knots[k] - (grid.low + T(k - degree) * width)));
    off = distance > off ? distance : off;
    broken |= !(distance < T(1e30));  // a NaN among the knots
  }
  // Guesses need room for T's rounding of positions among so many intervals.
  grid.nearly_even = !broken && off < width / 4 && grid.size < (1 << 20);
  // Beyond this the widths' rounding would show in float32: 6e-6 at 200 intervals of [-1, 1].
  grid.even = !broken && off <= 16 * epsilon<T> * width;
  return grid;
}

// Interval of each point by a guess that is put right against the knots themselves; a NaN gets 0.
template <class T>
void guess_intervals(const Grid<T>& grid, const T* inside, int64_t samples, int32_t* place) {
  const T low = grid.low, scale = grid.per_width, last = T(grid.size - 1);
  const T* breaks = grid.breaks;
  const int32_t top = int32_t(grid.size - 1);
  for (int64_t b = 0; b < samples; b++) {
    T x = inside[b];
    T guess = x > low ? (x - low) * scale : T(0);
    guess = guess < last ? guess : last;
    int32_t m = int32_t(guess);
    m -= int32_t(x < breaks[m]) & int32_t(m > 0);
    m += int32_t(x >= breaks[m + 1]) & int32_t(m < top);
    place[b] = m;
  }
}

// The same by bisection, for knots of any spacing.
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

// Fills `runs` with the block's samples x[0], x[stride], ...; `unsorted` is scratch for `samples` numbers.
template <class T>
void group(const Grid<T>& grid, const T* x, int64_t stride, int64_t samples, T* unsorted, T* clamped, Runs<T>& runs) {
  const T low = grid.low, high = grid.high;
  int32_t beyond = 0;
  for (int64_t b = 0; b < samples; b++) unsorted[b] = x[b * stride];
  for (int64_t b = 0; b < samples; b++) {
    T value = unsorted[b];
    T inside = value < low ? low : value;
    inside = inside > high ? high : inside;
    beyond |= int32_t(value < low) | int32_t(value > high);
    clamped[b] = inside;
  }
  runs.samples = samples;
  runs.outside = beyond != 0;
  if (grid.nearly_even)
    guess_intervals(grid, clamped, samples, runs.place);
  else
    bisect_intervals(grid, clamped, samples, runs.place);
  int32_t* counts = runs.counts;
  __builtin_memset(counts, 0, size_t(grid.size) * sizeof(int32_t));
  for (int64_t b = 0; b < samples; b++) counts[runs.place[b]]++;
  int64_t count = 0;
  int32_t position = 0;
  for (int64_t m = 0; m < grid.size; m++) {
    int32_t here = counts[m];
    counts[m] = position;
    runs.interval[count] = int32_t(m);
    runs.begin[count] = position;
    count += here != 0;
    position += here;
  }
  runs.begin[count] = position;
  runs.count = count;
  for (int64_t b = 0; b < samples; b++) {
    int32_t to = counts[runs.place[b]]++;
    runs.row[to] = int32_t(b);
    runs.x[to] = unsorted[b];
    runs.inside[to] = clamped[b];
  }
}

}  // namespace edgewise::EDGEWISE_VARIANT
