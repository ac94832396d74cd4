#include "engine/pooling.hpp"

#include <algorithm>
#include <cstring>

namespace firebit {

namespace {

struct Span {
  std::size_t first, end;
};

// The cells of window `place` along an axis that are cells of the map.
Span span(const Pool& pool, std::size_t axis, std::size_t place, std::size_t side) {
  const std::size_t begin = place * pool.stride[axis], pad = pool.padding[axis];
  const std::size_t first = begin > pad ? begin - pad : 0;
  return {first, std::min(begin + pool.kernel[axis] - pad, side)};
}

}  // namespace

void pool_bits(const Kernels& kernels, const std::uint8_t* plane, std::size_t height, std::size_t width, const Pool& pool,
               std::uint8_t flip, std::uint8_t* line, std::uint8_t* out) {
  kernels.pool_bits({plane, {height, width}, {pool.kernel[0], pool.kernel[1]}, {pool.stride[0], pool.stride[1]},
                     {pool.padding[0], pool.padding[1]}, {pool.height, pool.width}, flip, line, out});
}

template <class Count>
void count_bits(const std::uint8_t* plane, std::size_t height, std::size_t width, const Pool& pool, unsigned bit,
                Count* out) {
  for (std::size_t y = 0; y < pool.height; ++y) {
    const Span rows = span(pool, 0, y, height);
    for (std::size_t x = 0; x < pool.width; ++x) {
      const Span cells = span(pool, 1, x, width);
      std::int32_t count = 0;
      for (std::size_t row = rows.first; row < rows.end; ++row) {
        for (std::size_t cell = cells.first; cell < cells.end; ++cell) count += plane[row * width + cell] >> bit & 1;
      }
      const std::size_t place = y * pool.width + x;
      out[place] = static_cast<Count>(pool.factors.empty() ? count : count * pool.factors[place]);
    }
  }
}

template void count_bits(const std::uint8_t*, std::size_t, std::size_t, const Pool&, unsigned, std::uint8_t*);
template void count_bits(const std::uint8_t*, std::size_t, std::size_t, const Pool&, unsigned, std::int32_t*);

void pool_sums(const Kernels& kernels, const Planes<const std::int32_t>& from, std::size_t channels, const Map& map,
               const Pool& pool, std::int32_t* line, const Planes<std::int32_t>& to, bool begins) {
  kernels.pool_sums({pool.kind == PoolKind::max, begins, from.first, channels, from.stride, {map.height, map.width},
                     {pool.kernel[0], pool.kernel[1]}, {pool.stride[0], pool.stride[1]}, {pool.padding[0], pool.padding[1]},
                     {pool.height, pool.width}, line, to.first, to.stride});
}

void unpack_bits(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out) {
  for (std::size_t c = 0; c < channels; ++c) {
    const std::uint8_t* plane = planes + c / 4 * area;
    for (std::size_t i = 0; i < area; ++i) *out++ = static_cast<std::uint8_t>(plane[i] >> c % 4 & 1);
  }
}

namespace {

// Bit `bit` of eight bytes as one byte, the first lowest.
std::uint8_t eight_bits(const std::uint8_t* from, unsigned bit) {
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < 8; ++i) bytes |= std::uint64_t{from[i]} << (8 * i);
  // Every product lands at a place of its own, the wanted ones in the highest byte.
  return static_cast<std::uint8_t>((bytes >> bit & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

}  // namespace

void pack_code(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out) {
  unsigned byte = 0, filled = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::uint8_t* plane = planes + c / 4 * area;
    const unsigned bit = c % 4;
    std::size_t i = 0;
    if (filled == 0) {
      for (; i + 8 <= area; i += 8) *out++ = eight_bits(plane + i, bit);
    }
    for (; i < area; ++i) {
      byte |= (plane[i] >> bit & 1u) << filled;
      if (++filled < 8) continue;
      *out++ = static_cast<std::uint8_t>(byte);
      byte = filled = 0;
    }
  }
  if (filled > 0) *out = static_cast<std::uint8_t>(byte);
}

}  // namespace firebit
