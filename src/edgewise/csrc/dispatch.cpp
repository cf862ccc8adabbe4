// The C interface: chooses the instruction set at the first call, and shares a call among threads.
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "problem.h"
#include "team.h"

namespace edgewise {

namespace baseline { extern const Variant variant; }
#ifdef EDGEWISE_X86
namespace avx2 { extern const Variant variant; }
namespace avx512 { extern const Variant variant; }
#endif

namespace {

// Multiply-adds per thread below which starting a thread (15 to 30 microseconds) does not pay.
constexpr double least_work = 1 << 20;

const Variant* const* supported() {
  static const Variant* list[4] = {};
  static const bool filled = [] {
    int count = 0;
#ifdef EDGEWISE_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      list[count++] = &avx512::variant;
    if (avx2) list[count++] = &avx2::variant;
#endif
    list[count] = &baseline::variant;
    return true;
  }();
  (void)filled;
  return list;
}

const Variant* find(const char* name) {
  for (const Variant* const* one = supported(); *one; one++)
    if (!name || std::strcmp((*one)->name, name) == 0) return *one;
  return nullptr;
}

using Function = int (*)(const Problem&, const Part&);

int run(Function function, const Problem& problem, const std::vector<Part>& parts) {
  return share(parts.size(), [&](size_t k) { return function(problem, parts[k]); });
}

// Returns the number of threads that are worth starting.
int worthwhile(const Problem& problem, int threads) {
  const double per_input = double(problem.outputs + 8) * (problem.degree + 1);
  const double work = double(problem.batch) * double(problem.inputs) * per_input;
  if (double(threads) > work / least_work) threads = int(work / least_work);
  return threads < 1 ? 1 : threads;
}

// Cuts a call along blocks of samples or along inputs into a part for each thread.
std::vector<Part> cut(const Problem& problem, bool by_blocks, int threads) {
  const int64_t blocks = problem.batch ? (problem.batch - 1) / problem.block + 1 : 0;
  const Part whole = {0, blocks, 0, problem.inputs};
  const int64_t units = by_blocks ? blocks : problem.inputs;
  int64_t count = worthwhile(problem, threads);
  if (count > units) count = units < 1 ? 1 : units;
  std::vector<Part> parts;
  for (int64_t k = 0; k < count; k++) {
    Part part = whole;
    (by_blocks ? part.block_begin : part.input_begin) = units * k / count;
    (by_blocks ? part.block_end : part.input_end) = units * (k + 1) / count;
    parts.push_back(part);
  }
  return parts;
}

// A large gradient lies in new pages of memory. To get them one by one, 4 KB each, takes longer than to write them, so
// large pages are requested. The system may refuse; nothing else depends on it.
void ask_for_large_pages(void* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t large = 2 << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + large - 1) / large * large;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) / large * large;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

// Runs a call that is cut along its samples. It sums nothing over samples, so the result does not depend on the size of
// the blocks, bit for bit.
int run_by_samples(Function function, Problem problem, const Variant& variant, int is_double, int threads) {
  problem.block = variant.block_size(problem, is_double, worthwhile(problem, threads));
  return run(function, problem, cut(problem, true, threads));
}

// Runs a call that is cut along its inputs. The blocks, and so the sums over samples, do not depend on the number of
// threads.
int run_by_inputs(Function function, Problem problem, const Variant& variant, int is_double, int threads) {
  problem.block = variant.block_size(problem, is_double, 1);
  return run(function, problem, cut(problem, false, threads));
}

}  // namespace
}  // namespace edgewise

using edgewise::Part;
using edgewise::Problem;
using edgewise::Variant;

#define EDGEWISE_EXPORT __attribute__((visibility("default")))

extern "C" {

// Returns a hash of the sources that this library was built from.
EDGEWISE_EXPORT const char* edgewise_built_from() { return EDGEWISE_BUILT_FROM; }

// Returns the name of an instruction set of this processor, best first; null after the last.
EDGEWISE_EXPORT const char* edgewise_variant(int index) {
  const Variant* const* list = edgewise::supported();
  for (int k = 0; k <= index; k++)
    if (!list[k]) return nullptr;
  return list[index]->name;
}

// The functions return 0 on success, 1 if memory ran out, 2 for an unknown instruction set; `name` null means the best
// one.
EDGEWISE_EXPORT int edgewise_forward(const Problem* problem, int is_double, int threads, const char* name) {
  const Variant* variant = edgewise::find(name);
  if (!variant) return 2;
  try {
    return edgewise::run_by_samples(variant->forward[is_double], *problem, *variant, is_double, threads);
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

EDGEWISE_EXPORT int edgewise_basis(const Problem* problem, int is_double, int threads, const char* name) {
  const Variant* variant = edgewise::find(name);
  if (!variant) return 2;
  try {
    return edgewise::run_by_samples(variant->basis[is_double], *problem, *variant, is_double, threads);
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

EDGEWISE_EXPORT int edgewise_backward(const Problem* problem, int is_double, int threads, const char* name) {
  const Variant* variant = edgewise::find(name);
  if (!variant) return 2;
  const auto backward = variant->backward[is_double];
  if (problem->grad_coef)
    edgewise::ask_for_large_pages(problem->grad_coef, size_t(problem->inputs) * size_t(problem->functions) *
                                                          size_t(problem->outputs) * (is_double ? 8 : 4));
  try {
    // Both gradients together share the sorting; with fewer inputs than threads the gradient by x is cut along samples.
    if (problem->grad_x && problem->grad_coef && (threads == 1 || problem->inputs >= threads))
      return edgewise::run_by_inputs(backward, *problem, *variant, is_double, threads);
    int failed = 0;
    if (problem->grad_x) {
      Problem only_x = *problem;
      only_x.grad_coef = only_x.grad_base = nullptr;
      failed = edgewise::run_by_samples(backward, only_x, *variant, is_double, threads);
    }
    if (problem->grad_coef && !failed) {
      Problem only_coef = *problem;
      only_coef.grad_x = nullptr;
      failed = edgewise::run_by_inputs(backward, only_coef, *variant, is_double, threads);
    }
    return failed;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}
}
