// Forward and backward pass of a layer, compiled once for each instruction set, see CMakeLists.txt. Loops over blocks
// and inputs are compiled once per number type; only the inner loops also for each degree (`for_degree`).
#include "narrow.h"
#include "single_layer.h"

namespace edgewise::EDGEWISE_VARIANT {
namespace {

template <class T, int K, bool based, class Act>
EDGEWISE_INLINE void for_narrow_of(int64_t wide, const Act& act) {
  constexpr int lanes = full_lanes<T>, least = least_lanes<T>;
  if constexpr (lanes >= 4 * least) {
    if (wide == lanes / 4) return act(Kind<Narrow<T, lanes / 4, K, based>>());
  }
  if constexpr (lanes >= 2 * least) {
    if (wide == lanes / 2) return act(Kind<Narrow<T, lanes / 2, K, based>>());
  }
  act(Kind<Narrow<T, lanes, K, based>>());
}

// Calls act(Kind<Narrow<...>>) for the smallest vector that holds all outputs.
template <class T, class Act>
EDGEWISE_INLINE void for_narrow(const Problem& problem, const Act& act) {
  const int64_t wide = padded<T>(problem.outputs);
  for_degree(problem.degree, [&](auto k) {
    if (is_based(problem))
      for_narrow_of<T, k.value, true>(wide, act);
    else
      for_narrow_of<T, k.value, false>(wide, act);
  });
}

// Calls act(Kind<Tile<...>>, columns) for tiles that cover all outputs.
template <class T, class Act>
EDGEWISE_INLINE void for_tiles(const Problem& problem, const Act& act) {
  for_degree(problem.degree, [&](auto k) {
    if (is_based(problem))
      for_tiles_of<T, k.value, true>(problem.outputs, act);
    else
      for_tiles_of<T, k.value, false>(problem.outputs, act);
  });
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

// Adds the contribution of one input to y, which has rows of `wide` numbers.
template <class T>
EDGEWISE_SHARED void add_input(const Problem& problem, int64_t input, Scratch<T>& scratch, T* y, int64_t wide) {
  if (is_narrow<T>(problem)) {
    copy_parameters(problem, input, scratch);
    for_narrow<T>(problem, [&](auto kind) {
      decltype(kind)::type::to_output(scratch.samples, scratch.values, scratch.coef, scratch.base, y);
    });
    return;
  }
  group(scratch.samples, problem.functions - problem.degree, scratch.runs);
  const Rows<T> rows =
      rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
  for_tiles<T>(problem, [&](auto kind, Columns columns) {
    decltype(kind)::type::to_output(scratch.runs, scratch.values, rows, columns, y, wide);
  });
}

template <class T>
int forward(const Problem& problem, const Part& part) {
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs);
  const bool pad = wide != outputs;
  Scratch<T> scratch(problem, pad, false);
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
        if (is_based(problem))
          base_weights<T, true, false>(problem.base_kind, scratch.samples, scratch.values.base, nullptr);
        if (wide == 1) {
          single_forward<T>(problem, block, first + at, scratch, sums);
        } else {
          fill_values(problem, block, first + at, scratch);
          add_input<T>(problem, first + at, scratch, sums, wide);
        }
      }
    }
    if (pad)
      for (int64_t b = 0; b < block.samples; b++)
        for (int64_t o = 0; o < outputs; o++) y[b * outputs + o] = sums[b * wide + o];
  }
  return 0;
}

// Computes the gradient by one column of x, from sums over outputs.
template <class T>
EDGEWISE_SHARED void backward_x(const Problem& problem, int64_t input, const T* u, int64_t u_row, Scratch<T>& scratch,
                                T* result) {
  if (problem.outputs == 1) return single_backward_x<T>(problem, input, u, scratch, result);
  constexpr int64_t least = least_lanes<T>;
  const int64_t samples = scratch.samples.count;
  T* sums = scratch.sums;
  fill_slopes(problem, scratch);
  if (is_narrow<T>(problem)) {
    copy_parameters(problem, input, scratch);
    for_narrow<T>(problem, [&](auto kind) {
      decltype(kind)::type::to_input(scratch.samples, scratch.slopes, scratch.coef, scratch.base, u, sums);
    });
  } else {
    const Rows<T> rows =
        rows_of<T>(problem, problem.coef, problem.coef_input, problem.coef_function, problem.base, input);
    for (int64_t k = 0; k < samples * least; k++) sums[k] = 0;
    for_tiles<T>(problem, [&](auto kind, Columns columns) {
      decltype(kind)::type::to_input(scratch.runs, scratch.slopes, rows, columns, u, u_row, sums);
    });
  }
  for (int64_t b = 0; b < samples; b++) {
    T total = 0;
    for (int64_t k = 0; k < least; k++) total += sums[b * least + k];
    result[b] = total;
  }
}

