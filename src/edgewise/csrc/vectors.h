// Vectors of a chosen number of lanes, by the compiler's vector extensions: the same source for every instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>

// No standard library here: its inline functions, compiled for one instruction set, could be linked into another.
#ifndef EDGEWISE_VARIANT
#error "compile variant.cpp with EDGEWISE_VARIANT, EDGEWISE_BYTES and EDGEWISE_REGISTERS"
#endif

#define EDGEWISE_INLINE inline __attribute__((always_inline))

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

// The first `count` lanes from memory, zeros in the others.
template <class V, class T>
EDGEWISE_INLINE V load_some(const T* from, int64_t count) {
  constexpr int lanes = int(sizeof(V) / sizeof(T));
  if (count >= lanes) return load<V>(from);
  T padded[lanes] = {};
  for (int64_t k = 0; k < count; k++) padded[k] = from[k];
  return load<V>(padded);
}

template <class V, class T>
EDGEWISE_INLINE void store_some(T* to, V value, int64_t count) {
  constexpr int lanes = int(sizeof(V) / sizeof(T));
  if (count >= lanes) return store(to, value);
  T padded[lanes];
  store(padded, value);
  for (int64_t k = 0; k < count; k++) to[k] = padded[k];
}

// The sum of all lanes, halves first.
template <class T, int lanes>
EDGEWISE_INLINE T sum_lanes(Vector<T, lanes> value) {
  if constexpr (lanes == 1) {
    return value[0];
  } else if constexpr (lanes == 2) {
    return value[0] + value[1];
  } else {
    constexpr int half = lanes / 2;
    typedef Vector<T, half> Half;
    Half low, high;
    __builtin_memcpy(&low, &value, sizeof(Half));
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&value) + sizeof(Half), sizeof(Half));
    return sum_lanes<T, half>(low + high);
  }
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
  // Twice half the power: 2^128 itself has no float.
  I exponent = (I)shifted - B::magic_bits;
  I half_bits = (exponent + (B::bias - 1)) << B::mantissa;
  V result = sum * (V)half_bits * T(2);
  result = x > B::highest ? V{} + T(__builtin_inf()) : result;
  return x < B::lowest ? V{} : result;
}

}  // namespace edgewise::EDGEWISE_VARIANT
