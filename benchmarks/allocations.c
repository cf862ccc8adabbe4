// Counts the bytes a process holds: a library that is loaded first (LD_PRELOAD) and stands before malloc.
//
// count_start() notes what is held now; count_peak() gives the most that was held since, above that.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_long held, peak;
static long start;

static void *noted(void *memory) {
  if (memory) {
    long size = (long)malloc_usable_size(memory), now = atomic_fetch_add(&held, size) + size, most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
  }
  return memory;
}

static void forgotten(void *memory) {
  if (memory) atomic_fetch_sub(&held, (long)malloc_usable_size(memory));
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) { return noted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return noted(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return noted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return noted(__libc_memalign(alignment, size)); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *found = noted(__libc_memalign(alignment, size));
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}

void *realloc(void *memory, size_t size) {
  long before = memory ? (long)malloc_usable_size(memory) : 0;
  void *moved = __libc_realloc(memory, size);
  if (moved || size == 0) atomic_fetch_sub(&held, before);
  return noted(moved);
}

void free(void *memory) {
  forgotten(memory);
  __libc_free(memory);
}

__attribute__((visibility("default"))) void count_start(void) { peak = start = held; }
__attribute__((visibility("default"))) long count_peak(void) { return peak - start; }
