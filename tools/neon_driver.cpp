// Runs one problem in the CPU kernel of another processor: numbers come from standard input, results go to standard output.
#include <stdio.h>

#include <vector>

#include "problem.h"

extern "C" int edgewise_forward(const edgewise::Problem*, int, int, const char*);
extern "C" int edgewise_backward(const edgewise::Problem*, int, int, const char*);

namespace {

template <class N>
std::vector<N> take(int64_t count) {
  std::vector<N> numbers(static_cast<size_t>(count));
  if (fread(numbers.data(), sizeof(N), numbers.size(), stdin) != numbers.size()) numbers.clear();
  return numbers;
}

template <class T>
int work(const std::vector<int64_t>& sizes) {
  edgewise::Problem p = {};
  p.batch = sizes[1], p.inputs = sizes[2], p.functions = sizes[3], p.outputs = sizes[4];
  p.degree = int32_t(sizes[5]), p.order = int32_t(sizes[6]), p.grad_x_order = int32_t(sizes[6] + 1);
  p.base_kind = edgewise::silu_base;
  const int64_t weights = p.inputs * p.functions * p.outputs, edges = p.inputs * p.outputs;
  const auto x = take<T>(p.batch * p.inputs), coef = take<T>(weights), base = take<T>(edges), mask = take<T>(edges);
  const auto knots = take<T>(p.inputs * (p.functions + p.degree + 1)), u = take<T>(p.batch * p.outputs);
  std::vector<T> y(u.size()), grad_x(x.size()), grad_coef(coef.size()), grad_base(base.size());
  p.x = x.data(), p.x_row = p.inputs, p.x_column = 1;
  p.coef = coef.data(), p.coef_input = p.functions * p.outputs, p.coef_function = p.outputs;
  p.knots = knots.data(), p.base = base.data(), p.mask = mask.data();
  p.u = u.data(), p.u_row = p.outputs, p.y = y.data();
  p.grad_x = grad_x.data(), p.grad_coef = grad_coef.data(), p.grad_base = grad_base.data();
  const int failed = edgewise_forward(&p, sizeof(T) == 8, 2, nullptr) + edgewise_backward(&p, sizeof(T) == 8, 2, nullptr);
  for (const auto& result : {y, grad_x, grad_coef, grad_base}) fwrite(result.data(), sizeof(T), result.size(), stdout);
  return failed;
}

}  // namespace

int main() {
  const std::vector<int64_t> sizes = take<int64_t>(7);
  if (sizes.empty()) return 1;
  return sizes[0] ? work<double>(sizes) : work<float>(sizes);
}
