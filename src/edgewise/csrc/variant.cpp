// Forward and backward of a layer for one instruction set; compiled once for each, see CMakeLists.txt.
#include "problem.h"
#include "tiles.h"
#include "weights.h"

#include <stdlib.h>

namespace edgewise::EDGEWISE_VARIANT {
namespace {

constexpr int64_t padding = 64;  // elements beyond the end that a vector may touch, twice over

template <class T>
int64_t block_of(const Problem& problem) {
  // A block's rows of y or u stay in the second-level cache while every input passes over them.
  int64_t samples = (int64_t(512) << 10) / (padded<T>(problem.outputs) * int64_t(sizeof(T)));
  return samples < 256 ? 256 : samples > 2048 ? 2048 : samples;
}

// All working memory of one part, from one allocation.
template <class T>
class Scratch {
 public:
  Scratch(const Problem& problem, int rows, bool pad_rows) {
    const int64_t block = block_of<T>(problem), intervals = problem.functions - problem.degree;
    const int64_t samples = (block < problem.batch ? block : problem.batch) + padding;
    int64_t most_runs = intervals < samples ? intervals : samples;
    most_runs = (most_runs + padding) / padding * padding;
    const int64_t K = problem.degree + 1, wide = pad_rows ? padded<T>(problem.outputs) : 0;
    const int64_t reals = samples * (6 + 2 * rows) + most_runs * (2 * K * K + 2) + (samples - padding) * wide;
    const int64_t indices = samples * 2 + (most_runs + padding) * 2 + intervals + padding;
    memory_ = static_cast<char*>(malloc(size_t(reals) * sizeof(T) + size_t(indices) * sizeof(int32_t)));
    if (!memory_) return;
    T* real = reinterpret_cast<T*>(memory_);
    auto take = [&real](int64_t count) { T* here = real; real += count; return here; };
    runs.x = take(samples);
    runs.inside = take(samples);
    unsorted = take(samples);
    clamped = take(samples);
    t = take(samples);
    sums = take(samples);
    weight = take(samples * rows);
    slope = take(samples * rows);
    pieces.left = take(most_runs);
    pieces.per_width = take(most_runs);
    pieces.piece = take(most_runs * K * K);
    pieces.derived = take(most_runs * K * K);
    padded_rows = pad_rows ? take((samples - padding) * wide) : nullptr;
    pitch = samples;
    pieces.pitch = most_runs;
    int32_t* index = reinterpret_cast<int32_t*>(real);
    runs.row = index;
    runs.place = runs.row + samples;
    runs.interval = runs.place + samples;
    runs.begin = runs.interval + most_runs + padding;
    runs.counts = runs.begin + most_runs + padding;
  }
  ~Scratch() { free(memory_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  explicit operator bool() const { return memory_ != nullptr; }

  Runs<T> runs;
  Pieces<T> pieces;
  T *unsorted, *clamped, *t, *sums, *weight, *slope, *padded_rows;
  int64_t pitch;

 private:
  char* memory_;
};

// One input's samples of a block: grouped, with their pieces and positions.
template <class T, int K>
void prepare(const Problem& problem, int64_t begin, int64_t samples, int64_t input, Scratch<T>& scratch) {
  const int64_t knots = problem.functions + problem.degree + 1;
  const Grid<T> grid =
      make_grid(static_cast<const T*>(problem.knots) + input * knots, problem.functions, problem.degree);
  const T* x = static_cast<const T*>(problem.x) + begin * problem.x_row + input * problem.x_column;
  group(grid, x, problem.x_row, samples, scratch.unsorted, scratch.clamped, scratch.runs);
  make_pieces<T, K>(grid, scratch.runs, scratch.pieces);
  positions(scratch.pieces, scratch.runs, scratch.t);
}

// The active functions of every sample, all orders, and the intervals.
template <class T, int K>
int basis(const Problem& problem, const Part& part) {
  const int64_t block = block_of<T>(problem);
  Scratch<T> scratch(problem, K, false);
  if (!scratch) return 1;
  const Runs<T>& runs = scratch.runs;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const int64_t begin = index * block;
    const int64_t samples = problem.batch - begin < block ? problem.batch - begin : block;
    for (int64_t input = 0; input < problem.inputs; input++) {
      prepare<T, K>(problem, begin, samples, input, scratch);
      int64_t* interval = problem.interval + begin * problem.inputs + input;
      for (int64_t r = 0; r < runs.count; r++)
        for (int32_t p = runs.begin[r]; p < runs.begin[r + 1]; p++)
          interval[runs.row[p] * problem.inputs] = runs.interval[r];
      for (int order = 0; order <= problem.order; order++) {
        spline_weights<T, K>(scratch.pieces, runs, scratch.t, order, scratch.weight, scratch.pitch);
        T* values = static_cast<T*>(problem.values) + ((order * problem.batch + begin) * problem.inputs + input) * K;
        for (int64_t p = 0; p < samples; p++) {
          T* to = values + runs.row[p] * problem.inputs * K;
          for (int j = 0; j < K; j++) to[j] = scratch.weight[j * scratch.pitch + p];
        }
      }
    }
  }
  return 0;
}

// Weights of the rows: splines times v, then the base function.
template <class T, int K, bool based>
void fill_weights(const Problem& problem, int64_t begin, int64_t input, Scratch<T>& scratch) {
  const Runs<T>& runs = scratch.runs;
  spline_weights<T, K>(scratch.pieces, runs, scratch.t, problem.order, scratch.weight, scratch.pitch);
  if (problem.v) {
    const T* v = static_cast<const T*>(problem.v) + begin * problem.v_row + input * problem.v_column;
    for (int64_t p = 0; p < runs.samples; p++) {
      T factor = v[runs.row[p] * problem.v_row];
      for (int j = 0; j < K; j++) scratch.weight[j * scratch.pitch + p] *= factor;
    }
  }
  if (based) base_weights(problem.base_kind, false, runs, scratch.weight + K * scratch.pitch);
}

template <class T>
Rows<T> rows_of(const Problem& problem, const void* coef, int64_t stride_input, int64_t stride, const void* base,
                int64_t input) {
  Rows<T> rows;
  rows.coef = const_cast<T*>(static_cast<const T*>(coef)) + input * stride_input;
  rows.stride = stride;
  rows.base = base ? const_cast<T*>(static_cast<const T*>(base)) + input * problem.outputs : nullptr;
  rows.mask = problem.mask ? static_cast<const T*>(problem.mask) + input * problem.outputs : nullptr;
  return rows;
}

template <class T, int K, bool based>
int forward(const Problem& problem, const Part& part) {
  constexpr int R = K + based;
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs), block = block_of<T>(problem);
  const bool pad = wide != outputs;
  Scratch<T> scratch(problem, R, pad);
  if (!scratch) return 1;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const int64_t begin = index * block;
    const int64_t samples = problem.batch - begin < block ? problem.batch - begin : block;
    T* y = static_cast<T*>(problem.y) + begin * outputs;
    T* sums = pad ? scratch.padded_rows : y;
    for (int64_t k = 0; k < samples * wide; k++) sums[k] = 0;
    for (int64_t input = 0; input < problem.inputs; input++) {
      prepare<T, K>(problem, begin, samples, input, scratch);
      fill_weights<T, K, based>(problem, begin, input, scratch);
      const Rows<T> rows =
          rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
      for_tiles<T, R, based>(outputs, [&](auto kind, Columns columns) {
        decltype(kind)::type::to_output(scratch.runs, scratch.weight, scratch.pitch, rows, columns, sums, wide);
      });
    }
    if (pad)
      for (int64_t b = 0; b < samples; b++)
        for (int64_t o = 0; o < outputs; o++) y[b * outputs + o] = sums[b * wide + o];
  }
  return 0;
}

// The gradient of x's column, from sums over outputs.
template <class T, int K, bool based>
void backward_x(const Problem& problem, int64_t begin, int64_t input, const T* u, int64_t u_row, Scratch<T>& scratch) {
  constexpr int R = K + based;
  const Runs<T>& runs = scratch.runs;
  spline_weights<T, K>(scratch.pieces, runs, scratch.t, problem.grad_x_order, scratch.slope, scratch.pitch);
  if (based) base_weights(problem.base_kind, true, runs, scratch.slope + K * scratch.pitch);
  const Rows<T> rows =
      rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
  for (int64_t p = 0; p < runs.samples; p++) scratch.sums[p] = 0;
  for_tiles<T, R, based>(problem.outputs, [&](auto kind, Columns columns) {
    decltype(kind)::type::to_input(runs, scratch.slope, scratch.pitch, rows, columns, u, u_row, scratch.sums);
  });
  T* grad = static_cast<T*>(problem.grad_x) + begin * problem.inputs + input;
  for (int64_t p = 0; p < runs.samples; p++) grad[runs.row[p] * problem.inputs] = scratch.sums[p];
}

template <class T, int K, bool based>
void backward_coef(const Problem& problem, int64_t begin, int64_t input, const T* u, int64_t u_row, bool first,
                   Scratch<T>& scratch) {
  constexpr int R = K + based;
  const int64_t size = problem.functions * problem.outputs;
  const Rows<T> grads = rows_of<T>(problem, problem.grad_coef, size, problem.outputs, problem.grad_base, input);
  if (first) {
    for (int64_t k = 0; k < size; k++) grads.coef[k] = 0;
    if (based)
      for (int64_t o = 0; o < problem.outputs; o++) grads.base[o] = 0;
  }
  fill_weights<T, K, based>(problem, begin, input, scratch);
  for_tiles<T, R, based>(problem.outputs, [&](auto kind, Columns columns) {
    decltype(kind)::type::to_coef(scratch.runs, scratch.weight, scratch.pitch, grads, columns, u, u_row);
  });
}

// Gradients by x, coef and base. A part that wants coef's gradient holds all blocks: the order of sums is one.
template <class T, int K, bool based>
int backward(const Problem& problem, const Part& part) {
  constexpr int R = K + based;
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs), block = block_of<T>(problem);
  const bool pad = wide != outputs;
  Scratch<T> scratch(problem, R, pad);
  if (!scratch) return 1;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const int64_t begin = index * block;
    const int64_t samples = problem.batch - begin < block ? problem.batch - begin : block;
    const T* u = static_cast<const T*>(problem.u) + begin * problem.u_row;
    int64_t u_row = problem.u_row;
    if (pad) {
      for (int64_t b = 0; b < samples; b++) {
        for (int64_t o = 0; o < outputs; o++) scratch.padded_rows[b * wide + o] = u[b * u_row + o];
        for (int64_t o = outputs; o < wide; o++) scratch.padded_rows[b * wide + o] = 0;
      }
      u = scratch.padded_rows;
      u_row = wide;
    }
    for (int64_t input = part.input_begin; input < part.input_end; input++) {
      prepare<T, K>(problem, begin, samples, input, scratch);
      if (problem.grad_coef)
        backward_coef<T, K, based>(problem, begin, input, u, u_row, index == part.block_begin, scratch);
      if (problem.grad_x) backward_x<T, K, based>(problem, begin, input, u, u_row, scratch);
    }
  }
  return 0;
}

