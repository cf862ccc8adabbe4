// Values of the degree + 1 active B-splines at every sample of a block, from polynomial pieces of each interval.
#pragma once
#include "runs.h"

namespace edgewise::EDGEWISE_VARIANT {

// The K weights of a sample are stored together, padded to a small vector.
template <int K>
constexpr int weight_lanes = K <= 4 ? 4 : 8;
inline int weight_lanes_of(int degree) { return degree < 4 ? 4 : 8; }

// The factors of the coefficients at each sample: spline[b * weight_lanes<K> + j] is the value of the j-th active
// function, base[b] the value of the base function.
template <class T>
struct Weights {
  T* spline;
  T* base;
};

// Polynomial pieces in t = (x - left end) / width: table[(m * K + k) * weight_lanes<K> + j] is the coefficient of t^k
// of function j on interval m. With even knots one piece serves all intervals; with more intervals than samples there
// is one piece per sample. `derived` is working memory for the pieces of a derivative.
template <class T>
struct Pieces {
  T* table;
  T* derived;
  T* per_width;  // of each piece
  int64_t count;
  int32_t* piece_of;  // by sample; null: the one piece
  int32_t* numbers;   // memory for piece_of
};

// Computes the pieces of several intervals at once, by the triangular scheme of de Boor (1978), ch. X, eq. (8), on
// polynomials: B_{j,level} = (a t + b) B_{j,level-1} + (1 - a' t - b') B_{j+1,level-1}. window[k] holds knot s - degree
// + 1 + k of each lane's interval s.
template <class T, int K, int lanes>
EDGEWISE_INLINE void triangle(const Vector<T, lanes>* window, Vector<T, lanes> (&piece)[K][K]) {
  typedef Vector<T, lanes> V;
  constexpr int degree = K - 1;
  for (int j = 0; j < K; j++)
    for (int k = 0; k < K; k++) piece[j][k] = V{};
  piece[0][0] = V{} + T(1);
  if constexpr (degree > 0) {
    const V start = window[degree - 1], width = window[degree] - start;
#pragma GCC unroll 8
    for (int level = 1; level <= degree; level++) {
      V carry[K];
#pragma GCC unroll 8
      for (int k = 0; k <= level; k++) carry[k] = V{};
#pragma GCC unroll 8
      for (int j = 0; j < level; j++) {
        V left = window[degree - level + j], right = window[degree + j];
        V per = T(1) / (right - left);
        V slope = width * per, rise = (start - left) * per, fall = (right - start) * per;
        V next[K];
#pragma GCC unroll 8
        for (int k = level; k >= 0; k--) {  // downwards: each step reads the old coefficient below
          V same = k < level ? piece[j][k] : V{}, below = k > 0 ? piece[j][k - 1] : V{};
          next[k] = slope * below + rise * same;
          piece[j][k] = carry[k] + fall * same - slope * below;
        }
#pragma GCC unroll 8
        for (int k = 0; k <= level; k++) carry[k] = next[k];
      }
#pragma GCC unroll 8
      for (int k = 0; k <= level; k++) piece[level][k] = carry[k];
    }
  }
}

// Knots around the intervals of some pieces, one lane each: window[k][lane] holds knot s - degree + 1 + k.
template <class T, int K>
EDGEWISE_INLINE void read_windows(const Grid<T>& grid, const Samples<T>& samples, const Pieces<T>& pieces,
                                  int64_t first, T (*window)[full_lanes<T>]) {
  constexpr int lanes = full_lanes<T>, knots = 2 * (K - 1);
  if (!grid.even && pieces.piece_of == samples.place && first + lanes <= pieces.count) {
    for (int k = 0; k < knots; k++) __builtin_memcpy(window[k], grid.knots + first + 1 + k, sizeof(window[k]));
    return;
  }
  for (int lane = 0; lane < lanes; lane++) {
    const int64_t last = pieces.count - 1, piece = first + lane < last ? first + lane : last;
    const int64_t interval = grid.even ? 0 : pieces.piece_of == samples.place ? piece : samples.place[piece];
    for (int k = 0; k < knots; k++) window[k][lane] = grid.even ? T(k) : grid.knots[interval + 1 + k];
  }
}

// Fills `pieces` for one input.
template <class T, int K>
EDGEWISE_SHARED void make_pieces(const Grid<T>& grid, const Samples<T>& samples, Pieces<T>& pieces) {
  constexpr int lanes = full_lanes<T>, L = weight_lanes<K>;
  typedef Vector<T, lanes> V;
  const bool few = samples.count < grid.size;
  pieces.count = grid.even ? 1 : few ? samples.count : grid.size;
  pieces.piece_of = grid.even ? nullptr : few ? pieces.numbers : samples.place;
  if (!grid.even && few)
    for (int64_t b = 0; b < samples.count; b++) pieces.numbers[b] = int32_t(b);
  T entries[K * L][lanes] = {};  // by power of t, by function, by piece
  for (int64_t first = 0; first < pieces.count; first += lanes) {
    T gathered[2 * K][lanes];
    V window[2 * K], piece[K][K];
    read_windows<T, K>(grid, samples, pieces, first, gathered);
    for (int k = 0; k < 2 * (K - 1); k++) window[k] = load<V>(gathered[k]);
    triangle<T, K, lanes>(window, piece);
    for (int k = 0; k < K; k++)
      for (int j = 0; j < K; j++) store(entries[k * L + j], piece[j][k]);
    const int64_t here = pieces.count - first < lanes ? pieces.count - first : lanes;
    transpose(entries[0], lanes, K * L, here, pieces.table + first * K * L, K * L);
  }
  if (grid.even) {
    pieces.per_width[0] = grid.per_width;
  } else {
    const T* ends = grid.breaks;
    if (few)
      for (int64_t m = 0; m < pieces.count; m++)
        pieces.per_width[m] = 1 / (ends[samples.place[m] + 1] - ends[samples.place[m]]);
    else
      for (int64_t m = 0; m < pieces.count; m++) pieces.per_width[m] = 1 / (ends[m + 1] - ends[m]);
  }
}

// Positions t of all samples in their intervals.
template <class T>
EDGEWISE_SHARED void positions(const Grid<T>& grid, const Samples<T>& samples, const Pieces<T>& pieces, T* t) {
  const T* breaks = grid.breaks;
  if (grid.even) {
    const T per_width = grid.per_width;
    for (int64_t b = 0; b < samples.count; b++) t[b] = (samples.inside[b] - breaks[samples.place[b]]) * per_width;
  } else {
    for (int64_t b = 0; b < samples.count; b++)
      t[b] = (samples.inside[b] - breaks[samples.place[b]]) * pieces.per_width[pieces.piece_of[b]];
  }
}

// The pieces of the order-th derivative by x, laid out as `table` is; all zero above the degree.
template <class T, int K>
EDGEWISE_SHARED const T* derive(const Pieces<T>& pieces, int order) {
  constexpr int L = weight_lanes<K>;
  if (order == 0) return pieces.table;
  for (int64_t m = 0; m < pieces.count; m++) {
    T scale = 1;
    for (int d = 0; d < order && d < K; d++) scale *= pieces.per_width[m];
    for (int k = 0; k < K; k++) {
      const bool present = k + order < K;
      const T* from = pieces.table + (m * K + (present ? k + order : 0)) * L;
      T* to = pieces.derived + (m * K + k) * L;
      T factor = present ? scale : T(0);
      for (int d = 0; present && d < order; d++) factor *= T(k + order - d);
      for (int j = 0; j < L; j++) to[j] = factor * from[j];
    }
  }
  return pieces.derived;
}

// Polynomials of C coefficients at every sample.
template <class T, int K, int C, bool shared>
void table_weights(const T* table, const int32_t* piece_of, const T* t, int64_t samples, T* weight) {
  constexpr int L = weight_lanes<K>;
  typedef Vector<T, L> V;
  for (int64_t b = 0; b < samples; b++) {
    const T* piece = shared ? table : table + int64_t(piece_of[b]) * (K * L);
    const V at = V{} + t[b];
    V value = load<V>(piece + (C - 1) * L);
    if (C == 1) value += at * T(0);  // a NaN must come out as NaN where no power of t is left
    for (int k = C - 2; k >= 0; k--) value = value * at + load<V>(piece + k * L);
    store(weight + b * L, value);
  }
}

// Weights of samples beyond the domain: value and slope of the end point, zero above order 1.
template <class T, int K>
EDGEWISE_SHARED void straighten(const Samples<T>& samples, const Pieces<T>& pieces, const T* t, int order, T* weight) {
  constexpr int L = weight_lanes<K>;
  const T* slopes = order == 0 ? derive<T, K>(pieces, 1) : nullptr;
  for (int64_t b = 0; b < samples.count; b++) {
    const T beyond = samples.x[b] - samples.inside[b];
    if (!(beyond < 0 || beyond > 0)) continue;
    const int64_t piece = pieces.piece_of ? pieces.piece_of[b] : 0;
    for (int j = 0; j < K; j++) {
      if (order == 0) {
        T slope = 0;
        for (int k = K - 1; k >= 0; k--) slope = slope * t[b] + slopes[(piece * K + k) * L + j];
        weight[b * L + j] += beyond * slope;
      } else if (order >= 2) {
        weight[b * L + j] = 0;
      }
    }
  }
}

template <class T, int K, int C>
void weights_of(const Pieces<T>& pieces, const T* t, const T* table, int64_t samples, T* weight) {
  if (pieces.piece_of)
    table_weights<T, K, C, false>(table, pieces.piece_of, t, samples, weight);
  else
    table_weights<T, K, C, true>(table, nullptr, t, samples, weight);
}

// weight[b * weight_lanes<K> + j]: the order-th derivative of the j-th active function at sample b.
template <class T, int K>
EDGEWISE_SHARED void spline_weights(const Samples<T>& samples, const Pieces<T>& pieces, const T* t, int order,
                                    T* weight) {
  const T* table = derive<T, K>(pieces, order);
  if (order == 0)
    weights_of<T, K, K>(pieces, t, table, samples.count, weight);
  else if (order == 1)
    weights_of<T, K, (K > 1 ? K - 1 : 1)>(pieces, t, table, samples.count, weight);
  else if (order < K - 1)
    weights_of<T, K, (K > 2 ? K - 2 : 1)>(pieces, t, table, samples.count, weight);
  else
    weights_of<T, K, 1>(pieces, t, table, samples.count, weight);
  if (samples.outside) straighten<T, K>(samples, pieces, t, order, weight);
}

// Computes the base function at each sample, its slope, or both.
template <class T, bool with_value, bool with_slope>
EDGEWISE_SHARED void base_weights(int kind, const Samples<T>& samples, T* value, T* slope) {
  constexpr int lanes = full_lanes<T>;
  typedef Vector<T, lanes> V;
  for (int64_t b = 0; b < samples.count; b += lanes) {
    const V x = load<V>(samples.x + b);
    V here = x, slant = V{} + T(1);
    if (kind == silu_base) {
      const V spread = T(1) + exponential<T, lanes>(-x);
      if constexpr (with_value) here = x / spread;
      if constexpr (with_slope) {
        const V gate = T(1) / spread;
        slant = gate * (T(1) + x * (T(1) - gate));
      }
    }
    if constexpr (with_value) store(value + b, here);
    if constexpr (with_slope) store(slope + b, slant);
  }
}

}  // namespace edgewise::EDGEWISE_VARIANT
