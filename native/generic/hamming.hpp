// Hamming distances, written once. `Simd` is an instruction set's vocabulary:
//   block                           bytes in one vector
//   differing_bits(a, b, blocks)    bits in which the first `blocks` vectors of a and b differ
//   popcount(word)                  ones in 64 bits
// Everything is a template over Simd, so that code compiled for one instruction set never shares a symbol with another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace firebit::generic {

template <class Simd>
inline std::uint64_t load_word(const std::uint8_t* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

template <class Simd>
inline std::uint64_t load_tail(const std::uint8_t* from, std::size_t bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes; ++i) word |= std::uint64_t{from[i]} << (8 * i);
  return word;
}

template <class Simd>
inline std::int32_t distance(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
  const std::size_t blocks = bytes / Simd::block;
  std::size_t at = blocks * Simd::block;
  std::uint64_t sum = blocks ? Simd::differing_bits(a, b, blocks) : 0;
  for (; at + 8 <= bytes; at += 8) sum += Simd::popcount(load_word<Simd>(a + at) ^ load_word<Simd>(b + at));
  const std::size_t left = bytes - at;
  if (left > 0) sum += Simd::popcount(load_tail<Simd>(a + at, left) ^ load_tail<Simd>(b + at, left));
  return static_cast<std::int32_t>(sum);
}

template <class Simd>
inline void hamming(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
                    std::size_t bytes) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < m; ++j) *out++ = distance<Simd>(a + i * bytes, b + j * bytes, bytes);
  }
}

}  // namespace firebit::generic
