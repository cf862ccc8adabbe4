// The inner loops for layers of one output. The spline of an edge is one polynomial on each interval, computed once for
// all samples of a block; each lane holds a sample. The gradient by the coefficients follows from the moments, the sums
// of u t^k over the samples of each interval.
#pragma once
#include "weights.h"

namespace edgewise::EDGEWISE_VARIANT {

// Row r belongs to piece r of the table, or with one piece for all to interval r.
template <class T>
int64_t piece_rows(const Pieces<T>& pieces, int64_t intervals) {
  return pieces.piece_of ? pieces.count : intervals;
}
template <class T>
const int32_t* row_of(const Samples<T>& samples, const Pieces<T>& pieces) {
  return pieces.piece_of ? pieces.piece_of : samples.place;
}
template <class T>
int64_t interval_of(int64_t row, const Samples<T>& samples, const Pieces<T>& pieces) {
  return pieces.piece_of == pieces.numbers && pieces.piece_of ? samples.place[row] : row;
}
template <class T>
T per_width_of(const Pieces<T>& pieces, int64_t b) {
  return pieces.per_width[pieces.piece_of ? pieces.piece_of[b] : 0];
}

// Fills up the last group of samples, since only whole groups are processed: the added samples have t = 0 in row 0.
template <class T>
void fill_group(Samples<T>& samples, Pieces<T>& pieces, T* t) {
  for (int64_t b = samples.count; b < samples.count + least_lanes<T>; b++) {
    samples.place[b] = pieces.numbers[b] = 0;
    t[b] = 0;
  }
}

template <class T, int K>
struct Single {
  static constexpr int L = weight_lanes<K>, group = least_lanes<T>;
  typedef Vector<T, L> Row;
  typedef Vector<T, group> Group;

  // polynomials[r * L + k]: coefficient of t^k, from a table of basis functions. `coef` is followed by zeros.
  EDGEWISE_SHARED static void make(const T* table, Samples<T> samples, Pieces<T> pieces, int64_t intervals,
                                   const T* coef, T* polynomials) {
    const int64_t count = piece_rows(pieces, intervals);
    for (int64_t r = 0; r < count; r++) {
      const T* piece = table + (pieces.piece_of ? r : 0) * (K * L);
      const Row own = load<Row>(coef + interval_of(r, samples, pieces));
      for (int first = 0; first < L; first += group) {
        Group square[group];
        for (int s = 0; s < group; s++) {
          const int k = first + s;
          square[s] = k < K ? fold<T, L>(own * load<Row>(piece + k * L)) : Group{};
        }
        turn(square);
        Group sum = square[0];
        for (int s = 1; s < group; s++) sum += square[s];
        store(polynomials + r * L + first, sum);
      }
    }
  }

  // The coefficients of t^k for a group of samples, lane by lane.
  EDGEWISE_INLINE static void gather(const T* polynomials, const int32_t* row, Group (&c)[L]) {
    for (int first = 0; first < L; first += group) {
      Group square[group];
      for (int s = 0; s < group; s++) square[s] = load<Group>(polynomials + int64_t(row[s]) * L + first);
      turn(square);
      for (int s = 0; s < group; s++) c[first + s] = square[s];
    }
  }

  // Computes values[b] of the polynomials at t, and with `sloped` their derivatives by t.
  template <bool sloped>
  EDGEWISE_SHARED static void evaluate(const T* polynomials, const int32_t* row, const T* t, int64_t samples,
                                       T* values, T* slopes) {
    for (int64_t b = 0; b < samples; b += group) {
      Group c[L];
      gather(polynomials, row + b, c);
      const Group at = load<Group>(t + b);
      Group value = c[K - 1], slope = Group{};
      if constexpr (K == 1) value += at * T(0);  // a NaN must come out as NaN
      for (int k = K - 2; k >= 0; k--) {
        if constexpr (sloped) slope = slope * at + value;
        value = value * at + c[k];
      }
      store(values + b, value);
      if constexpr (sloped) store(slopes + b, slope);
    }
  }

  // Computes the order-th derivative of the spline at each sample, a straight line beyond the domain. `room` is working
  // memory for slopes.
  EDGEWISE_SHARED static void spline(const T* polynomials, Samples<T> samples, Pieces<T> pieces, const T* t, int order,
                                     T* values, T* room) {
    const int32_t* row = row_of(samples, pieces);
    if (!samples.outside || order == 1)
      return evaluate<false>(polynomials, row, t, samples.count, values, room);
    evaluate<true>(polynomials, row, t, samples.count, values, room);
    for (int64_t b = 0; b < samples.count; b++) {
      const T beyond = samples.x[b] - samples.inside[b];
      if (!(beyond < 0 || beyond > 0)) continue;
      values[b] = order == 0 ? values[b] + beyond * room[b] * per_width_of(pieces, b) : T(0);
    }
  }

  // moments[r * L + k] += sum_b u[b] t[b]^k over the samples of row r; `beyond` (in widths) continues t^k as a straight
  // line.
  EDGEWISE_SHARED static void add_moments(const int32_t* row, const T* t, const T* u, const T* beyond, int64_t samples,
                                          T* moments) {
    for (int64_t b = 0; b < samples; b += group) {
      const Group at = load<Group>(t + b), pulled = load<Group>(u + b);
      const Group further = beyond ? load<Group>(beyond + b) : Group{};
      Group power = pulled + (K == 1 ? at * T(0) : Group{}), slope = Group{}, c[L] = {};
      for (int k = 0; k < K; k++) {
        c[k] = beyond ? power + further * slope : power;
        slope = slope * at + power;  // of k + 1: u (k + 1) t^k
        power *= at;
      }
      for (int first = 0; first < L; first += group) {
        Group square[group];
        for (int s = 0; s < group; s++) square[s] = c[first + s];
        turn(square);
        for (int s = 0; s < group; s++) {
          T* to = moments + int64_t(row[b + s]) * L + first;
          store(to, load<Group>(to) + square[s]);
        }
      }
    }
  }

  // grad[g] += the derivative by the coefficients, from the moments.
  EDGEWISE_SHARED static void to_coef(const T* table, Samples<T> samples, Pieces<T> pieces, int64_t intervals,
                                      const T* moments, T* grad) {
    const int64_t count = piece_rows(pieces, intervals);
    for (int64_t r = 0; r < count; r++) {
      const T* piece = table + (pieces.piece_of ? r : 0) * (K * L);
      Row sum = Row{};
      for (int k = 0; k < K; k++) sum += moments[r * L + k] * load<Row>(piece + k * L);
      T* to = grad + interval_of(r, samples, pieces);
      for (int j = 0; j < K; j++) to[j] += sum[j];
    }
  }
};

}  // namespace edgewise::EDGEWISE_VARIANT
