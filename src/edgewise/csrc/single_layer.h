// Forward and backward of one input of a layer with one output.
#pragma once
#include "parameters.h"
#include "single.h"

namespace edgewise::EDGEWISE_VARIANT {

// Room for one number per sample, four times, where layers of one output have no weights.
template <class T, int K>
T* room_of(Scratch<T, K>& scratch, int number) {
  return scratch.values.spline + number * scratch.pitch;
}

// u times v of one input's samples; zeros behind them and, for orders that are zero there, beyond the domain.
template <class T, int K>
const T* pulled_by(const Problem& problem, const Block& block, int64_t input, const T* u, Scratch<T, K>& scratch) {
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

// How far samples lie beyond the domain, in widths of the interval at its end; null where no straight line is needed.
template <class T, int K>
const T* beyond_of(const Problem& problem, Scratch<T, K>& scratch) {
  const Samples<T>& samples = scratch.samples;
  if (!samples.outside || problem.order != 0) return nullptr;
  T* beyond = room_of(scratch, 3);
  for (int64_t b = 0; b < samples.count; b++)
    beyond[b] = (samples.x[b] - samples.inside[b]) * Single<T, K>::per_width(scratch.pieces, b);
  for (int k = 0; k < least_lanes<T>; k++) beyond[samples.count + k] = 0;
  return beyond;
}

// The splines of one input with one output, order-th derivative, at every sample.
template <class T, int K>
const T* single_spline(const Problem& problem, int64_t input, int order, Scratch<T, K>& scratch) {
  typedef Single<T, K> Kernel;
  copy_parameters(problem, input, scratch);
  Kernel::make(derive<T, K>(scratch.pieces, order), scratch.samples, scratch.pieces,
               problem.functions - problem.degree, scratch.coef, scratch.polynomials);
  Kernel::spline(scratch.polynomials, scratch.samples, scratch.pieces, scratch.t, order, room_of(scratch, 0),
                 room_of(scratch, 1));
  return room_of(scratch, 0);
}

template <class T, int K, bool based>
void single_forward(const Problem& problem, const Block& block, int64_t input, Scratch<T, K>& scratch, T* y) {
  Single<T, K>::fill_group(scratch.samples, scratch.pieces, scratch.t);
  const T *values = single_spline(problem, input, problem.order, scratch), *base = scratch.values.base;
  const T scale = scratch.base[0];
  if (problem.v) {
    const T* v = static_cast<const T*>(problem.v) + block.begin * problem.v_row + input * problem.v_column;
    for (int64_t b = 0; b < block.samples; b++)
      y[b] += v[b * problem.v_row] * values[b] + (based ? scale * base[b] : T(0));
  } else {
    for (int64_t b = 0; b < block.samples; b++) y[b] += values[b] + (based ? scale * base[b] : T(0));
  }
}

template <class T, int K, bool based>
void single_backward_x(const Problem& problem, int64_t input, const T* u, Scratch<T, K>& scratch, T* result) {
  const T *values = single_spline(problem, input, problem.grad_x_order, scratch), *base = scratch.slopes.base;
  const T scale = scratch.base[0];
  for (int64_t b = 0; b < scratch.samples.count; b++)
    result[b] = u[b] * (values[b] + (based ? scale * base[b] : T(0)));
}

template <class T, int K, bool based>
void single_backward_coef(const Problem& problem, const Block& block, int64_t input, const T* u,
                          Scratch<T, K>& scratch) {
  typedef Single<T, K> Kernel;
  const int64_t intervals = problem.functions - problem.degree;
  const T* table = derive<T, K>(scratch.pieces, problem.order);
  const T* pulled = pulled_by(problem, block, input, u, scratch);
  const T* beyond = beyond_of(problem, scratch);
  T* moments = scratch.polynomials;
  for (int64_t k = 0; k < intervals * weight_lanes<K>; k++) moments[k] = 0;
  Kernel::add_moments(Kernel::row_of(scratch.samples, scratch.pieces), scratch.t, pulled, beyond, block.samples,
                      moments);
  for (int64_t g = 0; g < problem.functions; g++) scratch.grad_coef[g] = 0;
  Kernel::to_coef(table, scratch.samples, scratch.pieces, intervals, moments, scratch.grad_coef);
  if (!based) return;
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
