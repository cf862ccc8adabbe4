// The inner loops: `vectors * lanes` outputs of one input, the coefficients of a knot interval kept in registers for all
// samples in it. R rows: the degree + 1 coefficients and, where `based`, the weight of the base function.
#pragma once
#include "runs.h"

namespace edgewise::EDGEWISE_VARIANT {

// The parameters (or their gradients) of one input.
template <class T>
struct Rows {
  T* coef;  // (functions, outputs)
  int64_t stride;
  T* base;        // (outputs)
  const T* mask;  // (outputs); null: ones
};

// The outputs a tile works on; `width` of them exist, the rest of the last vector is padding.
struct Columns {
  int64_t first, width;
};

template <class T, int lanes, int vectors, int R, bool based, bool partial = false>
struct Tile {
  typedef Vector<T, lanes> V;
  V row[R][vectors];

  EDGEWISE_INLINE static T* address(const Rows<T>& rows, int64_t interval, int j, const Columns& columns) {
    return (based && j == R - 1 ? rows.base : rows.coef + (interval + j) * rows.stride) + columns.first;
  }

  EDGEWISE_INLINE static V get(const T* from, int64_t left) {
    if constexpr (partial) return load_some<V>(from, left);
    return load<V>(from);
  }
  EDGEWISE_INLINE static void put(T* to, V value, int64_t left) {
    if constexpr (partial) return store_some(to, value, left);
    store(to, value);
  }

  // The rows of an interval, masked.
  EDGEWISE_INLINE void read(const Rows<T>& rows, int64_t interval, const Columns& columns) {
    for (int k = 0; k < vectors; k++) {
      int64_t left = columns.width - k * lanes;
      V mask = V{} + T(1);
      if (rows.mask) mask = get(rows.mask + columns.first + k * lanes, left);
      for (int j = 0; j < R; j++) {
        row[j][k] = get(address(rows, interval, j, columns) + k * lanes, left);
        if (rows.mask) row[j][k] *= mask;
      }
    }
  }

  EDGEWISE_INLINE void clear() {
    for (int j = 0; j < R; j++)
      for (int k = 0; k < vectors; k++) row[j][k] = V{};
  }

  // Adds the rows, masked, to those in memory.
  EDGEWISE_INLINE void add_to(const Rows<T>& rows, int64_t interval, const Columns& columns) {
    for (int k = 0; k < vectors; k++) {
      int64_t left = columns.width - k * lanes;
      V mask = V{} + T(1);
      if (rows.mask) mask = get(rows.mask + columns.first + k * lanes, left);
      for (int j = 0; j < R; j++) {
        if (rows.mask) row[j][k] *= mask;
        T* to = address(rows, interval, j, columns) + k * lanes;
        put(to, get(to, left) + row[j][k], left);
      }
    }
  }

  // y[b, :] += sum_j weight[j, b] row[j, :]
  static void to_output(const Runs<T>& runs, const T* weight, int64_t pitch, const Rows<T>& rows, Columns columns, T* y,
                        int64_t y_row) {
    for (int64_t r = 0; r < runs.count; r++) {
      Tile tile;
      tile.read(rows, runs.interval[r], columns);
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        T* to = y + runs.row[p] * y_row + columns.first;
        V sum[vectors];
        for (int k = 0; k < vectors; k++) sum[k] = load<V>(to + k * lanes);
        for (int j = 0; j < R; j++) {
          T w = weight[j * pitch + p];
          for (int k = 0; k < vectors; k++) sum[k] += w * tile.row[j][k];
        }
        for (int k = 0; k < vectors; k++) store(to + k * lanes, sum[k]);
      }
    }
  }

