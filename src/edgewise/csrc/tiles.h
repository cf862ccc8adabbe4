// The inner loops for wide layers. A tile covers `vectors * lanes` outputs of one input. It keeps the coefficients of a
// knot interval in registers for all samples of the interval; the next interval needs only one new row.
#pragma once
#include "weights.h"

namespace edgewise::EDGEWISE_VARIANT {

// The parameters (or their gradients) of one input.
template <class T>
struct Rows {
  T* coef;  // (functions, outputs)
  int64_t stride, functions;
  T* base;        // (outputs)
  const T* mask;  // (outputs); null: ones
  bool fresh;     // gradients: the memory holds no numbers yet
};

// The outputs of a tile; `width` of them exist, the rest of the last vector is padding.
struct Columns {
  int64_t first, width;
};

// Number of runs by which rows are fetched ahead: at a few samples a run some hundred cycles, the time of a read from
// memory.
constexpr int64_t runs_ahead = 4;

template <class T, int lanes, int vectors, int K, bool based, bool partial = false>
struct Tile {
  typedef Vector<T, lanes> V;
  static constexpr int L = weight_lanes<K>;
  V row[K][vectors], base[vectors];

  EDGEWISE_INLINE static V get(const T* from, int64_t left) {
    if constexpr (partial) return load_some<V>(from, left);
    return load<V>(from);
  }
  EDGEWISE_INLINE static void put(T* to, V value, int64_t left) {
    if constexpr (partial) return store_some(to, value, left);
    store(to, value);
  }

  EDGEWISE_INLINE V read(const T* from, const Rows<T>& rows, const Columns& columns, int k) {
    const int64_t left = columns.width - k * lanes;
    V value = get(from + columns.first + k * lanes, left);
    if (rows.mask) value *= get(rows.mask + columns.first + k * lanes, left);
    return value;
  }

  // Reads the rows of interval `next`; the rows of interval `held` are in the registers.
  EDGEWISE_INLINE void move_to(int64_t next, int64_t held, const Rows<T>& rows, const Columns& columns) {
    const T* from = rows.coef + next * rows.stride;
    if (next == held + 1) {
#pragma GCC unroll 8
      for (int k = 0; k < vectors; k++) {
#pragma GCC unroll 8
        for (int j = 0; j < K - 1; j++) row[j][k] = row[j + 1][k];
        row[K - 1][k] = read(from + (K - 1) * rows.stride, rows, columns, k);
      }
    } else {
#pragma GCC unroll 8
      for (int k = 0; k < vectors; k++)
#pragma GCC unroll 8
        for (int j = 0; j < K; j++) row[j][k] = read(from + j * rows.stride, rows, columns, k);
    }
  }

  // Fetches the row of a later run into the cache, so that large coefficients arrive during other work.
  EDGEWISE_INLINE static void fetch(const Runs& runs, int64_t run, const Rows<T>& rows, const Columns& columns) {
    if (run >= runs.count) return;
    const T* row = rows.coef + (runs.interval[run] + K - 1) * rows.stride + columns.first;
    for (int k = 0; k < vectors; k++) __builtin_prefetch(row + k * lanes);
  }

  // Fetches the row of a later sample.
  EDGEWISE_INLINE static void fetch_row(const Runs& runs, int64_t p, const T* rows, int64_t stride,
                                        const Columns& columns) {
    const T* row = rows + runs.row[p + samples_ahead] * stride + columns.first;
#pragma GCC unroll 8
    for (int k = 0; k < vectors; k++) __builtin_prefetch(row + k * lanes);
  }

  EDGEWISE_INLINE void clear() {
    for (int k = 0; k < vectors; k++) {
      base[k] = V{};
      for (int j = 0; j < K; j++) row[j][k] = V{};
    }
  }

  EDGEWISE_INLINE void read_base(const Rows<T>& rows, const Columns& columns) {
    for (int k = 0; based && k < vectors; k++) base[k] = read(rows.base, rows, columns, k);
  }

