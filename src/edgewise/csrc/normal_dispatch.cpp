// The C interface to normal.cpp; by default it uses the first instruction set of `edgewise_variant`.
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "normal.h"
#include "team.h"

extern "C" const char* edgewise_variant(int index);

namespace edgewise {

namespace baseline { extern const NormalVariant normal_variant; }
#ifdef EDGEWISE_X86
namespace avx2 { extern const NormalVariant normal_variant; }
namespace avx512 { extern const NormalVariant normal_variant; }
#endif

namespace {

// Multiply-adds per thread below which starting a thread (15 to 30 microseconds) does not pay.
constexpr double least_work = 1 << 18;

const NormalVariant* named(const char* name) {
  static const NormalVariant* const all[] = {
#ifdef EDGEWISE_X86
      &avx512::normal_variant, &avx2::normal_variant,
#endif
      &baseline::normal_variant};
  for (const NormalVariant* one : all)
    if (std::strcmp(one->name, name) == 0) return one;
  return nullptr;
}

// Returns the variant of that name if this processor has it; the best one for null.
const NormalVariant* find(const char* name) {
  for (int k = 0; const char* there = edgewise_variant(k); k++)
    if (!name || std::strcmp(there, name) == 0) return named(there);
  return nullptr;
}

using Function = int (*)(const Rows&, int64_t, int64_t);

// Ends of `threads` ranges of 0 .. work.size() with about the same sum of work in each.
std::vector<int64_t> cut(const std::vector<double>& work, int threads) {
  double total = 0;
  for (double one : work) total += one;
  int64_t count = int64_t(total / least_work);
  count = count < 1 ? 1 : count > threads ? threads : count;
  std::vector<int64_t> ends;
  double done = 0;
  for (size_t k = 0; k < work.size(); k++) {
    done += work[k];
    if (done >= total * double(ends.size() + 1) / double(count) && int64_t(ends.size()) + 1 < count)
      ends.push_back(int64_t(k) + 1);
  }
  ends.push_back(int64_t(work.size()));
  return ends;
}

int run(Function function, const Rows& rows, const std::vector<int64_t>& ends) {
  return share(ends.size(), [&](size_t k) { return function(rows, k ? ends[k - 1] : 0, ends[k]); });
}

// Returns the multiply-adds of each row of the matrix.
std::vector<double> work_of_rows(const Rows& rows) {
  std::vector<double> work(size_t(rows.size), 0.0);
  double active = 0;
  for (int64_t g = rows.groups; g-- > 0;) {
    const Runs& group = rows.group[g];
    for (int64_t s = group.runs; s-- > 0;) {
      active += double(group.length);
      for (int64_t b = 0; b < rows.batch; b++) work[size_t(group.offset + group.starts[b * group.runs + s])] += active;
    }
    // The rows of a run share its work: it is added to the first row, and a moving sum spreads it over the others.
    const int64_t length = group.length, first = group.offset;
    int64_t last = first;
    for (int64_t k = 0; k < group.runs * rows.batch; k++)
      last = group.starts[k] + first > last ? group.starts[k] + first : last;
    double sum = 0;
    std::vector<double> own(work.begin() + first, work.begin() + last + length);
    for (size_t k = 0; k < own.size(); k++) {
      sum += own[k] - (int64_t(k) >= length ? own[k - size_t(length)] : 0);
      work[size_t(first) + k] = sum;
    }
  }
  return work;
}

}  // namespace
}  // namespace edgewise

using edgewise::Rows;
using edgewise::Runs;

#define EDGEWISE_EXPORT __attribute__((visibility("default")))

extern "C" {

// The functions are described in normal.h. They return 0 on success, 1 if memory ran out, 2 for an unknown instruction
// set; `name` null means the best one.
EDGEWISE_EXPORT int edgewise_gram(const Rows* all, const Runs* group, int threads, const char* name) {
  Rows rows = *all;
  rows.group = group;
  const edgewise::NormalVariant* variant = edgewise::find(name);
  if (!variant) return 2;
  try {
    if (threads <= 1) return variant->gram(rows, 0, rows.size);
    return edgewise::run(variant->gram, rows, edgewise::cut(edgewise::work_of_rows(rows), threads));
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

EDGEWISE_EXPORT int edgewise_transposed(const Rows* all, const Runs* group, int threads, const char* name) {
  Rows rows = *all;
  rows.group = group;
  const edgewise::NormalVariant* variant = edgewise::find(name);
  if (!variant) return 2;
  try {
    std::vector<double> work;
    for (int64_t g = 0; g < rows.groups; g++)
      for (int64_t s = 0; s < rows.group[g].runs; s++)
        work.push_back(double(rows.group[g].length) * double(rows.batch));
    return edgewise::run(variant->transposed, rows, edgewise::cut(work, threads));
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

EDGEWISE_EXPORT int edgewise_times(const Rows* all, const Runs* group, int threads, const char* name) {
  Rows rows = *all;
  rows.group = group;
  const edgewise::NormalVariant* variant = edgewise::find(name);
  if (!variant) return 2;
  try {
    double active = 0;
    for (int64_t g = 0; g < rows.groups; g++) active += double(rows.group[g].runs * rows.group[g].length);
    return edgewise::run(variant->times, rows,
                         edgewise::cut(std::vector<double>(size_t(rows.batch), active), threads));
  } catch (const std::bad_alloc&) {
    return 1;
  }
}
}