template <class T>
int forward_any(const Problem& problem, const Part& part) {
  static constexpr int (*table[2][6])(const Problem&, const Part&) = {
      {forward<T, 1, false>, forward<T, 2, false>, forward<T, 3, false>, forward<T, 4, false>, forward<T, 5, false>,
       forward<T, 6, false>},
      {forward<T, 1, true>, forward<T, 2, true>, forward<T, 3, true>, forward<T, 4, true>, forward<T, 5, true>,
       forward<T, 6, true>}};
  return table[problem.base_kind != no_base][problem.degree](problem, part);
}

template <class T>
int backward_any(const Problem& problem, const Part& part) {
  static constexpr int (*table[2][6])(const Problem&, const Part&) = {
      {backward<T, 1, false>, backward<T, 2, false>, backward<T, 3, false>, backward<T, 4, false>,
       backward<T, 5, false>, backward<T, 6, false>},
      {backward<T, 1, true>, backward<T, 2, true>, backward<T, 3, true>, backward<T, 4, true>, backward<T, 5, true>,
       backward<T, 6, true>}};
  return table[problem.base_kind != no_base][problem.degree](problem, part);
}

template <class T>
int basis_any(const Problem& problem, const Part& part) {
  static constexpr int (*table[6])(const Problem&, const Part&) = {basis<T, 1>, basis<T, 2>, basis<T, 3>,
                                                                   basis<T, 4>, basis<T, 5>, basis<T, 6>};
  return table[problem.degree](problem, part);
}

int64_t block_size(const Problem& problem, int is_double) {
  return is_double ? block_of<double>(problem) : block_of<float>(problem);
}

}  // namespace

#define EDGEWISE_TEXT_OF(name) #name
#define EDGEWISE_TEXT(name) EDGEWISE_TEXT_OF(name)
extern const Variant variant;
const Variant variant = {EDGEWISE_TEXT(EDGEWISE_VARIANT), block_size, {forward_any<float>, forward_any<double>},
                         {backward_any<float>, backward_any<double>}, {basis_any<float>, basis_any<double>}};

}  // namespace edgewise::EDGEWISE_VARIANT