  // sum_j weight[j] row[j] at one sample
  EDGEWISE_INLINE void add_to(V (&sum)[vectors], const T* weight, const T* base_weight) const {
#pragma GCC unroll 8
    for (int j = 0; j < K; j++) {
      const T w = weight[j];
#pragma GCC unroll 8
      for (int k = 0; k < vectors; k++) sum[k] += w * row[j][k];
    }
    if constexpr (based) {
      const T w = *base_weight;
#pragma GCC unroll 8
      for (int k = 0; k < vectors; k++) sum[k] += w * base[k];
    }
  }

  // y[b, :] += sum_j weight[b, j] row[j, :]
  EDGEWISE_SHARED static void to_output(Runs runs, Weights<T> weights, Rows<T> rows, Columns columns, T* y,
                                        int64_t y_row) {
    Tile tile;
    tile.clear();
    tile.read_base(rows, columns);
    int64_t held = -2;
    for (int64_t r = 0; r < runs.count; r++) {
      tile.move_to(runs.interval[r], held, rows, columns);
      held = runs.interval[r];
      fetch(runs, r + runs_ahead, rows, columns);
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        const int64_t b = runs.row[p];
        fetch_row(runs, p, y, y_row, columns);
        T* to = y + b * y_row + columns.first;
        V sum[vectors];
#pragma GCC unroll 8
        for (int k = 0; k < vectors; k++) sum[k] = load<V>(to + k * lanes);
        tile.add_to(sum, weights.spline + b * L, weights.base + b);
#pragma GCC unroll 8
        for (int k = 0; k < vectors; k++) store(to + k * lanes, sum[k]);
      }
    }
  }

  // sums[b, :] += the folded lanes of sum_o u[b, o] sum_j weight[b, j] row[j, o]
  EDGEWISE_SHARED static void to_input(Runs runs, Weights<T> weights, Rows<T> rows, Columns columns, const T* u,
                                       int64_t u_row, T* sums) {
    typedef Vector<T, least_lanes<T>> Folded;
    Tile tile;
    tile.clear();
    tile.read_base(rows, columns);
    int64_t held = -2;
    for (int64_t r = 0; r < runs.count; r++) {
      tile.move_to(runs.interval[r], held, rows, columns);
      held = runs.interval[r];
      fetch(runs, r + runs_ahead, rows, columns);
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        const int64_t b = runs.row[p];
        fetch_row(runs, p, u, u_row, columns);
        const T* from = u + b * u_row + columns.first;
        V sum[vectors];
#pragma GCC unroll 8
        for (int k = 0; k < vectors; k++) sum[k] = V{};
        tile.add_to(sum, weights.spline + b * L, weights.base + b);
        V total = load<V>(from) * sum[0];
#pragma GCC unroll 8
        for (int k = 1; k < vectors; k++) total += load<V>(from + k * lanes) * sum[k];
        T* to = sums + b * least_lanes<T>;
        store(to, load<Folded>(to) + fold<T, lanes>(total));
      }
    }
  }

  // Adds the first row times the mask to the gradient in memory, and moves the other rows up.
  EDGEWISE_INLINE void release(int64_t function, const Rows<T>& grads, const Columns& columns) {
    T* to = grads.coef + function * grads.stride + columns.first;
#pragma GCC unroll 8
    for (int k = 0; k < vectors; k++) {
      const int64_t left = columns.width - k * lanes;
      V value = row[0][k];
      if (grads.mask) value *= get(grads.mask + columns.first + k * lanes, left);
      if (grads.fresh)
        __builtin_prefetch(to + runs_ahead * grads.stride + k * lanes, 1);
      else
        value += get(to + k * lanes, left);
      put(to + k * lanes, value, left);
#pragma GCC unroll 8
      for (int j = 0; j < K - 1; j++) row[j][k] = row[j + 1][k];
      row[K - 1][k] = V{};
    }
  }

  // grad row[j, :] += sum_b weight[b, j] u[b, :]; a fresh gradient is written from its first row to its last.
  EDGEWISE_SHARED static void to_coef(Runs runs, Weights<T> weights, Rows<T> grads, Columns columns, const T* u,
                                      int64_t u_row) {
    Tile tile;
    tile.clear();
    int64_t held = grads.fresh ? 0 : runs.interval[0];
    for (int64_t r = 0; r < runs.count; r++) {
      const int64_t next = runs.interval[r];
      if (!grads.fresh && next > held + K) {  // nothing to add between them
        for (int j = 0; j < K; j++) tile.release(held + j, grads, columns);
        held = next;
      }
      for (; held < next; held++) tile.release(held, grads, columns);
      for (int64_t p = runs.begin[r]; p < runs.begin[r + 1]; p++) {
        const int64_t b = runs.row[p];
        fetch_row(runs, p, u, u_row, columns);
        const T *from = u + b * u_row + columns.first, *weight = weights.spline + b * L;
        V pulled[vectors];
#pragma GCC unroll 8
        for (int k = 0; k < vectors; k++) pulled[k] = load<V>(from + k * lanes);
#pragma GCC unroll 8
        for (int j = 0; j < K; j++) {
          const T w = weight[j];
#pragma GCC unroll 8
          for (int k = 0; k < vectors; k++) tile.row[j][k] += w * pulled[k];
        }
        if constexpr (based) {
          const T w = weights.base[b];
#pragma GCC unroll 8
          for (int k = 0; k < vectors; k++) tile.base[k] += w * pulled[k];
        }
      }
    }
    const int64_t end = grads.fresh ? grads.functions : held + K;
    for (; held < end; held++) tile.release(held, grads, columns);
    if constexpr (based) tile.release_base(grads, columns);
  }

  EDGEWISE_INLINE void release_base(const Rows<T>& grads, const Columns& columns) {
    for (int k = 0; k < vectors; k++) {
      const int64_t left = columns.width - k * lanes;
      T* to = grads.base + columns.first + k * lanes;
      V value = base[k];
      if (grads.mask) value *= get(grads.mask + columns.first + k * lanes, left);
      if (!grads.fresh) value += get(to, left);
      put(to, value, left);
    }
  }
};

