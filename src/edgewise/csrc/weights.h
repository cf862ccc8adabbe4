// Values of the degree + 1 active B-splines at every sample of a block, from polynomial pieces of each interval.
#pragma once
#include "runs.h"

namespace edgewise::EDGEWISE_VARIANT {

// Polynomial pieces in t = (x - left end) / width: piece[(j * K + k) * pitch + r] is the coefficient of t^k of function
// j on run r; with even knots only r = 0 is there. `left` and `per_width` belong to each run. `derived` has room for
// the pieces of a derivative.
template <class T>
struct Pieces {
  T* piece;
  T* derived;
  T* left;
  T* per_width;
  int64_t pitch;
  bool shared;
};

// The pieces of some runs at once, by the triangular scheme of de Boor (1978), ch. X, eq. (8), on polynomials:
// B_{j,level} = (a t + b) B_{j,level-1} + (1 - a' t - b') B_{j+1,level-1}. window[k] holds knot s - degree + 1 + k of
// each lane's interval s.
template <class T, int K, int lanes>
EDGEWISE_INLINE void triangle(const Vector<T, lanes>* window, Vector<T, lanes> (&piece)[K][K]) {
  typedef Vector<T, lanes> V;
  constexpr int degree = K - 1;
  for (int j = 0; j < K; j++)
    for (int k = 0; k < K; k++) piece[j][k] = V{};
  piece[0][0] = V{} + T(1);
  if constexpr (degree > 0) {
    const V start = window[degree - 1], width = window[degree] - start;
    for (int level = 1; level <= degree; level++) {
      V carry[K];
      for (int k = 0; k <= level; k++) carry[k] = V{};
      for (int j = 0; j < level; j++) {
        V left = window[degree - level + j], right = window[degree + j];
        V per = T(1) / (right - left);
        V slope = width * per, rise = (start - left) * per, fall = (right - start) * per;
        V next[K];
        for (int k = level; k >= 0; k--) {  // downwards: each step reads the old coefficient below
          V same = k < level ? piece[j][k] : V{}, below = k > 0 ? piece[j][k - 1] : V{};
          next[k] = slope * below + rise * same;
          piece[j][k] = carry[k] + fall * same - slope * below;
        }
        for (int k = 0; k <= level; k++) carry[k] = next[k];
      }
      for (int k = 0; k <= level; k++) piece[level][k] = carry[k];
    }
  }
}

// Fills `pieces` for the runs of one input.
template <class T, int K>
void make_pieces(const Grid<T>& grid, const Runs<T>& runs, Pieces<T>& pieces) {
  constexpr int lanes = full_lanes<T>;
  constexpr int knots = K > 1 ? 2 * (K - 1) : 1;
  typedef Vector<T, lanes> V;
  pieces.shared = grid.even;
  for (int64_t r = 0; r < runs.count; r++) {
    const T* ends = grid.breaks + runs.interval[r];
    pieces.left[r] = ends[0];
    pieces.per_width[r] = grid.even ? grid.per_width : 1 / (ends[1] - ends[0]);
  }
  const int64_t tables = grid.even ? 1 : runs.count;
  for (int64_t first = 0; first < tables; first += lanes) {
    T gathered[knots][lanes];
    for (int lane = 0; lane < lanes; lane++) {
      int64_t r = first + lane < tables ? first + lane : tables - 1;
      const T* window = grid.knots + runs.interval[r] + 1;
      for (int k = 0; k < knots; k++) gathered[k][lane] = grid.even ? T(k) : window[k];
    }
    V window[knots], piece[K][K];
    for (int k = 0; k < knots; k++) window[k] = load<V>(gathered[k]);
    triangle<T, K, lanes>(window, piece);
    for (int j = 0; j < K; j++)
      for (int k = 0; k < K; k++) store(pieces.piece + (j * K + k) * pieces.pitch + first, piece[j][k]);
  }
}

template <class V>
EDGEWISE_INLINE V power(V base, int exponent) {
  V product = base * 0 + 1;
  for (int k = 0; k < exponent; k++) product *= base;
  return product;
}

// The pieces of the order-th derivative by x, laid out as `piece` is; all zero above the degree.
template <class T, int K>
const T* derive(const Pieces<T>& pieces, const Runs<T>& runs, int order) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  if (order == 0) return pieces.piece;
  const int64_t tables = pieces.shared ? 1 : runs.count;
  for (int64_t first = 0; first < tables; first += lanes) {
    const V scale = power(load<V>(pieces.per_width + first), order);
    for (int j = 0; j < K; j++) {
      for (int k = 0; k < K; k++) {
        V value = V{};
        if (k + order < K) {
          T factor = 1;
          for (int d = 0; d < order; d++) factor *= T(k + order - d);
          value = scale * factor * load<V>(pieces.piece + (j * K + k + order) * pieces.pitch + first);
        }
        store(pieces.derived + (j * K + k) * pieces.pitch + first, value);
      }
    }
  }
  return pieces.derived;
}

