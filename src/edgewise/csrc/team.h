// The parts of one call, shared among threads.
#pragma once
#include <cstddef>
#include <functional>

namespace edgewise {

// Calls part(k) once for each k below `count`, on up to as many threads. Returns a nonzero result if there is one, else
// 0.
int share(size_t count, const std::function<int(size_t)>& part);

}  // namespace edgewise
