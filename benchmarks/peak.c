// What one core can do at most: multiply-adds of vectors that stand in registers, and reading memory in order.
#include <stddef.h>

#ifdef __AVX512F__
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12  // enough to hide the latency of a multiply-add: 4 cycles, two of them a cycle

typedef float Vector __attribute__((vector_size(BYTES)));

// Does CHAINS * repeats vector multiply-adds; returns how many numbers that were. `seed` keeps the compiler honest.
double multiply_adds(long repeats, float seed, float *result) {
  Vector sum[CHAINS], factor = seed - (Vector){}, term = 0.5f * seed - (Vector){};
#pragma GCC unroll 12
  for (int k = 0; k < CHAINS; k++) sum[k] = factor * (float)k;
  for (long n = 0; n < repeats; n++) {
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) sum[k] = sum[k] * factor + term;
    __asm__ volatile("");
  }
#pragma GCC unroll 12
  for (int k = 1; k < CHAINS; k++) sum[0] += sum[k];
  *result = sum[0][0];
  return (double)repeats * CHAINS * (BYTES / sizeof(float));
}

// Reads `count` floats once; returns their sum.
float read_all(const float *numbers, size_t count) {
  Vector sum[4] = {};
  const size_t lanes = BYTES / sizeof(float), step = 4 * lanes;
  for (size_t k = 0; k + step <= count; k += step)
    for (int part = 0; part < 4; part++) {
      Vector next;
      __builtin_memcpy(&next, numbers + k + part * lanes, sizeof(next));
      sum[part] += next;
    }
  sum[0] += sum[1] + sum[2] + sum[3];
  return sum[0][0];
}
