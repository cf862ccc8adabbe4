// Vectors with a chosen number of lanes, by the vector extensions of the compiler, for every instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

// The standard library is not used here: its inline functions, compiled for one instruction set, could be linked into
// the code of another one.
#ifndef EDGEWISE_VARIANT
#error "compile variant.cpp with EDGEWISE_VARIANT, EDGEWISE_BYTES and EDGEWISE_REGISTERS"
#endif

#define EDGEWISE_INLINE inline __attribute__((always_inline))
// For functions that do the work of a whole block of samples: one copy serves all callers. Copies inlined into each
// caller made the build twice as long, and the call takes no measurable time beside the work.
#define EDGEWISE_SHARED __attribute__((noinline))

namespace edgewise::EDGEWISE_VARIANT {

template <class T, int lanes>
struct VectorOf {
  typedef T type __attribute__((vector_size(lanes * sizeof(T))));
};
template <class T, int lanes>
using Vector = typename VectorOf<T, lanes>::type;

template <class T>
constexpr int full_lanes = EDGEWISE_BYTES / int(sizeof(T));
template <class T>
constexpr int least_lanes = 16 / int(sizeof(T));

// A number as a type.
template <int K>
struct Number {
  static constexpr int value = K;
};

// Calls act(Number<degree + 1>()): the inner loops are compiled for each number of active functions.
template <class Act>
EDGEWISE_INLINE void for_degree(int degree, const Act& act) {
  switch (degree) {
    case 0: return act(Number<1>());
    case 1: return act(Number<2>());
    case 2: return act(Number<3>());
    case 3: return act(Number<4>());
    case 4: return act(Number<5>());
    default: return act(Number<6>());
  }
}

template <class V, class T>
EDGEWISE_INLINE V load(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof(V));
  return value;
}

template <class V, class T>
EDGEWISE_INLINE void store(T* to, V value) {
  __builtin_memcpy(to, &value, sizeof(V));
}

#ifdef __AVX2__
// All bits set in the first `count` lanes, as the masked instructions of AVX2 expect it.
template <class I, int lanes>
EDGEWISE_INLINE Vector<I, lanes> first_lanes(int64_t count) {
  Vector<I, lanes> number;
  for (int k = 0; k < lanes; k++) number[k] = I(k);
  return number < I(count);
}
#endif

// The first `count` lanes from memory, zeros in the others.
template <class V, class T>
EDGEWISE_INLINE V load_some(const T* from, int64_t count) {
  constexpr int lanes = int(sizeof(V) / sizeof(T));
  if (count >= lanes) return load<V>(from);
#ifdef __AVX512VL__
  if constexpr (sizeof(V) == 64 && sizeof(T) == 4)
    return (V)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), from);
  if constexpr (sizeof(V) == 64 && sizeof(T) == 8)
    return (V)_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), from);
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4)
    return (V)_mm256_maskz_loadu_ps(__mmask8((1u << count) - 1), from);
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8)
    return (V)_mm256_maskz_loadu_pd(__mmask8((1u << count) - 1), from);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 4) return (V)_mm_maskz_loadu_ps(__mmask8((1u << count) - 1), from);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 8) return (V)_mm_maskz_loadu_pd(__mmask8((1u << count) - 1), from);
#elif defined(__AVX2__)
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4)
    return (V)_mm256_maskload_ps(from, (__m256i)first_lanes<int32_t, 8>(count));
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8)
    return (V)_mm256_maskload_pd(from, (__m256i)first_lanes<int64_t, 4>(count));
  if constexpr (sizeof(V) == 16 && sizeof(T) == 4)
    return (V)_mm_maskload_ps(from, (__m128i)first_lanes<int32_t, 4>(count));
  if constexpr (sizeof(V) == 16 && sizeof(T) == 8)
    return (V)_mm_maskload_pd(from, (__m128i)first_lanes<int64_t, 2>(count));
#endif
  T padded[lanes] = {};
  for (int64_t k = 0; k < count; k++) padded[k] = from[k];
  return load<V>(padded);
}