// Number of vectors per row such that R rows, the sums and a weight fit into the registers.
template <int R>
constexpr int wide_vectors = EDGEWISE_REGISTERS >= 32 ? (R <= 5 ? 4 : 2) : (R <= 5 ? 2 : 1);

// A type as a value.
template <class X>
struct Kind {
  typedef X type;
};

// Calls act(Kind<Tile<...>>, columns) for tiles that cover all outputs; the last may be narrower and padded.
template <class T, int K, bool based, class Act>
EDGEWISE_INLINE void for_tiles_of(int64_t outputs, const Act& act) {
  constexpr int lanes = full_lanes<T>, wide = wide_vectors<K + based>;
  int64_t first = 0;
  if constexpr (wide >= 4)
    for (; first + 4 * lanes <= outputs; first += 4 * lanes)
      act(Kind<Tile<T, lanes, 4, K, based>>(), Columns{first, 4 * lanes});
  if constexpr (wide >= 2)
    for (; first + 2 * lanes <= outputs; first += 2 * lanes)
      act(Kind<Tile<T, lanes, 2, K, based>>(), Columns{first, 2 * lanes});
  for (; first + lanes <= outputs; first += lanes)
    act(Kind<Tile<T, lanes, 1, K, based>>(), Columns{first, lanes});
  const int64_t rest = outputs - first;
  if (rest == 0) return;
  if constexpr (lanes >= 4 * least_lanes<T>) {
    if (rest <= lanes / 4) return act(Kind<Tile<T, lanes / 4, 1, K, based, true>>(), Columns{first, rest});
  }
  if constexpr (lanes >= 2 * least_lanes<T>) {
    if (rest <= lanes / 2) return act(Kind<Tile<T, lanes / 2, 1, K, based, true>>(), Columns{first, rest});
  }
  act(Kind<Tile<T, lanes, 1, K, based, true>>(), Columns{first, rest});
}

// Returns the number of columns that the inner loops touch, padding included: the length of a padded row of outputs.
template <class T>
EDGEWISE_INLINE int64_t padded(int64_t outputs) {
  constexpr int lanes = full_lanes<T>;
  if (outputs == 1) return 1;
  int64_t rest = outputs % lanes, full = outputs - rest;
  if (rest == 0) return full;
  int64_t tail = least_lanes<T>;
  while (tail < rest) tail *= 2;
  return full + tail;
}

}  // namespace edgewise::EDGEWISE_VARIANT
