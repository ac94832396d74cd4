// The vocabulary for x86-64 with AVX-512 (F, BW, VNNI, VPOPCNTDQ): vectors of 64 bytes.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "generic/hamming.hpp"

namespace firebit::avx512 {

struct Simd {
  static constexpr std::size_t block = 64;

  static std::uint64_t popcount(std::uint64_t word) { return static_cast<std::uint64_t>(_mm_popcnt_u64(word)); }

  static std::uint64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t blocks) {
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < blocks; ++i) {
      const __m512i differ = _mm512_xor_si512(load(a + i * block), load(b + i * block));
      sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(differ));
    }
    return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(sum));
  }

  template <std::size_t bytes>
  static constexpr bool compares_eight() {
    return bytes == 4 || bytes == 8 || bytes == 16 || bytes == 32 || bytes == 64 || bytes == 128;
  }

  template <std::size_t bytes>
  static std::uint32_t within(const std::uint8_t* query, const std::uint8_t* codes, std::uint64_t limit,
                              std::uint64_t* distances) {
    const __m512i found = distances_of_eight<bytes>(query, codes);
    const std::uint32_t mask = _mm512_cmple_epu64_mask(found, _mm512_set1_epi64(static_cast<long long>(limit)));
    if (mask) _mm512_storeu_si512(distances, found);
    return mask;
  }
  static std::size_t lowest(std::uint32_t mask) { return static_cast<std::size_t>(__builtin_ctz(mask)); }

  template <std::size_t bytes>
  static __m512i distances_of_eight(const std::uint8_t* query, const std::uint8_t* codes) {
    if constexpr (bytes == 4) {
      std::int32_t word;
      std::memcpy(&word, query, sizeof word);
      const __m256i seen = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
      return _mm512_cvtepu32_epi64(_mm256_popcnt_epi32(_mm256_xor_si256(seen, _mm256_set1_epi32(word))));
    } else if constexpr (bytes == 8) {
      std::int64_t word;
      std::memcpy(&word, query, sizeof word);
      return ones(codes, _mm512_set1_epi64(word));
    } else if constexpr (bytes == 16) {
      const __m512i wide = table(query);
      const __m512i sums = add_neighbours(ones(codes, wide), ones(codes + 64, wide));
      return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), sums);
    } else if constexpr (bytes == 32) {
      const __m512i wide = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(query)));
      const __m512i first = add_neighbours(ones(codes, wide), ones(codes + 64, wide));
      const __m512i second = add_neighbours(ones(codes + 128, wide), ones(codes + 192, wide));
      return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 1, 3, 4, 6, 5, 7), add_pairs(first, second));
    } else {
      __m512i pairs[4];
      for (std::size_t i = 0; i < 4; ++i) {
        pairs[i] = add_neighbours(all_ones<bytes>(query, codes + 2 * i * bytes), all_ones<bytes>(query, codes + (2 * i + 1) * bytes));
      }
      return add_pairs(add_pairs(pairs[0], pairs[1]), add_pairs(pairs[2], pairs[3]));
    }
  }

  static __m512i ones(const std::uint8_t* code, __m512i query) {
    return _mm512_popcnt_epi64(_mm512_xor_si512(load(code), query));
  }
  template <std::size_t bytes>
  static __m512i all_ones(const std::uint8_t* query, const std::uint8_t* code) {
    __m512i sum = ones(code, load(query));
    for (std::size_t at = block; at < bytes; at += block) sum = _mm512_add_epi64(sum, ones(code + at, load(query + at)));
    return sum;
  }
  // Words 2i and 2i + 1 of a, then of b, are added up, in every pair of words.
  static __m512i add_neighbours(__m512i a, __m512i b) {
    return _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
  }
  // Pairs of words 2i and 2i + 1 of a, then of b, are added up.
  static __m512i add_pairs(__m512i a, __m512i b) {
    return _mm512_add_epi64(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd));
  }

  static constexpr std::size_t width = 64;
  using Bytes = __m512i;

  static Bytes load(const void* from) { return _mm512_loadu_si512(from); }
  static void store(void* to, Bytes v) { _mm512_storeu_si512(to, v); }
  static Bytes zero() { return _mm512_setzero_si512(); }
  static Bytes splat8(std::uint8_t value) { return _mm512_set1_epi8(static_cast<char>(value)); }
  static Bytes splat16(std::uint16_t value) { return _mm512_set1_epi16(static_cast<short>(value)); }
  static Bytes in_register(Bytes v) { return v; }
  static Bytes table(const std::uint8_t* from) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Bytes look_up(Bytes table, Bytes indices) { return _mm512_shuffle_epi8(table, indices); }
  static Bytes add8(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
  static Bytes both(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
  static Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
  static Bytes differ(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
  static Bytes add16(Bytes a, Bytes b) { return _mm512_add_epi16(a, b); }
  static Bytes sub16(Bytes a, Bytes b) { return _mm512_sub_epi16(a, b); }
  static Bytes high_bytes(Bytes a) { return _mm512_srli_epi16(a, 8); }
  static Bytes upper_halves(Bytes a) { return _mm512_srli_epi16(a, 4); }
  static Bytes shift_up(Bytes a) { return _mm512_slli_epi16(a, 8); }
  static Bytes at_least16(Bytes a, Bytes b) { return _mm512_movm_epi16(_mm512_cmpge_epu16_mask(a, b)); }
  static Bytes low_bytes_of(Bytes a, Bytes b) { return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaau, a, b); }
  static Bytes even_bytes(Bytes a, Bytes b) {
    const __m512i low = _mm512_castsi256_si512(_mm512_cvtepi16_epi8(a));
    return _mm512_inserti64x4(low, _mm512_cvtepi16_epi8(b), 1);
  }

  static constexpr std::size_t lanes = 16;
  using Ints = __m512i;

  static Ints load32(const std::int32_t* from) { return load(from); }
  static void store32(std::int32_t* to, Ints v) { store(to, v); }
  static Ints zero32() { return zero(); }
  static Ints add32(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints every_second(Ints a, Ints b, int first) {
    const __m512i indices = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_epi32(a, _mm512_add_epi32(indices, _mm512_set1_epi32(first)), b);
  }
  static Ints even_ints(Ints a, Ints b) { return every_second(a, b, 0); }
  static Ints odd_ints(Ints a, Ints b) { return every_second(a, b, 1); }
  static Ints in_order(Ints v) { return v; }
  static Bytes widen8(const std::int8_t* from) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Ints widen(const std::int16_t* from) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  template <int quarter>
  static Ints quarter_columns(Bytes low, Bytes high) {
    return _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm512_extracti32x4_epi32(high, quarter), _mm512_extracti32x4_epi32(low, quarter)));
  }
  static void widen_columns(Bytes even, Bytes odd, Ints (&columns)[4]) {
    const __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
    columns[0] = quarter_columns<0>(low, high);
    columns[1] = quarter_columns<1>(low, high);
    columns[2] = quarter_columns<2>(low, high);
    columns[3] = quarter_columns<3>(low, high);
  }
  static void interleave_pair(const std::uint8_t* a, const std::uint8_t* b, std::int16_t* to) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi8(first, second), _mm_unpacklo_epi8(first, second));
    store(to, _mm512_cvtepu8_epi16(both));
  }
  static Ints load_pairs(const std::int16_t* from) { return load(from); }
  static Ints splat_pair(const std::int16_t* from) {
    std::int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Ints multiply_add(Ints sum, Ints a, Ints b) { return _mm512_dpwssd_epi32(sum, a, b); }
  template <class Bound>
  static Bytes above(const std::int32_t* from, Bound bound) {
    std::uint64_t greater = 0;
    for (unsigned i = 0; i < 4; ++i) {
      greater |= std::uint64_t{_mm512_cmpgt_epi32_mask(load32(from + 16 * i), bound(std::size_t{16} * i))} << 16 * i;
    }
    return _mm512_movm_epi8(greater);
  }

  static constexpr std::size_t square_vectors = 4;
  static constexpr bool wide_best = true;
  static constexpr bool counts_best = true;
  static constexpr bool saturates = false;
  static constexpr bool has_tables64 = true;
  // Its products take half as many instructions, and have not been weighed against fewer of them.
  static constexpr bool has_winograd = false;

  static Bytes splat32(const std::uint8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Ints splat_int(std::int32_t value) { return _mm512_set1_epi32(value); }
  static Ints both32(Ints a, Ints b) { return both(a, b); }
  static Ints max32(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static Ints sub32(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints shift8(Ints a) { return _mm512_slli_epi32(a, 8); }
  static Ints dot4(Ints sum, Bytes values, Bytes weights) { return _mm512_dpbusd_epi32(sum, values, weights); }
  static Ints sum4(Ints sum, Bytes bytes) { return _mm512_dpbusd_epi32(sum, bytes, splat8(1)); }
  static Bytes ones8(Bytes bytes) { return _mm512_popcnt_epi8(bytes); }
  static Bytes look_up64(const std::uint8_t* table, Bytes indices) {
    return _mm512_permutexvar_epi8(indices, load(table));
  }
  static void interleave(const std::uint8_t* const (&rows)[4], std::uint32_t marks, std::uint8_t* to) {
    const auto row = [&](std::size_t j) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[j])); };
    const __m512i two = _mm512_inserti32x4(_mm512_castsi128_si512(row(0)), row(1), 1);
    const __m512i four = _mm512_inserti32x4(_mm512_inserti32x4(two, row(2), 2), row(3), 3);
    // Byte 4c + j is byte 16j + c: the places of a column are one number, and the next column's one more in each byte.
    const __m512i columns = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i order = _mm512_add_epi32(_mm512_mullo_epi32(columns, _mm512_set1_epi32(0x01010101)),
                                           _mm512_set1_epi32(0x30201000));
    store(to, _mm512_add_epi8(_mm512_permutexvar_epi8(order, four), _mm512_set1_epi32(static_cast<int>(marks))));
  }
  static std::int32_t total(Ints v) { return _mm512_reduce_add_epi32(v); }
};

}  // namespace firebit::avx512
