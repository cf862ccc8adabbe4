// Forward and backward of one input of a layer with one output.
#pragma once
#include "parameters.h"
#include "single.h"

namespace edgewise::EDGEWISE_VARIANT {

// Returns one of four arrays of one number per sample, in the memory that other layers use for weights.
template <class T>
T* room_of(Scratch<T>& scratch, int number) {
  return scratch.values.spline + number * scratch.pitch;
}

// Returns u times v for the samples of one input, followed by zeros; zero beyond the domain for orders >= 2.
template <class T>
EDGEWISE_SHARED const T* pulled_by(const Problem& problem, const Block& block, int64_t input, const T* u,
                                   Scratch<T>& scratch) {
  const Samples<T>& samples = scratch.samples;
  T* pulled = room_of(scratch, 2);
  for (int64_t b = 0; b < samples.count; b++) pulled[b] = u[b];
  if (problem.v) {
    const T* v = static_cast<const T*>(problem.v) + block.begin * problem.v_row + input * problem.v_column;
    for (int64_t b = 0; b < samples.count; b++) pulled[b] *= v[b * problem.v_row];
  }
  if (samples.outside && problem.order >= 2)
    for (int64_t b = 0; b < samples.count; b++)
      pulled[b] = samples.x[b] < samples.inside[b] || samples.x[b] > samples.inside[b] ? T(0) : pulled[b];
  for (int k = 0; k < least_lanes<T>; k++) pulled[samples.count + k] = 0;
  return pulled;
}

// Returns the distance of each sample from the domain, in widths of the outermost interval; null if all are inside.
template <class T>
EDGEWISE_SHARED const T* beyond_of(const Problem& problem, Scratch<T>& scratch) {
  const Samples<T>& samples = scratch.samples;
  if (!samples.outside || problem.order != 0) return nullptr;
  T* beyond = room_of(scratch, 3);
  for (int64_t b = 0; b < samples.count; b++)
    beyond[b] = (samples.x[b] - samples.inside[b]) * per_width_of(scratch.pieces, b);
  for (int k = 0; k < least_lanes<T>; k++) beyond[samples.count + k] = 0;
  return beyond;
}

// Returns the order-th derivative of the spline of one input at every sample.
template <class T>
EDGEWISE_SHARED const T* single_spline(const Problem& problem, int64_t input, int order, Scratch<T>& scratch) {
  copy_parameters(problem, input, scratch);
  for_degree(problem.degree, [&](auto k) {
    typedef Single<T, k.value> Kernel;
    Kernel::make(derive<T, k.value>(scratch.pieces, order), scratch.samples, scratch.pieces,
                 problem.functions - problem.degree, scratch.coef, scratch.polynomials);
    Kernel::spline(scratch.polynomials, scratch.samples, scratch.pieces, scratch.t, order, room_of(scratch, 0),
                   room_of(scratch, 1));
  });
  return room_of(scratch, 0);
}

template <class T>
EDGEWISE_SHARED void single_forward(const Problem& problem, const Block& block, int64_t input, Scratch<T>& scratch,
                                    T* y) {
  fill_group(scratch.samples, scratch.pieces, scratch.t);
  const T *values = single_spline(problem, input, problem.order, scratch), *base = scratch.values.base;
  const bool based = is_based(problem);
  const T scale = scratch.base[0];
  if (problem.v) {
    const T* v = static_cast<const T*>(problem.v) + block.begin * problem.v_row + input * problem.v_column;
    for (int64_t b = 0; b < block.samples; b++)
      y[b] += v[b * problem.v_row] * values[b] + (based ? scale * base[b] : T(0));
  } else {
    for (int64_t b = 0; b < block.samples; b++) y[b] += values[b] + (based ? scale * base[b] : T(0));
  }
}

template <class T>
EDGEWISE_SHARED void single_backward_x(const Problem& problem, int64_t input, const T* u, Scratch<T>& scratch,
                                       T* result) {
  const T *values = single_spline(problem, input, problem.grad_x_order, scratch), *base = scratch.slopes.base;
  const bool based = is_based(problem);
  const T scale = scratch.base[0];
  for (int64_t b = 0; b < scratch.samples.count; b++)
    result[b] = u[b] * (values[b] + (based ? scale * base[b] : T(0)));
}

template <class T>
EDGEWISE_SHARED void single_backward_coef(const Problem& problem, const Block& block, int64_t input, const T* u,
                                          Scratch<T>& scratch) {
  const int64_t intervals = problem.functions - problem.degree;
  const T* pulled = pulled_by(problem, block, input, u, scratch);
  const T* beyond = beyond_of(problem, scratch);
  T* moments = scratch.polynomials;
  for (int64_t k = 0; k < intervals * weight_lanes_of(problem.degree); k++) moments[k] = 0;
  for (int64_t g = 0; g < problem.functions; g++) scratch.grad_coef[g] = 0;
  for_degree(problem.degree, [&](auto k) {
    typedef Single<T, k.value> Kernel;
    const T* table = derive<T, k.value>(scratch.pieces, problem.order);
    Kernel::add_moments(row_of(scratch.samples, scratch.pieces), scratch.t, pulled, beyond, block.samples, moments);
    Kernel::to_coef(table, scratch.samples, scratch.pieces, intervals, moments, scratch.grad_coef);
  });
  if (!is_based(problem)) return;
  typedef Vector<T, full_lanes<T>> V;
  V sums = V{};
  int64_t b = 0;
  for (; b + full_lanes<T> <= block.samples; b += full_lanes<T>)
    sums += load<V>(scratch.values.base + b) * load<V>(u + b);
  T total = sum_lanes<T, full_lanes<T>>(sums);
  for (; b < block.samples; b++) total += scratch.values.base[b] * u[b];
  scratch.grad_base[0] = total;
}

}  // namespace edgewise::EDGEWISE_VARIANT