// Adds `count` numbers times the mask to a gradient in memory.
template <class T>
EDGEWISE_INLINE void add_to(const T* from, const Rows<T>& grads, int64_t count, T* to) {
  if (grads.fresh)
    for (int64_t o = 0; o < count; o++) to[o] = grads.mask ? from[o] * grads.mask[o] : from[o];
  else
    for (int64_t o = 0; o < count; o++) to[o] += grads.mask ? from[o] * grads.mask[o] : from[o];
}

// Adds the gradient of an input of a narrow layer, in padded rows, `step` of them per interval, to the gradient in
// memory.
template <class T>
EDGEWISE_SHARED void add_gradients(bool based, const Rows<T>& grads, int64_t outputs, int64_t wide, int64_t step,
                                   int64_t intervals, int64_t K, const Scratch<T>& scratch) {
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

template <class T>
EDGEWISE_SHARED void backward_coef(const Problem& problem, const Block& block, int64_t input, const T* u,
                                   int64_t u_row, bool first, Scratch<T>& scratch) {
  const int64_t outputs = problem.outputs, size = problem.functions * outputs;
  Rows<T> grads = rows_of<T>(problem, problem.grad_coef, size, outputs, problem.grad_base, input);
  grads.fresh = first;
  const int64_t wide = padded<T>(outputs), intervals = problem.functions - problem.degree;
  if (wide == 1) {
    single_backward_coef<T>(problem, block, input, u, scratch);
    return add_gradients<T>(is_based(problem), grads, outputs, wide, 1, intervals, problem.degree + 1, scratch);
  }
  fill_values(problem, block, input, scratch);
  if (!is_narrow<T>(problem)) {
    for_tiles<T>(problem, [&](auto kind, Columns columns) {
      decltype(kind)::type::to_coef(scratch.runs, scratch.values, grads, columns, u, u_row);
    });
    return;
  }
  const int64_t step = intervals <= own_rows ? problem.degree + 1 : 1;
  const int64_t rows = step == 1 ? problem.functions : intervals * step;
  for (int64_t k = 0; k < rows * wide; k++) scratch.grad_coef[k] = 0;
  for (int64_t o = 0; o < wide; o++) scratch.grad_base[o] = 0;
  for_narrow<T>(problem, [&](auto kind) {
    decltype(kind)::type::to_coef(scratch.samples, scratch.values, step, u, scratch.grad_coef, scratch.grad_base);
  });
  add_gradients<T>(is_based(problem), grads, outputs, wide, step, intervals, problem.degree + 1, scratch);
}

// The base function and its slope, as far as the gradients need them.
template <class T>
void base_of_backward(const Problem& problem, Scratch<T>& scratch) {
  const Samples<T>& samples = scratch.samples;
  T *value = scratch.values.base, *slope = scratch.slopes.base;
  if (problem.grad_coef && problem.grad_x)
    base_weights<T, true, true>(problem.base_kind, samples, value, slope);
  else if (problem.grad_coef)
    base_weights<T, true, false>(problem.base_kind, samples, value, slope);
  else
    base_weights<T, false, true>(problem.base_kind, samples, value, slope);
}

// Computes the gradients by x, coef and base. A part with the gradient by coef holds all blocks, so that the order of
// sums does not depend on the number of threads.
template <class T>
int backward(const Problem& problem, const Part& part) {
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs);
  const bool pad = wide != outputs || (is_narrow<T>(problem) && problem.u_row != wide);
  Scratch<T> scratch(problem, pad, true);
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
        if (is_based(problem))
          base_of_backward(problem, scratch);
        if (wide == 1)
          fill_group(scratch.samples, scratch.pieces, scratch.t);
        else if (!is_narrow<T>(problem))
          group(scratch.samples, problem.functions - problem.degree, scratch.runs);
        if (problem.grad_coef)
          backward_coef<T>(problem, block, first + at, u, u_row, index == part.block_begin, scratch);
        if (problem.grad_x)
          backward_x<T>(problem, first + at, u, u_row, scratch, scratch.columns + at * scratch.pitch);
      }
      if (problem.grad_x) write_columns(problem, block, first, count, scratch);
    }
  }
  return 0;
}

// Computes the active functions of every sample, all orders, and the intervals.
template <class T>
int basis(const Problem& problem, const Part& part) {
  const int64_t K = problem.degree + 1, L = weight_lanes_of(problem.degree);
  Scratch<T> scratch(problem, false, false);
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
          for_degree(problem.degree, [&](auto k) {
            spline_weights<T, k.value>(scratch.samples, scratch.pieces, scratch.t, order, weight);
          });
          T* to = static_cast<T*>(problem.values) + ((order * problem.batch + block.begin) * inputs + input) * K;
          for (int64_t b = 0; b < block.samples; b++)
            for (int j = 0; j < K; j++) to[b * inputs * K + j] = weight[b * L + j];
        }
      }
    }
  }
  return 0;
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
                         {forward<float>, forward<double>},
                         {backward<float>, backward<double>},
                         {basis<float>, basis<double>}};

}  // namespace edgewise::EDGEWISE_VARIANT
