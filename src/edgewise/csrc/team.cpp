// Threads for a call: those of torch's OpenMP runtime if they were lent, else new ones.
#include "team.h"

#include <atomic>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __unix__
#include <unistd.h>
#endif

namespace edgewise {
namespace {

// GOMP_parallel of an OpenMP runtime: runs a function on `threads` threads, this one among them.
using Parallel = void (*)(void (*function)(void*), void* data, unsigned threads, unsigned flags);

struct Loan {
  std::atomic<Parallel> parallel{nullptr};
  std::atomic<long> process{0};
};
Loan loan;

long this_process() {
#ifdef __unix__
  return long(getpid());
#else
  return 0;
#endif
}

struct Work {
  const std::function<int(size_t)>& part;
  size_t count;
  std::atomic<size_t> next{0};
  std::atomic<int> failed{0};
};

void take_parts(void* data) {
  Work& work = *static_cast<Work*>(data);
  for (size_t k; (k = work.next++) < work.count;)
    if (int failed = work.part(k)) work.failed = failed;
}

}  // namespace

int share(size_t count, const std::function<int(size_t)>& part) {
  Work work{part, count};
  std::vector<std::thread> threads;
  if (count > 1) {
    // A forked child has the runtime's memory, not its threads: it would wait for them forever.
    const Parallel parallel = loan.process == this_process() ? loan.parallel.load() : nullptr;
    if (parallel) {
      parallel(take_parts, &work, unsigned(count), 0);
    } else {
      threads.reserve(count - 1);
      try {
        while (threads.size() + 1 < count) threads.emplace_back(take_parts, &work);
      } catch (const std::system_error&) {  // fewer threads do all parts too
      } catch (const std::bad_alloc&) {
      }
    }
  }
  take_parts(&work);
  for (std::thread& thread : threads) thread.join();
  return work.failed;
}

}  // namespace edgewise

// Lends the threads of an OpenMP runtime by its GOMP_parallel, to this process alone; null takes them back. torch's
// wait for their next work at full speed for a while, and new threads would share the cores with them.
extern "C" __attribute__((visibility("default"))) void edgewise_lend_threads(void* parallel) {
  edgewise::loan.process = edgewise::this_process();
  edgewise::loan.parallel = reinterpret_cast<edgewise::Parallel>(parallel);
}