template <class V, class T>
EDGEWISE_INLINE void store_some(T* to, V value, int64_t count) {
  constexpr int lanes = int(sizeof(V) / sizeof(T));
  if (count >= lanes) return store(to, value);
#ifdef __AVX512VL__
  if constexpr (sizeof(V) == 64 && sizeof(T) == 4)
    return _mm512_mask_storeu_ps(to, __mmask16((1u << count) - 1), (__m512)value);
  if constexpr (sizeof(V) == 64 && sizeof(T) == 8)
    return _mm512_mask_storeu_pd(to, __mmask8((1u << count) - 1), (__m512d)value);
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4)
    return _mm256_mask_storeu_ps(to, __mmask8((1u << count) - 1), (__m256)value);
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8)
    return _mm256_mask_storeu_pd(to, __mmask8((1u << count) - 1), (__m256d)value);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 4)
    return _mm_mask_storeu_ps(to, __mmask8((1u << count) - 1), (__m128)value);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 8)
    return _mm_mask_storeu_pd(to, __mmask8((1u << count) - 1), (__m128d)value);
#elif defined(__AVX2__)
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4)
    return _mm256_maskstore_ps(to, (__m256i)first_lanes<int32_t, 8>(count), (__m256)value);
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8)
    return _mm256_maskstore_pd(to, (__m256i)first_lanes<int64_t, 4>(count), (__m256d)value);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 4)
    return _mm_maskstore_ps(to, (__m128i)first_lanes<int32_t, 4>(count), (__m128)value);
  if constexpr (sizeof(V) == 16 && sizeof(T) == 8)
    return _mm_maskstore_pd(to, (__m128i)first_lanes<int64_t, 2>(count), (__m128d)value);
#endif
  T padded[lanes];
  store(padded, value);
  for (int64_t k = 0; k < count; k++) to[k] = padded[k];
}

// Adds halves until the smallest vector is left; the remaining sum over lanes is computed for several samples at once.
template <class T, int lanes>
EDGEWISE_INLINE Vector<T, least_lanes<T>> fold(Vector<T, lanes> value) {
  if constexpr (lanes == least_lanes<T>) {
    return value;
  } else {
    typedef Vector<T, lanes / 2> Half;
    Half low, high;
    __builtin_memcpy(&low, &value, sizeof(Half));
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&value) + sizeof(Half), sizeof(Half));
    return fold<T, lanes / 2>(low + high);
  }
}

template <class T, int lanes>
EDGEWISE_INLINE T sum_lanes(Vector<T, lanes> value) {
  const Vector<T, least_lanes<T>> rest = fold<T, lanes>(value);
  T total = rest[0];
  for (int k = 1; k < least_lanes<T>; k++) total += rest[k];
  return total;
}

// Whether any lane of a comparison is true.
template <int lanes, class M>
EDGEWISE_INLINE bool any(M value) {
  int64_t words[sizeof(M) / 8], all = 0;
  __builtin_memcpy(words, &value, sizeof(M));
  for (size_t k = 0; k < sizeof(M) / 8; k++) all |= words[k];
  return all != 0;
}

#if defined(__clang__) || __GNUC__ >= 12
#define EDGEWISE_SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#define EDGEWISE_SHUFFLE2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#else
#define EDGEWISE_SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, Vector<int32_t, 4>{i, j, k, l})
#define EDGEWISE_SHUFFLE2(a, b, i, j) __builtin_shuffle(a, b, Vector<int64_t, 2>{i, j})
#endif

