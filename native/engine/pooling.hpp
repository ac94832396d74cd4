// Pooling of bits and of sums, and what becomes of bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/record.hpp"
#include "kernels.hpp"

namespace firebit {

inline std::size_t pool_line(std::size_t width, const Pool& pool) {
  return pool_line(width, pool.width, pool.kernel[1], pool.stride[1], pool.padding[1]);
}

// The largest (on bits xor `flip`, then turned back) of every window of a plane of nibbles, (height, width) to
// (pool.height, pool.width). `line` has room for pool_line bytes.
void pool_bits(const Kernels& kernels, const std::uint8_t* plane, std::size_t height, std::size_t width, const Pool& pool,
               std::uint8_t flip, std::uint8_t* line, std::uint8_t* out);

// Sums of bit `bit` of a plane of nibbles in every window, times the factor of the window.
template <class Count>
void count_bits(const std::uint8_t* plane, std::size_t height, std::size_t width, const Pool& pool, unsigned bit,
                Count* out);

// Sums of some channels of a picture, `stride` numbers from channel to channel.
template <class Sums>
struct Planes {
  Sums* first;
  std::size_t stride;
};

// Of so many channels of a map, `to` grows by the largest or the sum of every window, or begins with them. `line` has room
// for pool_line numbers.
void pool_sums(const Kernels& kernels, const Planes<const std::int32_t>& from, std::size_t channels, const Map& map,
               const Pool& pool, std::int32_t* line, const Planes<std::int32_t>& to, bool begins);

// Nibble planes [⌈C/4⌉][area] as bytes 0 or 1 [C][area].
void unpack_bits(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out);

// Nibble planes as packed codes: bit i of channel-major order is bit i % 8 of byte i / 8.
void pack_code(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out);

}  // namespace firebit
