// Forward and backward of a layer for one instruction set; compiled once for each, see CMakeLists.txt.
#include "narrow.h"
#include "single_layer.h"

namespace edgewise::EDGEWISE_VARIANT {
namespace {

// Calls act(Kind<Narrow<...>>) for the vector that holds all outputs.
template <class T, int K, bool based, class Act>
EDGEWISE_INLINE void for_narrow(int64_t outputs, const Act& act) {
  constexpr int lanes = full_lanes<T>, least = least_lanes<T>;
  const int64_t wide = padded<T>(outputs);
  if constexpr (lanes >= 4 * least) {
    if (wide == lanes / 4) return act(Kind<Narrow<T, lanes / 4, K, based>>());
  }
  if constexpr (lanes >= 2 * least) {
    if (wide == lanes / 2) return act(Kind<Narrow<T, lanes / 2, K, based>>());
  }
  act(Kind<Narrow<T, lanes, K, based>>());
}

template <class T>
Rows<T> rows_of(const Problem& problem, const void* coef, int64_t stride_input, int64_t stride, const void* base,
                int64_t input) {
  Rows<T> rows;
  rows.coef = const_cast<T*>(static_cast<const T*>(coef)) + input * stride_input;
  rows.stride = stride;
  rows.functions = problem.functions;
  rows.base = base ? const_cast<T*>(static_cast<const T*>(base)) + input * problem.outputs : nullptr;
  rows.mask = mask_of<T>(problem, input);
  rows.fresh = false;
  return rows;
}

// One input's part of y, which has rows of `wide` numbers.
template <class T, int K, bool based>
void add_input(const Problem& problem, int64_t input, Scratch<T, K>& scratch, T* y, int64_t wide) {
  if (is_narrow<T>(problem)) {
    copy_parameters(problem, input, scratch);
    for_narrow<T, K, based>(problem.outputs, [&](auto kind) {
      decltype(kind)::type::to_output(scratch.samples, scratch.values, scratch.coef, scratch.base, y);
    });
    return;
  }
  group(scratch.samples, problem.functions - problem.degree, scratch.runs);
  const Rows<T> rows =
      rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
  for_tiles<T, K, based>(problem.outputs, [&](auto kind, Columns columns) {
    decltype(kind)::type::to_output(scratch.runs, scratch.values, rows, columns, y, wide);
  });
}

template <class T, int K, bool based>
int forward(const Problem& problem, const Part& part) {
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs);
  const bool pad = wide != outputs;
  Scratch<T, K> scratch(problem, pad, false);
  if (!scratch) return 1;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const Block block = block_at(problem, index);
    T* y = static_cast<T*>(problem.y) + block.begin * outputs;
    T* sums = pad ? scratch.padded_rows : y;
    for (int64_t k = 0; k < block.samples * wide; k++) sums[k] = 0;
    for (int64_t first = 0; first < problem.inputs; first += together) {
      const int64_t count = problem.inputs - first < together ? problem.inputs - first : together;
      read_columns(problem, block, first, count, scratch);
      for (int64_t at = 0; at < count; at++) {
        prepare(problem, block, first + at, at, scratch);
        if (based) base_weights<T>(problem.base_kind, scratch.samples, scratch.values.base, nullptr);
        if (wide == 1) {
          single_forward<T, K, based>(problem, block, first + at, scratch, sums);
        } else {
          fill_values(problem, block, first + at, scratch);
          add_input<T, K, based>(problem, first + at, scratch, sums, wide);
        }
      }
    }
    if (pad)
      for (int64_t b = 0; b < block.samples; b++)
        for (int64_t o = 0; o < outputs; o++) y[b * outputs + o] = sums[b * wide + o];
  }
  return 0;
}

