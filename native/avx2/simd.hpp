// The vocabulary for x86-64 with AVX2 and POPCNT: vectors of 32 bytes.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "generic/hamming.hpp"

namespace firebit::avx2 {

struct Simd {
  static constexpr std::size_t block = 32;
  // A byte counts up to 8 ones a vector, so its counter holds 31 vectors.
  static constexpr std::size_t vectors_per_counter = 31;

  static std::uint64_t popcount(std::uint64_t word) { return static_cast<std::uint64_t>(_mm_popcnt_u64(word)); }

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

  template <std::size_t bytes>
  static constexpr bool compares_eight() {
    return false;
  }
  template <std::size_t bytes>
  static std::uint32_t within(const std::uint8_t*, const std::uint8_t*, std::uint64_t, std::uint64_t*);
  static std::size_t lowest(std::uint32_t);

  static constexpr std::size_t width = 32;
  using Bytes = __m256i;

  static Bytes load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
  static void store(void* to, Bytes v) { _mm256_storeu_si256(static_cast<__m256i*>(to), v); }
  static Bytes zero() { return _mm256_setzero_si256(); }
  static Bytes splat8(std::uint8_t value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  static Bytes splat16(std::uint16_t value) { return _mm256_set1_epi16(static_cast<short>(value)); }
  static Bytes in_register(Bytes v) {
#if defined(__GNUC__)
    __asm__("" : "+x"(v));
#endif
    return v;
  }
  static Bytes table(const std::uint8_t* from) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Bytes look_up(Bytes table, Bytes indices) { return _mm256_shuffle_epi8(table, indices); }
  static Bytes add8(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
  static Bytes both(Bytes a, Bytes b) { return _mm256_and_si256(a, b); }
  static Bytes either(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
  static Bytes differ(Bytes a, Bytes b) { return _mm256_xor_si256(a, b); }
  static Bytes add16(Bytes a, Bytes b) { return _mm256_add_epi16(a, b); }
  static Bytes sub16(Bytes a, Bytes b) { return _mm256_sub_epi16(a, b); }
  static Bytes high_bytes(Bytes a) { return _mm256_srli_epi16(a, 8); }
  static Bytes upper_halves(Bytes a) { return _mm256_srli_epi16(a, 4); }
  static Bytes shift_up(Bytes a) { return _mm256_slli_epi16(a, 8); }
  static Bytes at_least16(Bytes a, Bytes b) { return _mm256_cmpeq_epi16(_mm256_subs_epu16(b, a), zero()); }
  static Bytes low_bytes_of(Bytes a, Bytes b) { return _mm256_blendv_epi8(a, b, splat16(0xff00)); }
  static Bytes even_bytes(Bytes a, Bytes b) {
    const __m256i low = splat16(0x00ff);
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(both(a, low), both(b, low)), 0xd8);
  }

  static constexpr std::size_t lanes = 8;
  using Ints = __m256i;

  static Ints load32(const std::int32_t* from) { return load(from); }
  static void store32(std::int32_t* to, Ints v) { store(to, v); }
  static Ints zero32() { return zero(); }
  static Ints add32(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  template <int chosen>
  static Ints every_second(Ints a, Ints b) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), chosen));
  }
  static Ints even_ints(Ints a, Ints b) { return every_second<0x88>(a, b); }
  static Ints odd_ints(Ints a, Ints b) { return every_second<0xdd>(a, b); }
  static Ints in_order(Ints v) { return _mm256_permute4x64_epi64(v, 0xd8); }
  static Bytes widen8(const std::int8_t* from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Ints widen(const std::int16_t* from) {
    return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static void widen_columns(Bytes even, Bytes odd, Ints (&columns)[4]) {
    const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
    columns[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(low));
    columns[1] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(high));
    columns[2] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(low, 1));
    columns[3] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(high, 1));
  }
  static void interleave_pair(const std::uint8_t* a, const std::uint8_t* b, std::int16_t* to) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    store(to, _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second)));
    store(to + 16, _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second)));
  }
  static Ints load_pairs(const std::int16_t* from) { return load(from); }
  static Ints splat_pair(const std::int16_t* from) {
    std::int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Ints multiply_add(Ints sum, Ints a, Ints b) { return add32(sum, _mm256_madd_epi16(a, b)); }
  // Neighbours are at most 2 · 128 together: no saturation.
  static Ints dot_bits(Ints sum, Bytes bits, Bytes weights) {
    return multiply_add(sum, _mm256_maddubs_epi16(bits, weights), splat16(1));
  }
  template <class Bound>
  static Bytes above(const std::int32_t* from, Bound bound) {
    const auto greater = [&](std::size_t i) { return _mm256_cmpgt_epi32(load32(from + 8 * i), bound(8 * i)); };
    const __m256i words = _mm256_packs_epi32(greater(0), greater(1)), more = _mm256_packs_epi32(greater(2), greater(3));
    // Packing works within halves: their parts of four columns come out of order.
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words, more), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  static constexpr std::size_t square_vectors = 2;
  static constexpr bool wide_best = false;
  static constexpr bool counts_best = false;
  static constexpr bool saturates = true;
  static constexpr bool has_tables64 = false;
  static constexpr bool has_winograd = true;

  static Bytes splat32(const std::uint8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Ints splat_int(std::int32_t value) { return _mm256_set1_epi32(value); }
  static Ints times32(Ints a, std::uint32_t n) { return _mm256_mullo_epi32(a, splat_int(static_cast<std::int32_t>(n))); }
  template <int k>
  static Ints double32(Ints a) {
    return _mm256_slli_epi32(a, k);
  }
  template <int k>
  static Ints halve32(Ints a) {
    return _mm256_srai_epi32(a, k);
  }
  static void interleave32(const Ints (&four)[4], std::int32_t* to) {
    const Ints a = _mm256_unpacklo_epi32(four[0], four[1]), b = _mm256_unpackhi_epi32(four[0], four[1]);
    const Ints c = _mm256_unpacklo_epi32(four[2], four[3]), d = _mm256_unpackhi_epi32(four[2], four[3]);
    const Ints e = _mm256_unpacklo_epi64(a, c), f = _mm256_unpackhi_epi64(a, c);
    const Ints g = _mm256_unpacklo_epi64(b, d), h = _mm256_unpackhi_epi64(b, d);
    store32(to, _mm256_permute2x128_si256(e, f, 0x20));
    store32(to + 8, _mm256_permute2x128_si256(g, h, 0x20));
    store32(to + 16, _mm256_permute2x128_si256(e, f, 0x31));
    store32(to + 24, _mm256_permute2x128_si256(g, h, 0x31));
  }
  static Ints above32(Ints a, Ints b) { return _mm256_cmpgt_epi32(a, b); }
  static Ints differ32(Ints a, Ints b) { return differ(a, b); }
  static Ints load_bytes(const std::uint8_t* from) { return load(from); }
  static void store_bytes(std::uint8_t* to, Ints v) { store(to, v); }
  static Ints both32(Ints a, Ints b) { return both(a, b); }
  static Ints max32(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
  static Ints sub32(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Ints dot4(Ints sum, Bytes values, Bytes weights) { return dot_bits(sum, values, weights); }
  static Ints sum4(Ints sum, Bytes bytes) { return dot_bits(sum, bytes, splat8(1)); }
  static Bytes ones8(Bytes bytes) { return byte_counts(bytes); }
  static void interleave(const std::uint8_t* const (&rows)[4], std::uint32_t marks, std::uint8_t* to) {
    const auto row = [&](std::size_t j) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[j])); };
    const __m128i added = _mm_set1_epi32(static_cast<int>(marks));
    const auto put = [&](std::size_t i, __m128i v) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + i, _mm_add_epi8(v, added));
    };
    const __m128i a = row(0), b = row(1), c = row(2), d = row(3);
    const __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    const __m128i ab_high = _mm_unpackhi_epi8(a, b), cd_high = _mm_unpackhi_epi8(c, d);
    put(0, _mm_unpacklo_epi16(ab, cd));
    put(1, _mm_unpackhi_epi16(ab, cd));
    put(2, _mm_unpacklo_epi16(ab_high, cd_high));
    put(3, _mm_unpackhi_epi16(ab_high, cd_high));
  }
  static std::int32_t total(Ints v) {
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
  }
};

}  // namespace firebit::avx2