// weight[j * pitch + p] for the samples begin .. end - 1 of one table, polynomials of C coefficients.
template <class T, int K, int C>
EDGEWISE_INLINE void table_weights(const T* table, int64_t tables, const T* t, int64_t begin, int64_t end, T* weight,
                                   int64_t pitch) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  // Writes up to a vector beyond the end: the next run overwrites it, and the arrays are padded.
  for (int64_t p = begin; p < end; p += lanes) {
    V at = load<V>(t + p);
    for (int j = 0; j < K; j++) {
      V value = V{} + table[(j * K + C - 1) * tables];
      if (C == 1) value += at * T(0);  // a NaN must come out as NaN where no power of t is left
      for (int k = C - 2; k >= 0; k--) value = value * at + table[(j * K + k) * tables];
      store(weight + j * pitch + p, value);
    }
  }
}

// Weights of samples beyond the domain: value and slope of the end point, zero above order 1.
template <class T, int K>
void straighten(const Pieces<T>& pieces, const Runs<T>& runs, const T* t, int order, T* weight, int64_t pitch) {
  const T* slopes = order == 0 ? derive<T, K>(pieces, runs, 1) : nullptr;
  for (int64_t r = 0; r < runs.count; r++) {
    const int64_t of = pieces.shared ? 0 : r;
    for (int32_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
      T beyond = runs.x[p] - runs.inside[p];
      if (!(beyond < 0 || beyond > 0)) continue;
      for (int j = 0; j < K; j++) {
        if (order == 0) {
          T slope = 0;
          for (int k = K - 1; k >= 0; k--) slope = slope * t[p] + slopes[(j * K + k) * pieces.pitch + of];
          weight[j * pitch + p] += beyond * slope;
        } else if (order >= 2) {
          weight[j * pitch + p] = 0;
        }
      }
    }
  }
}

// Positions t of all samples in their intervals.
template <class T>
void positions(const Pieces<T>& pieces, const Runs<T>& runs, T* t) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  for (int64_t r = 0; r < runs.count; r++)
    for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p += lanes)
      store(t + p, (load<V>(runs.inside + p) - pieces.left[r]) * pieces.per_width[r]);
}

template <class T, int K, int C>
void weights_of(const Pieces<T>& pieces, const Runs<T>& runs, const T* t, const T* table, T* weight, int64_t pitch) {
  if (pieces.shared) {
    if (runs.count > 0) table_weights<T, K, C>(table, pieces.pitch, t, 0, runs.samples, weight, pitch);
    return;
  }
  for (int64_t r = 0; r < runs.count; r++)
    table_weights<T, K, C>(table + r, pieces.pitch, t, runs.begin[r], runs.begin[r + 1], weight, pitch);
}

// weight[j * pitch + p]: the order-th derivative of the j-th active function at the sample in sorted position p.
template <class T, int K>
void spline_weights(const Pieces<T>& pieces, const Runs<T>& runs, const T* t, int order, T* weight, int64_t pitch) {
  const T* table = derive<T, K>(pieces, runs, order);
  if (order == 0)
    weights_of<T, K, K>(pieces, runs, t, table, weight, pitch);
  else if (order == 1)
    weights_of<T, K, (K > 1 ? K - 1 : 1)>(pieces, runs, t, table, weight, pitch);
  else if (order < K - 1)
    weights_of<T, K, (K > 2 ? K - 2 : 1)>(pieces, runs, t, table, weight, pitch);
  else
    weights_of<T, K, 1>(pieces, runs, t, table, weight, pitch);
  if (runs.outside) straighten<T, K>(pieces, runs, t, order, weight, pitch);
}

// The base function at each sample, or its slope.
template <class T>
void base_weights(int kind, bool slope, const Runs<T>& runs, T* weight) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  for (int64_t p = 0; p < runs.samples; p += lanes) {
    V x = load<V>(runs.x + p), value;
    if (kind == silu_base) {
      V spread = T(1) + exponential<T, lanes>(-x);
      V gate = T(1) / spread;
      value = slope ? gate * (T(1) + x * (T(1) - gate)) : x / spread;
    } else {
      value = slope ? V{} + T(1) : x;
    }
    store(weight + p, value);
  }
}

}  // namespace edgewise::EDGEWISE_VARIANT
