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

  static constexpr std::size_t width = 64;
  static constexpr std::size_t lookup_pairs = 4;
  using Bytes = __m512i;

  static Bytes load(const void* from) { return _mm512_loadu_si512(from); }
  static void store(void* to, Bytes v) { _mm512_storeu_si512(to, v); }
  static Bytes zero() { return _mm512_setzero_si512(); }
  static Bytes splat8(std::uint8_t value) { return _mm512_set1_epi8(static_cast<char>(value)); }
  static Bytes splat16(std::uint16_t value) { return _mm512_set1_epi16(static_cast<short>(value)); }
  static Bytes table(const std::uint8_t* from) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Bytes look_up(Bytes table, Bytes indices) { return _mm512_shuffle_epi8(table, indices); }
  static Bytes add8(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
  static Bytes both(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
  static Bytes differ(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
  static Bytes add16(Bytes a, Bytes b) { return _mm512_add_epi16(a, b); }
  static Bytes sub16(Bytes a, Bytes b) { return _mm512_sub_epi16(a, b); }
  static Bytes high_bytes(Bytes a) { return _mm512_srli_epi16(a, 8); }
  static Bytes shift_up(Bytes a) { return _mm512_slli_epi16(a, 8); }
  static Bytes at_least16(Bytes a, Bytes b) { return _mm512_movm_epi16(_mm512_cmpge_epu16_mask(a, b)); }
  static Bytes low_bytes_of(Bytes a, Bytes b) { return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaau, a, b); }

  static constexpr std::size_t lanes = 16;
  using Ints = __m512i;

  static Ints load32(const std::int32_t* from) { return load(from); }
  static void store32(std::int32_t* to, Ints v) { store(to, v); }
  static Ints zero32() { return zero(); }
  static Ints add32(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints widen(const std::int16_t* from) {
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Ints load_pairs(const std::int16_t* from) { return load(from); }
  static Ints splat_pair(const std::int16_t* from) {
    std::int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Ints multiply_add(Ints sum, Ints a, Ints b) { return _mm512_dpwssd_epi32(sum, a, b); }
  static Ints dot_bits(Ints sum, Bytes bits, Bytes weights) { return _mm512_dpbusd_epi32(sum, bits, weights); }
  static Bytes above(const std::int32_t* from, std::int32_t limit) {
    const __m512i bound = _mm512_set1_epi32(limit);
    std::uint64_t greater = 0;
    for (unsigned i = 0; i < 4; ++i) {
      greater |= std::uint64_t{_mm512_cmpgt_epi32_mask(load32(from + 16 * i), bound)} << 16 * i;
    }
    return _mm512_movm_epi8(greater);
  }
  static std::int32_t total(Ints v) { return _mm512_reduce_add_epi32(v); }
};

}  // namespace firebit::avx512