// The gradient of x's column, from sums over outputs.
template <class T, int K, bool based>
void backward_x(const Problem& problem, int64_t input, const T* u, int64_t u_row, Scratch<T, K>& scratch, T* result) {
  if (problem.outputs == 1) return single_backward_x<T, K, based>(problem, input, u, scratch, result);
  constexpr int64_t least = least_lanes<T>;
  const int64_t samples = scratch.samples.count;
  T* sums = scratch.sums;
  fill_slopes(problem, scratch);
  if (is_narrow<T>(problem)) {
    copy_parameters(problem, input, scratch);
    for_narrow<T, K, based>(problem.outputs, [&](auto kind) {
      decltype(kind)::type::to_input(scratch.samples, scratch.slopes, scratch.coef, scratch.base, u, sums);
    });
  } else {
    const Rows<T> rows =
        rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
    for (int64_t k = 0; k < samples * least; k++) sums[k] = 0;
    for_tiles<T, K, based>(problem.outputs, [&](auto kind, Columns columns) {
      decltype(kind)::type::to_input(scratch.runs, scratch.slopes, rows, columns, u, u_row, sums);
    });
  }
  for (int64_t b = 0; b < samples; b++) {
    T total = 0;
    for (int64_t k = 0; k < least; k++) total += sums[b * least + k];
    result[b] = total;
  }
}

// Adds `count` numbers, masked, to a gradient in memory.
template <class T>
EDGEWISE_INLINE void add_to(const T* from, const Rows<T>& grads, int64_t count, T* to) {
  if (grads.fresh)
    for (int64_t o = 0; o < count; o++) to[o] = grads.mask ? from[o] * grads.mask[o] : from[o];
  else
    for (int64_t o = 0; o < count; o++) to[o] += grads.mask ? from[o] * grads.mask[o] : from[o];
}

// Adds a narrow input's gradient, which stands in padded rows, `step` of them per interval, to the one in memory.
template <class T, int K, bool based>
void add_gradients(const Rows<T>& grads, int64_t outputs, int64_t wide, int64_t step, int64_t intervals,
                   const Scratch<T, K>& scratch) {
  const T* rows = scratch.grad_coef;
  if (step != 1) {
    rows = scratch.coef;
    for (int64_t k = 0; k < grads.functions * wide; k++) scratch.coef[k] = 0;
    for (int64_t j = 0; j < K; j++)
      for (int64_t m = 0; m < intervals; m++)
        for (int64_t o = 0; o < wide; o++)
          scratch.coef[(m + j) * wide + o] += scratch.grad_coef[(m * step + j) * wide + o];
  }
  if (wide == outputs && !grads.mask)
    add_to(rows, grads, grads.functions * outputs, grads.coef);
  else
    for (int64_t g = 0; g < grads.functions; g++) add_to(rows + g * wide, grads, outputs, grads.coef + g * outputs);
  if (based) add_to(scratch.grad_base, grads, outputs, grads.base);
}

template <class T, int K, bool based>
void backward_coef(const Problem& problem, const Block& block, int64_t input, const T* u, int64_t u_row, bool first,
                   Scratch<T, K>& scratch) {
  const int64_t outputs = problem.outputs, size = problem.functions * outputs;
  Rows<T> grads = rows_of<T>(problem, problem.grad_coef, size, outputs, problem.grad_base, input);
  grads.fresh = first;
  const int64_t wide = padded<T>(outputs), intervals = problem.functions - problem.degree;
  if (wide == 1) {
    single_backward_coef<T, K, based>(problem, block, input, u, scratch);
    return add_gradients<T, K, based>(grads, outputs, wide, 1, intervals, scratch);
  }
  fill_values(problem, block, input, scratch);
  if (!is_narrow<T>(problem)) {
    for_tiles<T, K, based>(outputs, [&](auto kind, Columns columns) {
      decltype(kind)::type::to_coef(scratch.runs, scratch.values, grads, columns, u, u_row);
    });
    return;
  }
  const int64_t step = intervals <= own_rows ? K : 1;
  const int64_t rows = step == 1 ? problem.functions : intervals * step;
  for (int64_t k = 0; k < rows * wide; k++) scratch.grad_coef[k] = 0;
  for (int64_t o = 0; o < wide; o++) scratch.grad_base[o] = 0;
  for_narrow<T, K, based>(outputs, [&](auto kind) {
    decltype(kind)::type::to_coef(scratch.samples, scratch.values, step, u, scratch.grad_coef, scratch.grad_base);
  });
  add_gradients<T, K, based>(grads, outputs, wide, step, intervals, scratch);
}

