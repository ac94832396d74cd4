// The vocabulary for any processor: vectors of 16 bytes in plain C++, and words of 64 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "generic/hamming.hpp"

namespace firebit::portable {

struct Simd {
  static constexpr std::size_t block = 8;

  // Adds neighbouring fields of 1, 2 and 4 bits, then the eight bytes by a multiplication.
  static std::uint64_t popcount(std::uint64_t word) {
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (word * 0x0101010101010101u) >> 56;
  }

  static std::uint64_t differing_bits(const std::uint8_t* a, const std::uint8_t* b, std::size_t blocks) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
      sum += popcount(generic::load_word<Simd>(a + i * block) ^ generic::load_word<Simd>(b + i * block));
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

  struct Bytes {
    std::uint8_t at[width];
  };

  static Bytes load(const void* from) {
    Bytes v;
    std::memcpy(v.at, from, width);
    return v;
  }
  static void store(void* to, Bytes v) { std::memcpy(to, v.at, width); }
  static Bytes zero() { return splat8(0); }
  static Bytes splat8(std::uint8_t value) {
    Bytes v;
    std::memset(v.at, value, width);
    return v;
  }
  static Bytes in_register(Bytes v) { return v; }
  static Bytes table(const std::uint8_t* from) { return load(from); }

  static Bytes look_up(Bytes table, Bytes indices) {
    return each8(indices, indices, [&](unsigned index, unsigned) { return table.at[index & 15]; });
  }
  static Bytes add8(Bytes a, Bytes b) {
    return each8(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint8_t>(x + y); });
  }
  static Bytes both(Bytes a, Bytes b) {
    return each8(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint8_t>(x & y); });
  }
  static Bytes either(Bytes a, Bytes b) {
    return each8(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint8_t>(x | y); });
  }
  static Bytes differ(Bytes a, Bytes b) {
    return each8(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint8_t>(x ^ y); });
  }

  static Bytes splat16(std::uint16_t value) {
    return each16(zero(), zero(), [=](unsigned, unsigned) { return value; });
  }
  static Bytes add16(Bytes a, Bytes b) {
    return each16(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint16_t>(x + y); });
  }
  static Bytes sub16(Bytes a, Bytes b) {
    return each16(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint16_t>(x - y); });
  }
  static Bytes high_bytes(Bytes a) {
    return each16(a, a, [](unsigned x, unsigned) { return static_cast<std::uint16_t>(x >> 8); });
  }
  static Bytes upper_halves(Bytes a) {
    return each16(a, a, [](unsigned x, unsigned) { return static_cast<std::uint16_t>(x >> 4); });
  }
  static Bytes shift_up(Bytes a) {
    return each16(a, a, [](unsigned x, unsigned) { return static_cast<std::uint16_t>(x << 8); });
  }
  static Bytes at_least16(Bytes a, Bytes b) {
    return each16(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint16_t>(x >= y ? 0xffff : 0); });
  }
  static Bytes low_bytes_of(Bytes a, Bytes b) {
    return each16(a, b, [](unsigned x, unsigned y) { return static_cast<std::uint16_t>((x & 0xff) | (y & 0xff00)); });
  }
  static Bytes even_bytes(Bytes a, Bytes b) {
    Bytes found;
    for (std::size_t i = 0; i < width / 2; ++i) {
      found.at[i] = a.at[2 * i];
      found.at[width / 2 + i] = b.at[2 * i];
    }
    return found;
  }

  static constexpr std::size_t lanes = 4;

  // Unsigned, so that sums of columns that nobody reads may wrap.
  struct Ints {
    std::uint32_t at[lanes];
  };

  static Ints load32(const std::int32_t* from) {
    Ints v;
    std::memcpy(v.at, from, sizeof v.at);
    return v;
  }
  static void store32(std::int32_t* to, Ints v) { std::memcpy(to, v.at, sizeof v.at); }
  static Ints zero32() { return {}; }
  static Ints add32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) a.at[i] += b.at[i];
    return a;
  }
  static Ints every_second(Ints a, Ints b, std::size_t first) {
    Ints found;
    for (std::size_t i = 0; i < lanes / 2; ++i) {
      found.at[i] = a.at[2 * i + first];
      found.at[lanes / 2 + i] = b.at[2 * i + first];
    }
    return found;
  }
  static Ints even_ints(Ints a, Ints b) { return every_second(a, b, 0); }
  static Ints odd_ints(Ints a, Ints b) { return every_second(a, b, 1); }
  static Ints in_order(Ints v) { return v; }
  static Bytes widen8(const std::int8_t* from) {
    std::int16_t words[width / 2];
    for (std::size_t i = 0; i < width / 2; ++i) words[i] = from[i];
    Bytes found;
    std::memcpy(found.at, words, sizeof words);
    return found;
  }
  static Ints widen(const std::int16_t* from) {
    Ints v;
    for (std::size_t i = 0; i < lanes; ++i) v.at[i] = static_cast<std::uint32_t>(std::int32_t{from[i]});
    return v;
  }
  static void widen_columns(Bytes even, Bytes odd, Ints (&columns)[4]) {
    std::uint16_t words[2][width / 2];
    std::memcpy(words[0], even.at, sizeof words[0]);
    std::memcpy(words[1], odd.at, sizeof words[1]);
    for (std::size_t i = 0; i < width; ++i) columns[i / lanes].at[i % lanes] = words[i % 2][i / 2];
  }
  static void interleave_pair(const std::uint8_t* a, const std::uint8_t* b, std::int16_t* to) {
    for (std::size_t i = 0; i < 16; ++i) {
      to[2 * i] = a[i];
      to[2 * i + 1] = b[i];
    }
  }
  static Ints load_pairs(const std::int16_t* from) {
    Ints v;
    std::memcpy(v.at, from, sizeof v.at);
    return v;
  }
  static Ints splat_pair(const std::int16_t* from) {
    Ints v;
    for (std::size_t i = 0; i < lanes; ++i) std::memcpy(v.at + i, from, sizeof v.at[i]);
    return v;
  }
  static Ints multiply_add(Ints sum, Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) {
      sum.at[i] += product(a.at[i], b.at[i]) + product(a.at[i] >> 16, b.at[i] >> 16);
    }
    return sum;
  }
  static Ints dot_bits(Ints sum, Bytes bits, Bytes weights) {
    for (std::size_t i = 0; i < width; ++i) {
      const auto weight = static_cast<std::uint32_t>(std::int32_t{static_cast<std::int8_t>(weights.at[i])});
      sum.at[i / 4] += bits.at[i] * weight;
    }
    return sum;
  }
  template <class Bound>
  static Bytes above(const std::int32_t* from, Bound bound) {
    Bytes v;
    for (std::size_t i = 0; i < width; i += lanes) {
      const Ints limits = bound(i);
      for (std::size_t j = 0; j < lanes; ++j) v.at[i + j] = from[i + j] > static_cast<std::int32_t>(limits.at[j]) ? 0xff : 0;
    }
    return v;
  }

  static constexpr std::size_t square_vectors = 2;
  static constexpr bool wide_best = false;
  static constexpr bool counts_best = true;
  static constexpr bool saturates = false;
  static constexpr bool has_tables64 = true;
  static constexpr bool has_winograd = true;

  static Bytes splat32(const std::uint8_t* from) {
    Bytes v;
    for (std::size_t i = 0; i < width; ++i) v.at[i] = from[i % 4];
    return v;
  }
  static Ints splat_int(std::int32_t value) {
    Ints v;
    for (std::uint32_t& lane : v.at) lane = static_cast<std::uint32_t>(value);
    return v;
  }
  static Ints times32(Ints a, std::uint32_t n) {
    for (std::uint32_t& lane : a.at) lane *= n;
    return a;
  }
  template <int k>
  static Ints double32(Ints a) {
    for (std::uint32_t& lane : a.at) lane <<= k;
    return a;
  }
  template <int k>
  static Ints halve32(Ints a) {
    for (std::uint32_t& lane : a.at) lane = static_cast<std::uint32_t>(static_cast<std::int32_t>(lane) >> k);
    return a;
  }
  static void interleave32(const Ints (&four)[4], std::int32_t* to) {
    for (std::size_t i = 0; i < 4 * lanes; ++i) to[i] = static_cast<std::int32_t>(four[i % 4].at[i / 4]);
  }
  static Ints in_register(Ints v) { return v; }
  static Ints above32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) {
      a.at[i] = static_cast<std::int32_t>(a.at[i]) > static_cast<std::int32_t>(b.at[i]) ? 0xffffffffu : 0u;
    }
    return a;
  }
  static Ints differ32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) a.at[i] ^= b.at[i];
    return a;
  }
  static Ints load_bytes(const std::uint8_t* from) {
    Ints v = {};
    for (std::size_t i = 0; i < 4 * lanes; ++i) v.at[i / 4] |= std::uint32_t{from[i]} << 8 * (i % 4);
    return v;
  }
  static void store_bytes(std::uint8_t* to, Ints v) {
    for (std::size_t i = 0; i < 4 * lanes; ++i) to[i] = static_cast<std::uint8_t>(v.at[i / 4] >> 8 * (i % 4));
  }
  static Ints both32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) a.at[i] &= b.at[i];
    return a;
  }
  static Ints max32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) {
      if (static_cast<std::int32_t>(a.at[i]) < static_cast<std::int32_t>(b.at[i])) a.at[i] = b.at[i];
    }
    return a;
  }
  static Ints sub32(Ints a, Ints b) {
    for (std::size_t i = 0; i < lanes; ++i) a.at[i] -= b.at[i];
    return a;
  }
  static Ints shift8(Ints a) {
    for (std::uint32_t& lane : a.at) lane <<= 8;
    return a;
  }
  static Ints dot4(Ints sum, Bytes values, Bytes weights) { return dot_bits(sum, values, weights); }
  static Ints sum4(Ints sum, Bytes bytes) { return dot_bits(sum, bytes, splat8(1)); }
  static Bytes ones8(Bytes bytes) {
    return each8(bytes, bytes, [](unsigned x, unsigned) { return static_cast<std::uint8_t>(popcount(x)); });
  }
  static Bytes look_up64(const std::uint8_t* table, Bytes indices) {
    return each8(indices, indices, [&](unsigned index, unsigned) { return table[index & 63]; });
  }
  static void interleave(const std::uint8_t* const (&rows)[4], std::uint32_t marks, std::uint8_t* to) {
    for (std::size_t i = 0; i < 4 * width; ++i) {
      to[i] = static_cast<std::uint8_t>(rows[i % 4][i / 4] + (marks >> 8 * (i % 4)));
    }
  }
  static std::int32_t total(Ints v) { return static_cast<std::int32_t>(v.at[0] + v.at[1] + v.at[2] + v.at[3]); }

 private:
  template <class Each>
  static Bytes each8(const Bytes& a, const Bytes& b, Each each) {
    Bytes v;
    for (std::size_t i = 0; i < width; ++i) v.at[i] = each(a.at[i], b.at[i]);
    return v;
  }

  template <class Each>
  static Bytes each16(const Bytes& a, const Bytes& b, Each each) {
    std::uint16_t x[width / 2], y[width / 2];
    std::memcpy(x, a.at, width);
    std::memcpy(y, b.at, width);
    for (std::size_t i = 0; i < width / 2; ++i) x[i] = each(x[i], y[i]);
    return load(x);
  }

  static std::uint32_t product(std::uint32_t a, std::uint32_t b) {
    const std::int32_t x = static_cast<std::int16_t>(a & 0xffff), y = static_cast<std::int16_t>(b & 0xffff);
    return static_cast<std::uint32_t>(x * y);
  }
};

}  // namespace firebit::portable
