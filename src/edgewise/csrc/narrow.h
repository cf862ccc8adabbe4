// The inner loops for layers whose outputs fit one vector. Samples are not sorted, because all rows of coefficients are
// in the first-level cache. Parameters and gradients of one input are stored in padded rows of `lanes` numbers.
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
  EDGEWISE_SHARED static void to_output(Samples<T> samples, Weights<T> weights, const T* coef, const T* base, T* y) {
    const V held = load<V>(base);
    for (int64_t b = 0; b < samples.count; b++) {
      const T* rows = coef + int64_t(samples.place[b]) * lanes;
      store(y + b * lanes, load<V>(y + b * lanes) + sum(rows, held, weights.spline + b * L, weights.base + b));
    }
  }

  // sums[b, :] = the folded lanes of sum_o u[b, o] sum_j weight[b, j] coef[place + j, o]
  EDGEWISE_SHARED static void to_input(Samples<T> samples, Weights<T> weights, const T* coef, const T* base, const T* u,
                                       T* sums) {
    const V held = load<V>(base);
    for (int64_t b = 0; b < samples.count; b++) {
      const T* rows = coef + int64_t(samples.place[b]) * lanes;
      const V pulled = load<V>(u + b * lanes) * sum(rows, held, weights.spline + b * L, weights.base + b);
      store(sums + b * least_lanes<T>, fold<T, lanes>(pulled));
    }
  }

  // grad[place * step + j, :] += sum_b weight[b, j] u[b, :]. With step = K every interval has
  // separate rows, so that fewer additions wait for an earlier one to the same row.
  EDGEWISE_SHARED static void to_coef(Samples<T> samples, Weights<T> weights, int64_t step, const T* u, T* grad,
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

}  // namespace edgewise::EDGEWISE_VARIANT