  // sums[p] += sum_o u[b, o] sum_j weight[j, b] row[j, o], p the sorted position of sample b
  static void to_input(const Runs<T>& runs, const T* weight, int64_t pitch, const Rows<T>& rows, Columns columns,
                       const T* u, int64_t u_row, T* sums) {
    for (int64_t r = 0; r < runs.count; r++) {
      Tile tile;
      tile.read(rows, runs.interval[r], columns);
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        const T* from = u + runs.row[p] * u_row + columns.first;
        V sum[vectors];
        for (int k = 0; k < vectors; k++) sum[k] = weight[p] * tile.row[0][k];
        for (int j = 1; j < R; j++) {
          T w = weight[j * pitch + p];
          for (int k = 0; k < vectors; k++) sum[k] += w * tile.row[j][k];
        }
        V total = load<V>(from) * sum[0];
        for (int k = 1; k < vectors; k++) total += load<V>(from + k * lanes) * sum[k];
        sums[p] += sum_lanes<T, lanes>(total);
      }
    }
  }

  // grad row[j, :] += sum_b weight[j, b] u[b, :]
  static void to_coef(const Runs<T>& runs, const T* weight, int64_t pitch, const Rows<T>& grads, Columns columns,
                      const T* u, int64_t u_row) {
    for (int64_t r = 0; r < runs.count; r++) {
      Tile tile;
      tile.clear();
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        const T* from = u + runs.row[p] * u_row + columns.first;
        V pulled[vectors];
        for (int k = 0; k < vectors; k++) pulled[k] = load<V>(from + k * lanes);
        for (int j = 0; j < R; j++) {
          T w = weight[j * pitch + p];
          for (int k = 0; k < vectors; k++) tile.row[j][k] += w * pulled[k];
        }
      }
      tile.add_to(grads, runs.interval[r], columns);
    }
  }
};

// How many vectors of R rows stay in registers, with room for sums and a weight.
template <int R>
constexpr int wide_vectors = EDGEWISE_REGISTERS >= 32 ? (R <= 5 ? 4 : 2) : (R <= 5 ? 2 : 1);

// A type as a value.
template <class X>
struct Kind {
  typedef X type;
};

// Calls act(Kind<Tile<...>>, columns) for tiles that cover all outputs; the last may be narrower and padded.
template <class T, int R, bool based, class Act>
EDGEWISE_INLINE void for_tiles(int64_t outputs, const Act& act) {
  constexpr int lanes = full_lanes<T>, wide = wide_vectors<R>;
  int64_t first = 0;
  if constexpr (wide >= 4)
    for (; first + 4 * lanes <= outputs; first += 4 * lanes)
      act(Kind<Tile<T, lanes, 4, R, based>>(), Columns{first, 4 * lanes});
  if constexpr (wide >= 2)
    for (; first + 2 * lanes <= outputs; first += 2 * lanes)
      act(Kind<Tile<T, lanes, 2, R, based>>(), Columns{first, 2 * lanes});
  for (; first + lanes <= outputs; first += lanes)
    act(Kind<Tile<T, lanes, 1, R, based>>(), Columns{first, lanes});
  const int64_t rest = outputs - first;
  if (rest == 0) return;
  if constexpr (lanes >= 4 * least_lanes<T>) {
    if (rest <= lanes / 4) return act(Kind<Tile<T, lanes / 4, 1, R, based, true>>(), Columns{first, rest});
  }
  if constexpr (lanes >= 2 * least_lanes<T>) {
    if (rest <= lanes / 2) return act(Kind<Tile<T, lanes / 2, 1, R, based, true>>(), Columns{first, rest});
  }
  act(Kind<Tile<T, lanes, 1, R, based, true>>(), Columns{first, rest});
}

// Columns that the tiles touch, padding included: what a row of outputs must have room for.
template <class T>
EDGEWISE_INLINE int64_t padded(int64_t outputs) {
  constexpr int lanes = full_lanes<T>;
  int64_t rest = outputs % lanes, full = outputs - rest;
  if (rest == 0) return full;
  int64_t tail = least_lanes<T>;
  while (tail < rest) tail *= 2;
  return full + tail;
}

}  // namespace edgewise::EDGEWISE_VARIANT
