// The working memory of one part of a call, and the first steps of every contraction: locating samples, basis values.
#pragma once
#include "tiles.h"

#include <stdlib.h>

namespace edgewise::EDGEWISE_VARIANT {

constexpr int64_t padding = 64;   // numbers beyond the end that vectors may touch
static_assert(padding >= samples_ahead, "so many rows beyond the last one are fetched ahead");
constexpr int64_t own_rows = 16;  // up to so many intervals each sums a narrow layer's gradient in separate rows
constexpr int64_t together = 16;  // inputs whose columns are read, or written, in one pass over the rows

// Returns whether all outputs fit one vector; then sorting the samples does not pay.
template <class T>
bool is_narrow(const Problem& problem) {
  return padded<T>(problem.outputs) <= full_lanes<T>;
}

// Returns whether the layer has a base function.
inline bool is_based(const Problem& problem) { return problem.base_kind != no_base; }

// Returns the number of samples in a block, for `threads` parts of at least one block. Narrow layers: half the batch,
// so that working arrays are small compared with the results, but enough samples to share the work per block and
// interval. Wide layers: the rows of y or u of a block stay in the second-level cache for all inputs. Each block reads
// all coefficients, and adds to all of their gradient; where these are far larger than that cache, blocks of twice the
// size took a quarter less time (batch 1,024, 256 -> 256 at grid 200, cache of 1 MB), and more did not help. "Far
// larger" is a choice, four times that cache: the size at which the larger blocks begin to help has not been sought.
template <class T>
int64_t block_of(const Problem& problem, int threads) {
  int64_t samples;
  if (is_narrow<T>(problem)) {
    samples = problem.batch / 2 > 5 * problem.functions / 2 ? problem.batch / 2 : 5 * problem.functions / 2;
    if (samples > 4096) samples = 4096;
  } else {
    const int64_t row = padded<T>(problem.outputs) * int64_t(sizeof(T));
    const bool large = problem.inputs * problem.functions * row > (int64_t(4) << 20);
    samples = (int64_t(large ? 1024 : 512) << 10) / row;
    if (samples > 2048) samples = 2048;
  }
  const int64_t share = (problem.batch + threads - 1) / threads;
  if (threads > 1 && samples > share) samples = share;
  return samples < 256 ? 256 : samples;
}

// All working memory of one part, from one allocation; every array starts on a cache line.
template <class T>
class Scratch {
 public:
  Scratch(const Problem& problem, bool pad_rows, bool gradients) {
    measure(problem, pad_rows, gradients);
    memory_ = static_cast<char*>(malloc(used_ + 64));
    if (!memory_) return;
    next_ = memory_ + (64 - reinterpret_cast<uintptr_t>(memory_) % 64) % 64;
    measure(problem, pad_rows, gradients);
  }
  ~Scratch() { free(memory_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  explicit operator bool() const { return memory_ != nullptr; }

  Samples<T> samples;
  Runs runs;
  Pieces<T> pieces;
  Weights<T> values, slopes;
  T *t, *columns, *sums, *padded_rows;
  T* polynomials;                          // layers of one output
  T *coef, *base, *grad_coef, *grad_base;  // narrow layers, in padded rows; coef and grad_coef may be one array
  int64_t pitch;                           // of columns

 private:
  char *memory_ = nullptr, *next_ = nullptr;
  size_t used_ = 0;

  // Takes the next array of `count` numbers; null in the first round, which only adds up the sizes.
  template <class N>
  void take(N*& array, int64_t count) {
    const size_t bytes = (size_t(count) * sizeof(N) + 63) / 64 * 64;
    array = reinterpret_cast<N*>(next_);
    if (next_) next_ += bytes;
    used_ += bytes;
  }

  void measure(const Problem& problem, bool pad_rows, bool gradients) {
    const int64_t K = problem.degree + 1, L = weight_lanes_of(problem.degree);
    const int64_t intervals = problem.functions - problem.degree;
    const int64_t most = problem.block < problem.batch ? problem.block : problem.batch, room = most + padding;
    const int64_t inputs = problem.inputs < together ? problem.inputs : together;
    const int64_t most_pieces = (intervals < most ? intervals : most) + 1, wide = padded<T>(problem.outputs);
    const bool narrow = is_narrow<T>(problem);
    pitch = room;
    take(columns, inputs * room);
    take(samples.inside, room);
    take(samples.place, room);
    take(t, room);
    take(values.spline, room * L);
    take(values.base, room);
    if (gradients) {
      slopes.spline = values.spline;  // computed after the last use of the values
      take(slopes.base, room);
      sums = values.spline;  // in a narrow layer the sum of a sample overwrites its weights
      if (!narrow) take(sums, room * least_lanes<T>);
    }
    take(padded_rows, pad_rows ? most * wide : 0);
    take(pieces.table, most_pieces * K * L);
    take(pieces.per_width, most_pieces);
    take(pieces.numbers, room);
    const int64_t derived = most_pieces * K * L, parameters = (problem.functions + L) * wide;
    const bool own = wide > 1 && intervals <= own_rows;
    if (!narrow || wide == 1) {
      take(pieces.derived, derived);
    } else {  // pieces of a derivative, gradients and parameters are used one after the other
      const int64_t gradient = gradients ? (own ? intervals * K : problem.functions) * wide : 0;
      const int64_t longest = own ? gradient : parameters;
      take(pieces.derived, derived > longest ? derived : longest);
      grad_coef = coef = pieces.derived;
    }
    if (narrow) {
      if (own || wide == 1) take(coef, parameters);
      if (wide == 1) take(grad_coef, gradients ? problem.functions : 0);
      take(base, wide);
      take(grad_base, wide);
      take(polynomials, wide == 1 ? intervals * L : 0);
    } else {
      take(runs.interval, most_pieces + 1);
      take(runs.begin, most_pieces + 1);
      take(runs.counts, intervals);
      take(runs.row, room);
    }
  }
};

// One block of samples.
struct Block {
  int64_t begin, samples;
};

inline Block block_at(const Problem& problem, int64_t index) {
  const int64_t begin = index * problem.block, left = problem.batch - begin;
  return {begin, left < problem.block ? left : problem.block};
}

// Copies `count` columns of x from `input` on, so that each is contiguous.
template <class T>
EDGEWISE_SHARED void read_columns(const Problem& problem, const Block& block, int64_t input, int64_t count,
                                  Scratch<T>& scratch) {
  const T* x = static_cast<const T*>(problem.x) + block.begin * problem.x_row + input * problem.x_column;
  if (problem.x_column == 1) return transpose(x, problem.x_row, block.samples, count, scratch.columns, scratch.pitch);
  for (int64_t i = 0; i < count; i++)
    for (int64_t b = 0; b < block.samples; b++)
      scratch.columns[i * scratch.pitch + b] = x[b * problem.x_row + i * problem.x_column];
}

// Writes the gradient by x, which has overwritten the columns, to its array.
template <class T>
EDGEWISE_SHARED void write_columns(const Problem& problem, const Block& block, int64_t input, int64_t count,
                                   Scratch<T>& scratch) {
  T* grad = static_cast<T*>(problem.grad_x) + block.begin * problem.inputs + input;
  transpose(scratch.columns, scratch.pitch, count, block.samples, grad, problem.inputs);
}

// Locates the samples of one input (column `at` of those read) and makes its polynomial pieces.
template <class T>
EDGEWISE_SHARED void prepare(const Problem& problem, const Block& block, int64_t input, int64_t at,
                             Scratch<T>& scratch) {
  const int64_t knots = problem.functions + problem.degree + 1;
  const Grid<T> grid =
      make_grid(static_cast<const T*>(problem.knots) + input * knots, problem.functions, problem.degree);
  scratch.samples.count = block.samples;
  scratch.samples.x = scratch.columns + at * scratch.pitch;
  locate(grid, scratch.samples);
  for_degree(problem.degree, [&](auto k) { make_pieces<T, k.value>(grid, scratch.samples, scratch.pieces); });
  positions(grid, scratch.samples, scratch.pieces, scratch.t);
}

// Computes the factors of the rows: basis functions times v.
template <class T>
EDGEWISE_SHARED void fill_values(const Problem& problem, const Block& block, int64_t input, Scratch<T>& scratch) {
  T* weight = scratch.values.spline;
  for_degree(problem.degree, [&](auto k) {
    spline_weights<T, k.value>(scratch.samples, scratch.pieces, scratch.t, problem.order, weight);
  });
  if (problem.v) {
    const int64_t L = weight_lanes_of(problem.degree);
    const T* v = static_cast<const T*>(problem.v) + block.begin * problem.v_row + input * problem.v_column;
    for (int64_t b = 0; b < block.samples; b++)
      for (int64_t j = 0; j < L; j++) weight[b * L + j] *= v[b * problem.v_row];
  }
}

// Computes the factors of the rows for the gradient by x, without v.
template <class T>
EDGEWISE_SHARED void fill_slopes(const Problem& problem, Scratch<T>& scratch) {
  for_degree(problem.degree, [&](auto k) {
    spline_weights<T, k.value>(scratch.samples, scratch.pieces, scratch.t, problem.grad_x_order, scratch.slopes.spline);
  });
}

// Returns the mask of one input; null if all its entries are 1.
template <class T>
EDGEWISE_SHARED const T* mask_of(const Problem& problem, int64_t input) {
  if (!problem.mask) return nullptr;
  const T* mask = static_cast<const T*>(problem.mask) + input * problem.outputs;
  bool ones = true;
  for (int64_t o = 0; o < problem.outputs; o++) ones &= mask[o] == 1;
  return ones ? nullptr : mask;
}

}  // namespace edgewise::EDGEWISE_VARIANT
