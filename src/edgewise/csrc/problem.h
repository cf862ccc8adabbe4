// Description of a call of the kernel by plain numbers and pointers, the same for every instruction set.
#pragma once
#include <stdint.h>

namespace edgewise {

enum Base : int32_t { no_base = 0, identity_base = 1, silu_base = 2 };

// All strides count elements. Pointers point to float or double; the comment names those that may be null.
struct Problem {
  int64_t batch, inputs, functions, outputs;
  int64_t block;  // samples worked on at once; dispatch.cpp fills it in
  int32_t degree, order;  // order of the derivative in the weights of coef
  int32_t base_kind;
  const void* x;
  int64_t x_row, x_column;
  const void* v;  // null: ones
  int64_t v_row, v_column;
  const void* coef;  // outputs contiguous; null if only its gradient is computed
  int64_t coef_input, coef_function;
  const void* knots;  // (inputs, functions + degree + 1), contiguous
  const void* base;   // (inputs, outputs), contiguous; null: none
  const void* mask;   // (inputs, outputs), contiguous; null: ones
  // forward
  void* y;  // (batch, outputs), contiguous
  // backward
  const void* u;  // (batch, outputs), outputs contiguous
  int64_t u_row;
  void* grad_x;         // (batch, inputs), contiguous; null: not computed
  int32_t grad_x_order;  // order of the derivative in grad_x
  void* grad_coef;      // (inputs, functions, outputs), contiguous; null: not computed
  void* grad_base;      // (inputs, outputs), contiguous; null: not computed
  // basis
  void* values;       // (order + 1, batch, inputs, degree + 1), contiguous: the active functions, orders 0 .. order
  int64_t* interval;  // (batch, inputs), contiguous
};

// The part of a call that one thread does: blocks of samples and inputs, ends excluded.
struct Part {
  int64_t block_begin, block_end, input_begin, input_end;
};

// One instruction set's functions, [is double]. They return 0, or 1 if memory ran out.
struct Variant {
  const char* name;
  int64_t (*block_size)(const Problem&, int is_double, int threads);
  int (*forward[2])(const Problem&, const Part&);
  int (*backward[2])(const Problem&, const Part&);
  int (*basis[2])(const Problem&, const Part&);
};

}  // namespace edgewise