// Transposes a square of the smallest vectors.
EDGEWISE_INLINE void turn(Vector<float, 4> (&rows)[4]) {
  typedef Vector<float, 4> V;
  const V ab_low = EDGEWISE_SHUFFLE4(rows[0], rows[1], 0, 4, 1, 5);
  const V ab_high = EDGEWISE_SHUFFLE4(rows[0], rows[1], 2, 6, 3, 7);
  const V cd_low = EDGEWISE_SHUFFLE4(rows[2], rows[3], 0, 4, 1, 5);
  const V cd_high = EDGEWISE_SHUFFLE4(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = EDGEWISE_SHUFFLE4(ab_low, cd_low, 0, 1, 4, 5);
  rows[1] = EDGEWISE_SHUFFLE4(ab_low, cd_low, 2, 3, 6, 7);
  rows[2] = EDGEWISE_SHUFFLE4(ab_high, cd_high, 0, 1, 4, 5);
  rows[3] = EDGEWISE_SHUFFLE4(ab_high, cd_high, 2, 3, 6, 7);
}
EDGEWISE_INLINE void turn(Vector<double, 2> (&rows)[2]) {
  const Vector<double, 2> a = rows[0], b = rows[1];
  rows[0] = EDGEWISE_SHUFFLE2(a, b, 0, 2);
  rows[1] = EDGEWISE_SHUFFLE2(a, b, 1, 3);
}

// to[j * to_row + i] = from[i * from_row + j] for a square of the smallest vectors.
template <class T>
EDGEWISE_INLINE void transpose_square(const T* from, int64_t from_row, T* to, int64_t to_row) {
  constexpr int side = least_lanes<T>;
  Vector<T, side> rows[side];
  for (int k = 0; k < side; k++) rows[k] = load<Vector<T, side>>(from + k * from_row);
  turn(rows);
  for (int k = 0; k < side; k++) store(to + k * to_row, rows[k]);
}

// to[j * to_row + i] = from[i * from_row + j] for i < rows, j < columns.
template <class T>
EDGEWISE_SHARED void transpose(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to, int64_t to_row) {
  constexpr int64_t side = least_lanes<T>;
  const int64_t whole_rows = rows / side * side, whole_columns = columns / side * side;
  for (int64_t i = 0; i < whole_rows; i += side)
    for (int64_t j = 0; j < whole_columns; j += side)
      transpose_square(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
  for (int64_t j = whole_columns; j < columns; j++)
    for (int64_t i = 0; i < whole_rows; i++) to[j * to_row + i] = from[i * from_row + j];
  for (int64_t i = whole_rows; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * to_row + i] = from[i * from_row + j];
}

template <class T>
struct Bits;
template <>
struct Bits<float> {
  typedef int32_t type;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  static constexpr int32_t magic_bits = 0x4B400000, bias = 127;
  static constexpr int mantissa = 23, terms = 8;  // 0.35^8 / 8! = 5e-9
  static constexpr float lowest = -87.0f, highest = 88.7228f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};
template <>
struct Bits<double> {
  typedef int64_t type;
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int64_t magic_bits = 0x4338000000000000, bias = 1023;
  static constexpr int mantissa = 52, terms = 14;  // 0.35^14 / 14! = 4e-18
  static constexpr double lowest = -708.0, highest = 709.78;
  static constexpr double ln2_high = 0.693145751953125, ln2_low = 1.42860682030941723212e-6;
};

// exp by 2^n times a Taylor sum over |r| <= ln(2) / 2; 0 below `lowest`, infinity above `highest`, NaN for NaN.
template <class T, int lanes>
EDGEWISE_INLINE Vector<T, lanes> exponential(Vector<T, lanes> x) {
  typedef Bits<T> B;
  typedef Vector<T, lanes> V;
  typedef Vector<typename B::type, lanes> I;
  V clamped = x > B::highest ? V{} + B::highest : x;
  clamped = clamped < B::lowest ? V{} + B::lowest : clamped;
  V shifted = clamped * T(1.44269504088896340736) + B::magic;
  V n = shifted - B::magic;
  V r = clamped - n * B::ln2_high - n * B::ln2_low;
  T factorial = 1;
  T inverse[B::terms];
  for (int k = 0; k < B::terms; k++) {
    inverse[k] = 1 / factorial;
    factorial *= T(k + 1);
  }
  V sum = V{} + inverse[B::terms - 1];
  for (int k = B::terms - 2; k >= 0; k--) sum = sum * r + inverse[k];
  // Two times half the power, because 2^128 itself is not a float.
  I exponent = (I)shifted - B::magic_bits;
  I half_bits = (exponent + (B::bias - 1)) << B::mantissa;
  V result = sum * (V)half_bits * T(2);
  result = x > B::highest ? V{} + T(__builtin_inf()) : result;
  return x < B::lowest ? V{} : result;
}

}  // namespace edgewise::EDGEWISE_VARIANT
