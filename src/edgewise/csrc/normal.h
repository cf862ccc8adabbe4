// Jacobian rows that consist of a few runs each, and their products: J'J, J'u and J v.
#pragma once
#include <stdint.h>

namespace edgewise {

// The runs of one parameter: row b has `runs` of them, run s is values[b][s][0 .. length) from offset + starts[b][s]
// on.
struct Runs {
  const int64_t* starts;  // (batch, runs), contiguous
  const double* values;   // (batch, runs, length), contiguous
  int64_t runs, length, offset;
};

// All rows. The runs of a row are in order and do not overlap; slots are numbered in the same order.
struct Rows {
  int64_t batch, groups, size;  // size: columns of J
  double scale;
  const Runs* group;  // in the order of their offsets
  double* matrix;   // (size, size), row by row: += scale * J'J, in the upper triangle; the lower one is left undefined
  double* result;   // J'u (size) += scale * ..., or J v (batch) =
  const double* u;  // (batch), or v (size)
};

// Each function does [begin, end): rows of the matrix, slots, or samples. They return 0, or 1 if memory ran out.
struct NormalVariant {
  const char* name;
  int (*gram)(const Rows&, int64_t begin, int64_t end);
  int (*transposed)(const Rows&, int64_t begin, int64_t end);
  int (*times)(const Rows&, int64_t begin, int64_t end);
};

}  // namespace edgewise
