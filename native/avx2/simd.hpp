// The vocabulary for x86-64 with AVX2 and POPCNT: vectors of 32 bytes.
#pragma once

#include <immintrin.h>

#include "generic/hamming.hpp"

namespace firebit::avx2 {

struct Simd {
  static constexpr std::size_t block = 32;
  // A byte counts up to 8 ones a vector, so its counter holds 31 vectors.
  static constexpr std::size_t vectors_per_counter = 31;

  static std::uint64_t popcount(std::uint64_t word) { return static_cast<std::uint64_t>(_mm_popcnt_u64(word)); }

  static __m256i load(const std::uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

  // Ones per byte, both nibbles by a 16-entry table.
  static __m256i byte_counts(__m256i v) {
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0f);
    const __m256i low_counts = _mm256_shuffle_epi8(ones, _mm256_and_si256(v, low));
    const __m256i high_counts = _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
    return _mm256_add_epi8(low_counts, high_counts);
  }

  static std::uint64_t sum_words(__m256i v) {
    alignas(32) std::uint64_t words[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(words), v);
    return words[0] + words[1] + words[2] + words[3];
  }

  static std::uint64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t blocks) {
    if (blocks == 0) return 0;
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = zero;
    for (std::size_t i = 0; i < blocks;) {
      const std::size_t left = blocks - i;
      const std::size_t end = i + (left < vectors_per_counter ? left : vectors_per_counter);
      __m256i counts = zero;
      for (; i < end; ++i) {
        const __m256i differ = _mm256_xor_si256(load(a + i * block), load(b + i * block));
        counts = _mm256_add_epi8(counts, byte_counts(differ));
      }
      sum = _mm256_add_epi64(sum, _mm256_sad_epu8(counts, zero));
    }
    return sum_words(sum);
  }
};

}  // namespace firebit::avx2
