// J'J, J'u and J v of rows that consist of runs, compiled once for each instruction set, see CMakeLists.txt.
#include "normal.h"
#include "vectors.h"

#include <stdlib.h>

namespace edgewise::EDGEWISE_VARIANT {
namespace {

constexpr int64_t block_numbers = 1 << 21;  // 16 MB of runs, which stay in the third-level cache for all slots
constexpr int64_t together = 64;            // samples that are multiplied with a slot one after the other
constexpr int64_t buckets = 256;

// A slot holds one run per row, the s-th of its group.
struct Slot {
  const int64_t* starts;
  const double* values;
  int64_t start_pitch, value_pitch, length, offset;

  EDGEWISE_INLINE int64_t start(int64_t b) const { return offset + starts[b * start_pitch]; }
  EDGEWISE_INLINE const double* at(int64_t b) const { return values + b * value_pitch; }
};

int64_t slots_of(const Rows& rows) {
  int64_t count = 0;
  for (int64_t g = 0; g < rows.groups; g++) count += rows.group[g].runs;
  return count;
}

void fill_slots(const Rows& rows, Slot* slot) {
  for (int64_t g = 0; g < rows.groups; g++) {
    const Runs& group = rows.group[g];
    for (int64_t s = 0; s < group.runs; s++)
      *slot++ = {group.starts + s, group.values + s * group.length, group.runs, group.runs * group.length,
                 group.length,     group.offset};
  }
}

// `count` rows of the matrix, from `to` on, += left * right' for lanes [k, k + lanes) of the right run.
template <int lanes>
EDGEWISE_INLINE void add_lanes(double* to, int64_t pitch, const double* left, int64_t count, const double* right) {
  typedef Vector<double, lanes> V;
  const V x = load<V>(right);
  for (int64_t u = 0; u < count; u++, to += pitch) store(to, load<V>(to) + left[u] * x);
}

EDGEWISE_INLINE void add_outer(double* to, int64_t pitch, const double* left, int64_t count, const double* right,
                               int64_t length) {
  constexpr int L = full_lanes<double>;
  int64_t k = 0;
  for (; k + L <= length; k += L) add_lanes<L>(to + k, pitch, left, count, right + k);
  if constexpr (L > 4)
    if (k + 4 <= length) add_lanes<4>(to + k, pitch, left, count, right + k), k += 4;
  if constexpr (L > 2)
    if (k + 2 <= length) add_lanes<2>(to + k, pitch, left, count, right + k), k += 2;
  if (k < length) add_lanes<1>(to + k, pitch, left, count, right + k);
}

// Orders the samples [first, last) roughly by the start of their run, so that neighbours change the same rows of the
// matrix.
void order_of(const Slot& slot, int64_t first, int64_t last, int64_t* order) {
  int64_t low = slot.start(first), high = low, counts[buckets + 1] = {};
  for (int64_t b = first + 1; b < last; b++) {
    const int64_t start = slot.start(b);
    low = start < low ? start : low;
    high = start > high ? start : high;
  }
  int shift = 0;
  while ((high - low) >> shift >= buckets) shift++;
  for (int64_t b = first; b < last; b++) counts[((slot.start(b) - low) >> shift) + 1]++;
  for (int64_t k = 1; k <= buckets; k++) counts[k] += counts[k - 1];
  for (int64_t b = first; b < last; b++) order[counts[(slot.start(b) - low) >> shift]++] = b;
}

// The part of a sample's run that belongs to the given rows of the matrix, times the scale.
struct Left {
  int64_t row, count;  // first row, how many
  double* values;
};

EDGEWISE_INLINE void scale_run(const Rows& rows, const Slot& slot, int64_t b, int64_t begin, int64_t end, Left& left) {
  const int64_t start = slot.start(b);
  const int64_t from = begin > start ? begin - start : 0;
  const int64_t to = end - start < slot.length ? end - start : slot.length;
  left.row = start + from;
  left.count = to - from;
  const double* values = slot.at(b) + from;
  for (int64_t u = 0; u < left.count; u++) left.values[u] = rows.scale * values[u];
}

// Computes the rows [begin, end) of the matrix. Every number is a sum over samples in the same order, however the rows
// are shared among threads. Samples with about the same rows are processed together, one slot after the other, so that
// the part of the matrix to which they are added stays in the cache.
int gram(const Rows& rows, int64_t begin, int64_t end) {
  const int64_t count = slots_of(rows), size = rows.size;
  int64_t longest = 0, active = 0;
  for (int64_t g = 0; g < rows.groups; g++) {
    longest = rows.group[g].length > longest ? rows.group[g].length : longest;
    active += rows.group[g].runs * rows.group[g].length;
  }
  int64_t block = block_numbers / (active + 1);
  block = block < together ? together : block > rows.batch ? rows.batch : block;
  char* memory = static_cast<char*>(malloc(size_t(count) * sizeof(Slot) + size_t(block) * sizeof(int64_t) +
                                           size_t(together) * sizeof(Left) +
                                           size_t(together * longest) * sizeof(double)));
  if (!memory) return 1;
  Slot* slots = reinterpret_cast<Slot*>(memory);
  Left* left = reinterpret_cast<Left*>(slots + count);
  int64_t* order = reinterpret_cast<int64_t*>(left + together);
  double* scaled = reinterpret_cast<double*>(order + block);
  for (int64_t p = 0; p < together; p++) left[p].values = scaled + p * longest;
  fill_slots(rows, slots);
  for (int64_t first = 0; first < rows.batch; first += block) {
    const int64_t last = first + block < rows.batch ? first + block : rows.batch;
    for (int64_t a = 0; a < count; a++) {
      order_of(slots[a], first, last, order);
      for (int64_t from = 0; from < last - first; from += together) {
        const int64_t samples = last - first - from < together ? last - first - from : together;
        for (int64_t p = 0; p < samples; p++) scale_run(rows, slots[a], order[from + p], begin, end, left[p]);
        for (int64_t c = a; c < count; c++)
          for (int64_t p = 0; p < samples; p++)
            if (left[p].count > 0) {
              const int64_t b = order[from + p];
              add_outer(rows.matrix + left[p].row * size + slots[c].start(b), size, left[p].values, left[p].count,
                        slots[c].at(b), slots[c].length);
            }
      }
    }
  }
  free(memory);
  return 0;
}

// Computes the slots [begin, end); their columns do not overlap.
int transposed(const Rows& rows, int64_t begin, int64_t end) {
  const int64_t count = slots_of(rows);
  Slot* slots = static_cast<Slot*>(malloc(size_t(count) * sizeof(Slot)));
  if (!slots) return 1;
  fill_slots(rows, slots);
  for (int64_t b = 0; b < rows.batch; b++) {
    const double factor = rows.scale * rows.u[b];
    for (int64_t s = begin; s < end; s++) {
      const double* values = slots[s].at(b);
      double* to = rows.result + slots[s].start(b);
      for (int64_t k = 0; k < slots[s].length; k++) to[k] += factor * values[k];
    }
  }
  free(slots);
  return 0;
}

// Computes the samples [begin, end).
int times(const Rows& rows, int64_t begin, int64_t end) {
  constexpr int L = full_lanes<double>;
  typedef Vector<double, L> V;
  for (int64_t b = begin; b < end; b++) {
    V wide = {};
    double sum = 0;
    for (int64_t g = 0; g < rows.groups; g++) {
      const Runs& group = rows.group[g];
      for (int64_t s = 0; s < group.runs; s++) {
        const double* values = group.values + (b * group.runs + s) * group.length;
        const double* v = rows.u + group.offset + group.starts[b * group.runs + s];
        int64_t k = 0;
        for (; k + L <= group.length; k += L) wide += load<V>(values + k) * load<V>(v + k);
        for (; k < group.length; k++) sum += values[k] * v[k];
      }
    }
    rows.result[b] = rows.scale * (sum + sum_lanes<double, L>(wide));
  }
  return 0;
}

}  // namespace

#define EDGEWISE_TEXT_OF(name) #name
#define EDGEWISE_TEXT(name) EDGEWISE_TEXT_OF(name)
extern const NormalVariant normal_variant;
const NormalVariant normal_variant = {EDGEWISE_TEXT(EDGEWISE_VARIANT), gram, transposed, times};

}  // namespace edgewise::EDGEWISE_VARIANT
