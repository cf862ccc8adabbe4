// Parameters of narrow layers, one input's at a time, masked and in padded rows.
#pragma once
#include "scratch.h"

namespace edgewise::EDGEWISE_VARIANT {

// Row `row` of a parameter, masked, in a padded row of `wide` numbers.
template <class T>
EDGEWISE_INLINE void copy_row(const T* row, const T* mask, int64_t outputs, int64_t wide, T* to) {
  for (int64_t o = 0; o < outputs; o++) to[o] = mask ? row[o] * mask[o] : row[o];
  for (int64_t o = outputs; o < wide; o++) to[o] = 0;
}

// The same for a row without a mask that fits one vector.
template <class T, int lanes>
EDGEWISE_INLINE void copy_vector(const T* row, int64_t outputs, T* to) {
  typedef Vector<T, lanes> V;
  store(to, load_some<V>(row, outputs));
}

template <class T>
EDGEWISE_SHARED void copy_rows(const T* rows, int64_t stride, int64_t count, const T* mask, int64_t outputs,
                               int64_t wide, T* to) {
  constexpr int lanes = full_lanes<T>;
  if (!mask && wide == lanes)
    for (int64_t g = 0; g < count; g++) copy_vector<T, lanes>(rows + g * stride, outputs, to + g * wide);
  else if (!mask && 2 * wide == lanes && lanes >= 2 * least_lanes<T>)
    for (int64_t g = 0; g < count; g++)
      copy_vector<T, (lanes > least_lanes<T> ? lanes / 2 : lanes)>(rows + g * stride, outputs, to + g * wide);
  else
    for (int64_t g = 0; g < count; g++) copy_row(rows + g * stride, mask, outputs, wide, to + g * wide);
}

template <class T>
EDGEWISE_SHARED void copy_parameters(const Problem& problem, int64_t input, Scratch<T>& scratch) {
  const int64_t outputs = problem.outputs, wide = padded<T>(outputs);
  const T* coef = static_cast<const T*>(problem.coef) + input * problem.coef_input;
  const T* mask = mask_of<T>(problem, input);
  copy_rows(coef, problem.coef_function, problem.functions, mask, outputs, wide, scratch.coef);
  if (wide == 1)  // the last interval's vector reaches beyond the coefficients
    for (int64_t k = 0; k < weight_lanes_of(problem.degree); k++) scratch.coef[problem.functions + k] = 0;
  if (problem.base)
    copy_row(static_cast<const T*>(problem.base) + input * outputs, mask, outputs, wide, scratch.base);
  else
    for (int64_t o = 0; o < wide; o++) scratch.base[o] = 0;
}

}  // namespace edgewise::EDGEWISE_VARIANT
