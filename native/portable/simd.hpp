// The vocabulary for any processor: vectors of one 64-bit word.
#pragma once

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
};

}  // namespace firebit::portable
