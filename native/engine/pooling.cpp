#include "engine/pooling.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

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

void pool_bits(const std::uint8_t* plane, std::size_t height, std::size_t width, const Pool& pool, std::uint8_t flip,
               std::uint8_t* line, std::uint8_t* out) {
  for (std::size_t y = 0; y < pool.height; ++y, out += pool.width) {
    const Span rows = span(pool, 0, y, height);
    std::memset(line, 0, width);
    for (std::size_t row = rows.first; row < rows.end; ++row) {
      const std::uint8_t* from = plane + row * width;
      for (std::size_t x = 0; x < width; ++x) line[x] = static_cast<std::uint8_t>(line[x] | (from[x] ^ flip));
    }
    for (std::size_t x = 0; x < pool.width; ++x) {
      const Span cells = span(pool, 1, x, width);
      unsigned any = 0;
      for (std::size_t cell = cells.first; cell < cells.end; ++cell) any |= line[cell];
      out[x] = static_cast<std::uint8_t>(any ^ flip);
    }
  }
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

void pool_sums(const std::int32_t* plane, std::size_t height, std::size_t width, const Pool& pool, std::int32_t* line,
               std::int32_t* out) {
  const bool is_max = pool.kind == PoolKind::max;
  const std::int32_t nothing = is_max ? std::numeric_limits<std::int32_t>::min() : 0;
  for (std::size_t y = 0; y < pool.height; ++y, out += pool.width) {
    const Span rows = span(pool, 0, y, height);
    std::fill(line, line + width, nothing);
    for (std::size_t row = rows.first; row < rows.end; ++row) {
      const std::int32_t* from = plane + row * width;
      if (is_max) {
        for (std::size_t x = 0; x < width; ++x) line[x] = std::max(line[x], from[x]);
      } else {
        for (std::size_t x = 0; x < width; ++x) line[x] += from[x];
      }
    }
    for (std::size_t x = 0; x < pool.width; ++x) {
      const Span cells = span(pool, 1, x, width);
      std::int32_t found = nothing;
      for (std::size_t cell = cells.first; cell < cells.end; ++cell) {
        found = is_max ? std::max(found, line[cell]) : found + line[cell];
      }
      out[x] += found;
    }
  }
}

void unpack_bits(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out) {
  for (std::size_t c = 0; c < channels; ++c) {
    const std::uint8_t* plane = planes + c / 4 * area;
    for (std::size_t i = 0; i < area; ++i) *out++ = static_cast<std::uint8_t>(plane[i] >> c % 4 & 1);
  }
}

void pack_code(const std::uint8_t* planes, std::size_t channels, std::size_t area, std::uint8_t* out) {
  unsigned byte = 0, filled = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::uint8_t* plane = planes + c / 4 * area;
    for (std::size_t i = 0; i < area; ++i) {
      byte |= (plane[i] >> c % 4 & 1u) << filled;
      if (++filled < 8) continue;
      *out++ = static_cast<std::uint8_t>(byte);
      byte = filled = 0;
    }
  }
  if (filled > 0) *out = static_cast<std::uint8_t>(byte);
}

}  // namespace firebit
