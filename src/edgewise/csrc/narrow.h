// The inner loops for layers whose outputs fit one vector: no sorting, every sample meets its rows in the first-level
// cache. Parameters and gradients of one input lie here in padded rows of `lanes` numbers.
#pragma once
#include "weights.h"

namespace edgewise::EDGEWISE_VARIANT {

template <class T, int lanes, int K, bool based>
struct Narrow {
  typedef Vector<T, lanes> V;
  static constexpr int L = weight_lanes<K>;

  EDGEWISE_INLINE static V sum(const T* coef, V base, const T* weight, const T* base_weight) {
    V total = based ? *base_weight * base : V{};
    for (int j = 0; j < K; j++) total += weight[j] * load<V>(coef + j * lanes);
    return total;
  }

  // y[b, :] += sum_j weight[b, j] coef[place + j, :]
  static void to_output(const Samples<T>& samples, const Weights<T>& weights, const T* coef, const T* base, T* y) {
    const V held = load<V>(base);
    for (int64_t b = 0; b < samples.count; b++) {
      const T* rows = coef + int64_t(samples.place[b]) * lanes;
      store(y + b * lanes, load<V>(y + b * lanes) + sum(rows, held, weights.spline + b * L, weights.base + b));
    }
  }

  // sums[b, :] = the folded lanes of sum_o u[b, o] sum_j weight[b, j] coef[place + j, o]
  static void to_input(const Samples<T>& samples, const Weights<T>& weights, const T* coef, const T* base, const T* u,
                       T* sums) {
    const V held = load<V>(base);
    for (int64_t b = 0; b < samples.count; b++) {
      const T* rows = coef + int64_t(samples.place[b]) * lanes;
      const V pulled = load<V>(u + b * lanes) * sum(rows, held, weights.spline + b * L, weights.base + b);
      store(sums + b * least_lanes<T>, fold<T, lanes>(pulled));
    }
  }

  // grad[place * step + j, :] += sum_b weight[b, j] u[b, :]. With step = K the rows of an interval are its own, so that
  // fewer samples wait for each other.
  static void to_coef(const Samples<T>& samples, const Weights<T>& weights, int64_t step, const T* u, T* grad,
                      T* grad_base) {
    V held = load<V>(grad_base);
    for (int64_t b = 0; b < samples.count; b++) {
      const V pulled = load<V>(u + b * lanes);
      const T* weight = weights.spline + b * L;
      T* rows = grad + samples.place[b] * step * lanes;
      for (int j = 0; j < K; j++) store(rows + j * lanes, load<V>(rows + j * lanes) + weight[j] * pulled);
      if constexpr (based) held += weights.base[b] * pulled;
    }
    store(grad_base, held);
  }
};

// One output: here the lanes hold the active functions, so that a sample's weights meet their coefficients at once. `coef`
// has zeros behind it, `grad` has weight_lanes<K> numbers per interval.
template <class T, int K, bool based>
struct Single {
  static constexpr int L = weight_lanes<K>, parts = least_lanes<T>;
  typedef Vector<T, L> V;
  typedef Vector<T, parts> Parts;

  EDGEWISE_INLINE static Parts sum(const T* coef, const Parts& base, const T* weight, const T* base_weight) {
    const Parts total = fold<T, L>(load<V>(weight) * load<V>(coef));
    return based ? total + *base_weight * base : total;
  }

  EDGEWISE_INLINE static Parts first_lane(const T* base) {
    Parts value = Parts{};
    value[0] = *base;
    return value;
  }

  static void to_output(const Samples<T>& samples, const Weights<T>& weights, const T* coef, const T* base, T* y) {
    constexpr int64_t chunk = 64;
    const Parts held = first_lane(base);
    T sums[chunk * parts];
    for (int64_t first = 0; first < samples.count; first += chunk) {
      const int64_t here = samples.count - first < chunk ? samples.count - first : chunk;
      for (int64_t k = 0; k < here; k++) {
        const int64_t b = first + k;
        store(sums + k * parts, sum(coef + samples.place[b], held, weights.spline + b * L, weights.base + b));
      }
      for (int64_t k = 0; k < here; k++) {
        T total = 0;
        for (int64_t part = 0; part < parts; part++) total += sums[k * parts + part];
        y[first + k] += total;
      }
    }
  }

  static void to_input(const Samples<T>& samples, const Weights<T>& weights, const T* coef, const T* base, const T* u,
                       T* sums) {
    const Parts held = first_lane(base);
    for (int64_t b = 0; b < samples.count; b++)
      store(sums + b * parts,
            u[b] * sum(coef + samples.place[b], held, weights.spline + b * L, weights.base + b));
  }

  static void to_coef(const Samples<T>& samples, const Weights<T>& weights, int64_t, const T* u, T* grad,
                      T* grad_base) {
    for (int64_t b = 0; b < samples.count; b++) {
      T* at = grad + int64_t(samples.place[b]) * L;
      store(at, load<V>(at) + u[b] * load<V>(weights.spline + b * L));
    }
    if constexpr (based) {
      V sums = V{};
      int64_t b = 0;
      for (; b + L <= samples.count; b += L) sums += load<V>(weights.base + b) * load<V>(u + b);
      for (; b < samples.count; b++) sums[0] += weights.base[b] * u[b];
      *grad_base += sum_lanes<T, L>(sums);
    }
  }
};

}  // namespace edgewise::EDGEWISE_VARIANT
