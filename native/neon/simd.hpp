// The vocabulary for 64-bit ARM: vectors of 16 bytes.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "generic/hamming.hpp"

namespace firebit::neon {

struct Simd {
  static constexpr std::size_t block = 16;
  // A byte counts up to 8 ones a vector, so its counter holds 31 vectors.
  static constexpr std::size_t vectors_per_counter = 31;

  static std::uint64_t popcount(std::uint64_t word) { return vaddv_u8(vcnt_u8(vcreate_u8(word))); }

  static std::uint64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t blocks) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks;) {
      const std::size_t left = blocks - i;
      const std::size_t end = i + (left < vectors_per_counter ? left : vectors_per_counter);
      uint8x16_t counts = vdupq_n_u8(0);
      for (; i < end; ++i) counts = vaddq_u8(counts, vcntq_u8(veorq_u8(vld1q_u8(a + i * block), vld1q_u8(b + i * block))));
      sum += vaddlvq_u8(counts);
    }
    return sum;
  }

  template <std::size_t bytes>
  static constexpr bool compares_eight() {
    return false;
  }
  template <std::size_t bytes>
  static std::uint32_t within(const std::uint8_t*, const std::uint8_t*, std::uint64_t, std::uint64_t*);
  static std::size_t lowest(std::uint32_t);

  static constexpr std::size_t width = 16;
  using Bytes = uint8x16_t;

  static Bytes load(const void* from) { return vld1q_u8(static_cast<const std::uint8_t*>(from)); }
  static void store(void* to, Bytes v) { vst1q_u8(static_cast<std::uint8_t*>(to), v); }
  static Bytes zero() { return vdupq_n_u8(0); }
  static Bytes splat8(std::uint8_t value) { return vdupq_n_u8(value); }
  static Bytes splat16(std::uint16_t value) { return vreinterpretq_u8_u16(vdupq_n_u16(value)); }
  static Bytes in_register(Bytes v) { return v; }
  static Bytes table(const std::uint8_t* from) { return vld1q_u8(from); }
  static Bytes look_up(Bytes table, Bytes indices) { return vqtbl1q_u8(table, indices); }
  static Bytes add8(Bytes a, Bytes b) { return vaddq_u8(a, b); }
  static Bytes both(Bytes a, Bytes b) { return vandq_u8(a, b); }
  static Bytes either(Bytes a, Bytes b) { return vorrq_u8(a, b); }
  static Bytes differ(Bytes a, Bytes b) { return veorq_u8(a, b); }
  static Bytes add16(Bytes a, Bytes b) { return bytes(vaddq_u16(words(a), words(b))); }
  static Bytes sub16(Bytes a, Bytes b) { return bytes(vsubq_u16(words(a), words(b))); }
  static Bytes high_bytes(Bytes a) { return bytes(vshrq_n_u16(words(a), 8)); }
  static Bytes upper_halves(Bytes a) { return vshrq_n_u8(a, 4); }
  static Bytes shift_up(Bytes a) { return bytes(vshlq_n_u16(words(a), 8)); }
  static Bytes at_least16(Bytes a, Bytes b) { return bytes(vcgeq_u16(words(a), words(b))); }
  static Bytes low_bytes_of(Bytes a, Bytes b) { return vbslq_u8(splat16(0x00ff), a, b); }
  static Bytes even_bytes(Bytes a, Bytes b) { return vuzp1q_u8(a, b); }

  static constexpr std::size_t lanes = 4;
  using Ints = int32x4_t;

  static Ints load32(const std::int32_t* from) { return vld1q_s32(from); }
  static void store32(std::int32_t* to, Ints v) { vst1q_s32(to, v); }
  static Ints zero32() { return vdupq_n_s32(0); }
  static Ints add32(Ints a, Ints b) { return vaddq_s32(a, b); }
  static Ints even_ints(Ints a, Ints b) { return vuzp1q_s32(a, b); }
  static Ints odd_ints(Ints a, Ints b) { return vuzp2q_s32(a, b); }
  static Ints in_order(Ints v) { return v; }
  static Bytes widen8(const std::int8_t* from) { return vreinterpretq_u8_s16(vmovl_s8(vld1_s8(from))); }
  static Ints widen(const std::int16_t* from) { return vmovl_s16(vld1_s16(from)); }
  static void widen_columns(Bytes even, Bytes odd, Ints (&columns)[4]) {
    const uint16x8_t low = vzip1q_u16(words(even), words(odd)), high = vzip2q_u16(words(even), words(odd));
    columns[0] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low)));
    columns[1] = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low)));
    columns[2] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high)));
    columns[3] = vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)));
  }
  static void interleave_pair(const std::uint8_t* a, const std::uint8_t* b, std::int16_t* to) {
    const uint8x16_t first = vld1q_u8(a), second = vld1q_u8(b);
    const uint8x16_t low = vzip1q_u8(first, second), high = vzip2q_u8(first, second);
    vst1q_s16(to, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(low))));
    vst1q_s16(to + 8, vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(low))));
    vst1q_s16(to + 16, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(high))));
    vst1q_s16(to + 24, vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(high))));
  }
  static Ints load_pairs(const std::int16_t* from) { return vreinterpretq_s32_s16(vld1q_s16(from)); }
  static Ints splat_pair(const std::int16_t* from) {
    std::int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return vdupq_n_s32(pair);
  }
  static Ints multiply_add(Ints sum, Ints a, Ints b) {
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
  }
  template <class Bound>
  static Bytes above(const std::int32_t* from, Bound bound) {
    const auto greater = [&](std::size_t i) { return vmovn_u32(vcgtq_s32(load32(from + 4 * i), bound(4 * i))); };
    const uint16x8_t words = vcombine_u16(greater(0), greater(1)), more = vcombine_u16(greater(2), greater(3));
    return vcombine_u8(vmovn_u16(words), vmovn_u16(more));
  }

  static constexpr std::size_t square_vectors = 4;
  static constexpr bool wide_best = false;
  static constexpr bool counts_best = true;
  static constexpr bool saturates = false;
  static constexpr bool has_tables64 = false;
  static constexpr bool has_winograd = true;

  static Bytes splat32(const std::uint8_t* from) {
    std::uint32_t four;
    std::memcpy(&four, from, sizeof four);
    return vreinterpretq_u8_u32(vdupq_n_u32(four));
  }
  static Ints splat_int(std::int32_t value) { return vdupq_n_s32(value); }
  static Ints times32(Ints a, std::uint32_t n) { return vmulq_s32(a, splat_int(static_cast<std::int32_t>(n))); }
  template <int k>
  static Ints double32(Ints a) {
    return vshlq_n_s32(a, k);
  }
  template <int k>
  static Ints halve32(Ints a) {
    return vshrq_n_s32(a, k);
  }
  static void interleave32(const Ints (&four)[4], std::int32_t* to) { vst4q_s32(to, {{four[0], four[1], four[2], four[3]}}); }
  static Ints in_register(Ints v) { return v; }
  static Ints above32(Ints a, Ints b) { return vreinterpretq_s32_u32(vcgtq_s32(a, b)); }
  static Ints differ32(Ints a, Ints b) { return veorq_s32(a, b); }
  static Ints load_bytes(const std::uint8_t* from) { return vreinterpretq_s32_u8(vld1q_u8(from)); }
  static void store_bytes(std::uint8_t* to, Ints v) { vst1q_u8(to, vreinterpretq_u8_s32(v)); }
  static Ints both32(Ints a, Ints b) { return vandq_s32(a, b); }
  static Ints max32(Ints a, Ints b) { return vmaxq_s32(a, b); }
  static Ints sub32(Ints a, Ints b) { return vsubq_s32(a, b); }
  static Ints dot4(Ints sum, Bytes values, Bytes weights) {
    const int8x16_t w = vreinterpretq_s8_u8(weights);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(values)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(values));
    const int16x8_t low_weights = vmovl_s8(vget_low_s8(w)), high_weights = vmovl_high_s8(w);
    const auto pairs = [](int16x8_t a, int16x8_t b) {
      return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
    };
    return vaddq_s32(sum, vpaddq_s32(pairs(low, low_weights), pairs(high, high_weights)));
  }
  static Ints sum4(Ints sum, Bytes bytes) {
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sum), vpaddlq_u8(bytes)));
  }
  static Bytes ones8(Bytes bytes) { return vcntq_u8(bytes); }
  static void interleave(const std::uint8_t* const (&rows)[4], std::uint32_t marks, std::uint8_t* to) {
    uint8x16x4_t four;
    for (int j = 0; j < 4; ++j) {
      four.val[j] = vaddq_u8(vld1q_u8(rows[j]), vdupq_n_u8(static_cast<std::uint8_t>(marks >> 8 * j)));
    }
    vst4q_u8(to, four);
  }
  static std::int32_t total(Ints v) { return vaddvq_s32(v); }

 private:
  static uint16x8_t words(Bytes v) { return vreinterpretq_u16_u8(v); }
  static Bytes bytes(uint16x8_t v) { return vreinterpretq_u8_u16(v); }
};

}  // namespace firebit::neon