// Gradients by x, coef and base. A part that wants coef's gradient holds all blocks: the order of sums is one.
template <class T, int K, bool based>
int backward(const Problem& problem, const Part& part) {
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs);
  const bool pad = wide != outputs || (is_narrow<T>(problem) && problem.u_row != wide);
  Scratch<T, K> scratch(problem, pad, true);
  if (!scratch) return 1;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const Block block = block_at(problem, index);
    const T* u = static_cast<const T*>(problem.u) + block.begin * problem.u_row;
    int64_t u_row = problem.u_row;
    if (pad) {
      copy_rows<T>(u, u_row, block.samples, nullptr, outputs, wide, scratch.padded_rows);
      u = scratch.padded_rows;
      u_row = wide;
    }
    for (int64_t first = part.input_begin; first < part.input_end; first += together) {
      const int64_t count = part.input_end - first < together ? part.input_end - first : together;
      read_columns(problem, block, first, count, scratch);
      for (int64_t at = 0; at < count; at++) {
        prepare(problem, block, first + at, at, scratch);
        if (based)
          base_weights<T>(problem.base_kind, scratch.samples, problem.grad_coef ? scratch.values.base : nullptr,
                          problem.grad_x ? scratch.slopes.base : nullptr);
        if (wide == 1)
          Single<T, K>::fill_group(scratch.samples, scratch.pieces, scratch.t);
        else if (!is_narrow<T>(problem))
          group(scratch.samples, problem.functions - problem.degree, scratch.runs);
        if (problem.grad_coef)
          backward_coef<T, K, based>(problem, block, first + at, u, u_row, index == part.block_begin, scratch);
        if (problem.grad_x)
          backward_x<T, K, based>(problem, first + at, u, u_row, scratch, scratch.columns + at * scratch.pitch);
      }
      if (problem.grad_x) write_columns(problem, block, first, count, scratch);
    }
  }
  return 0;
}

// The active functions of every sample, all orders, and the intervals.
template <class T, int K>
int basis(const Problem& problem, const Part& part) {
  constexpr int L = weight_lanes<K>;
  Scratch<T, K> scratch(problem, false, false);
  if (!scratch) return 1;
  const int64_t inputs = problem.inputs;
  for (int64_t index = part.block_begin; index < part.block_end; index++) {
    const Block block = block_at(problem, index);
    for (int64_t first = 0; first < inputs; first += together) {
      const int64_t count = inputs - first < together ? inputs - first : together;
      read_columns(problem, block, first, count, scratch);
      for (int64_t at = 0; at < count; at++) {
        const int64_t input = first + at;
        prepare(problem, block, input, at, scratch);
        int64_t* interval = problem.interval + block.begin * inputs + input;
        for (int64_t b = 0; b < block.samples; b++) interval[b * inputs] = scratch.samples.place[b];
        for (int order = 0; order <= problem.order; order++) {
          T* weight = scratch.values.spline;
          spline_weights<T, K>(scratch.samples, scratch.pieces, scratch.t, order, weight);
          T* to = static_cast<T*>(problem.values) + ((order * problem.batch + block.begin) * inputs + input) * K;
          for (int64_t b = 0; b < block.samples; b++)
            for (int j = 0; j < K; j++) to[b * inputs * K + j] = weight[b * L + j];
        }
      }
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

int64_t block_size(const Problem& problem, int is_double, int threads) {
  return is_double ? block_of<double>(problem, threads) : block_of<float>(problem, threads);
}

}  // namespace

#define EDGEWISE_TEXT_OF(name) #name
#define EDGEWISE_TEXT(name) EDGEWISE_TEXT_OF(name)
extern const Variant variant;
const Variant variant = {EDGEWISE_TEXT(EDGEWISE_VARIANT),
                         block_size,
                         {forward_any<float>, forward_any<double>},
                         {backward_any<float>, backward_any<double>},
                         {basis_any<float>, basis_any<double>}};

}  // namespace edgewise::EDGEWISE_VARIANT
