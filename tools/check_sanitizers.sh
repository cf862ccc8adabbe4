#!/usr/bin/env bash
# Runs the contract test of the CPU kernel with the address and undefined-behaviour sanitizers built in.
#
# Needs `make install`, cmake, and GCC with its sanitizers. Takes some minutes, so `make test` leaves it out.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$root" -B "$work" -DCMAKE_CXX_COMPILER="${CXX:-g++}" -DEDGEWISE_SANITIZE=address,undefined > "$work/log"
cmake --build "$work" --parallel 2 >> "$work/log" || { cat "$work/log" >&2; exit 1; }
cd "$root"
# Python and torch are built without sanitizers: the run-time library comes first, and their own leaks are not ours.
LD_PRELOAD="$("${CXX:-g++}" -print-file-name=libasan.so) $("${CXX:-g++}" -print-file-name=libubsan.so)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
  EDGEWISE_CPU_LIBRARY="$work/libedgewise_cpu.so" OMP_NUM_THREADS=1 \
  "${PYTHON:-$root/.venv/bin/python}" -m pytest tests/ops/kernels tests/ops/test_whole_layer.py tests/ops/splines/test_active.py \
  tests/ops/test_normal.py tests/ops/test_gauss_newton.py "$@"
