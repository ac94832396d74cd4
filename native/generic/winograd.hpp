// Winograd's minimal filtering F(4, 5): four places of a row from eight products in place of twenty, exactly.
//
// A row of weights g and eight values d of a row of the source are polynomials; their product is known from its values at
// eight points, 0, ±1, ±2, ±1/2 and ∞. In integers, with C = 4 · Bᵀ and H = c · G (see engine/winograd.cpp),
//
//   720 · y = A · (H g ⊙ C d) summed up over rows and channels,
//
// where 720 = 16 · 45. Modulo 2³² all of this is exact whatever wraps, 45 has an inverse, and 16 · y tells y while
// |y| < 2²⁷.
//
// Vocabulary of Simd, beside that of sums.hpp:
//   has_winograd            whether it wins over `multiply`
//   times32(a, n)           a · n, modulo 2³²
//   double32<k>(a)          a · 2ᵏ, modulo 2³²
//   halve32<k>(a)           ⌊a / 2ᵏ⌋
//   interleave32(four, to)  writes four vectors by turns, 4 · lanes numbers
#pragma once

#include <cstring>

#include "kernels.hpp"

namespace firebit::generic {

namespace winograd_detail {

// Newton's iteration doubles the bits that are right.
constexpr std::uint32_t inverse(std::uint32_t odd) {
  std::uint32_t found = odd;
  for (int i = 0; i < 5; ++i) found *= 2 - odd * found;
  return found;
}
constexpr std::uint32_t of_45 = inverse(45);
static_assert(45 * of_45 == 1);

// A row of cells and what stands beside the last of them, by points.
using Cells = std::int16_t[winograd_points][winograd_cells + slice];

// C d of cells: |value| ≤ 60 · 255, so that int16 holds it. The compiler finds the vectors.
inline void at_points(const Cells& d, std::size_t cells, Cells& values) {
  const auto put = [&](std::size_t point, std::size_t i, int value) { values[point][i] = static_cast<std::int16_t>(value); };
  for (std::size_t i = 0; i < cells; ++i) {
    put(0, i, 4 * (d[0][i] - d[6][i]) + 21 * (d[4][i] - d[2][i]));
    put(7, i, 4 * (d[7][i] - d[1][i]) + 21 * (d[3][i] - d[5][i]));
    const int a1 = 4 * (d[2][i] + d[6][i]) - 17 * d[4][i], b1 = 4 * (d[1][i] + d[5][i]) - 17 * d[3][i];
    put(1, i, a1 + b1);
    put(2, i, a1 - b1);
    const int a2 = d[2][i] - 5 * d[4][i] + 4 * d[6][i], b2 = 2 * d[1][i] - 10 * d[3][i] + 8 * d[5][i];
    put(3, i, a2 + b2);
    put(4, i, a2 - b2);
    const int a3 = 16 * d[2][i] - 20 * d[4][i] + 4 * d[6][i], b3 = 8 * d[1][i] - 10 * d[3][i] + 2 * d[5][i];
    put(5, i, a3 + b3);
    put(6, i, a3 - b3);
  }
}

// Four places of every tile from the products at the eight points.
template <class Simd>
FIREBIT_INLINE void to_places(const typename Simd::Ints (&m)[winograd_points], typename Simd::Ints (&y)[winograd_places]) {
  using Ints = typename Simd::Ints;
  const Ints s1 = Simd::add32(m[1], m[2]), d1 = Simd::sub32(m[1], m[2]);
  const Ints s2 = Simd::add32(m[3], m[4]), d2 = Simd::sub32(m[3], m[4]);
  const Ints s3 = Simd::add32(m[5], m[6]), d3 = Simd::sub32(m[5], m[6]);
  // 360, 180, 360 and 720 times the places.
  const Ints y0 = Simd::add32(Simd::add32(Simd::times32(m[0], 90), s2), Simd::template double32<2>(Simd::sub32(s3, s1)));
  const Ints y1 = Simd::sub32(Simd::add32(d2, d3), Simd::template double32<1>(d1));
  const Ints y2 = Simd::add32(Simd::template double32<2>(Simd::sub32(s2, s1)), s3);
  const Ints twice = Simd::sub32(Simd::template double32<1>(d2), d1);
  const Ints y3 = Simd::add32(Simd::add32(Simd::times32(m[7], 180), d3), Simd::template double32<3>(twice));
  y[0] = Simd::template halve32<4>(Simd::times32(y0, 2 * of_45));
  y[1] = Simd::template halve32<4>(Simd::times32(y1, 4 * of_45));
  y[2] = Simd::template halve32<4>(Simd::times32(y2, 2 * of_45));
  y[3] = Simd::template halve32<4>(Simd::times32(y3, of_45));
}

}  // namespace winograd_detail

// The values of a plane at the points.
inline void transform_plane(const std::uint8_t* source, const Transform& at, winograd_detail::Cells& values) {
  alignas(64) winograd_detail::Cells d;
  for (std::size_t y = 0; y < at.rows; ++y) {
    const std::uint8_t* from = source + y * at.width;
    const std::size_t first = y * at.tiles;
    for (std::size_t t = 0; t < at.tiles; ++t) {
      std::uint32_t four, next;
      std::memcpy(&four, from + 4 * t, sizeof four);
      std::memcpy(&next, from + 4 * t + 4, sizeof next);
      for (unsigned j = 0; j < 4; ++j) {
        d[j][first + t] = static_cast<std::int16_t>(four >> 8 * j & 255);
        d[4 + j][first + t] = static_cast<std::int16_t>(next >> 8 * j & 255);
      }
    }
  }
  winograd_detail::at_points(d, at.rows * at.tiles, values);
}

template <class Simd>
void transform(const Transform& at) {
  alignas(64) winograd_detail::Cells first, second;
  const std::size_t cells = at.rows * at.tiles;
  transform_plane(at.source, at, first);
  if (at.second != nullptr) transform_plane(at.second, at, second);
  for (std::size_t point = 0; point < winograd_points; ++point) {
    // Nobody weighs what stands beside the last row.
    if (at.second == nullptr) std::memset(first[point] + cells, 0, at.tiles * sizeof(std::int16_t));
    const std::int16_t *a = first[point], *b = at.second != nullptr ? second[point] : a + at.tiles;
    std::int16_t* to = at.out + point * at.point;
    for (std::size_t i = 0; i < cells; ++i) {
      to[2 * i] = a[i];
      to[2 * i + 1] = b[i];
    }
  }
}

// The products of four outputs at a point, for all tiles of a slice.
template <class Simd>
FIREBIT_INLINE void multiply_point(const Winograd& at, const std::int16_t* weights, std::size_t point, std::int32_t* to) {
  constexpr std::size_t vectors = winograd_tiles / Simd::lanes;
  typename Simd::Ints sums[4][vectors];
  for (auto& row : sums) {
    for (typename Simd::Ints& sum : row) sum = Simd::zero32();
  }
  const std::uint8_t* panel = at.panel + point * at.point;
  for (std::size_t k = 0; k < at.pairs; ++k, weights += 8) {
    typename Simd::Ints seen[vectors];
    const auto* from = reinterpret_cast<const std::int16_t*>(panel + at.taps[k]);
    for (std::size_t v = 0; v < vectors; ++v) seen[v] = Simd::load_pairs(from + v * 2 * Simd::lanes);
    for (std::size_t o = 0; o < 4; ++o) {
      const typename Simd::Ints weight = Simd::splat_pair(weights + 2 * o);
      for (std::size_t v = 0; v < vectors; ++v) sums[o][v] = Simd::multiply_add(sums[o][v], seen[v], weight);
    }
  }
  for (std::size_t o = 0; o < 4; ++o) {
    for (std::size_t v = 0; v < vectors; ++v) Simd::store32(to + o * winograd_tiles + v * Simd::lanes, sums[o][v]);
  }
}

template <class Simd>
void winograd(const Winograd& at) {
  const std::int16_t* weights = at.weights;
  for (std::size_t q = 0; q < at.quads; ++q) {
    alignas(64) std::int32_t products[winograd_points][4][winograd_tiles];
    for (std::size_t point = 0; point < winograd_points; ++point, weights += at.pairs * 8) {
      multiply_point<Simd>(at, weights, point, products[point][0]);
    }
    for (std::size_t o = 0; o < 4; ++o) {
      std::int32_t* to = at.out + (4 * q + o) * at.stride;
      for (std::size_t t = 0; t < winograd_tiles; t += Simd::lanes, to += winograd_places * Simd::lanes) {
        typename Simd::Ints m[winograd_points], y[winograd_places];
        for (std::size_t point = 0; point < winograd_points; ++point) m[point] = Simd::load32(products[point][o] + t);
        winograd_detail::to_places<Simd>(m, y);
        if (at.begins) {
          Simd::interleave32(y, to);
          continue;
        }
        alignas(64) std::int32_t places[winograd_places * Simd::lanes];
        Simd::interleave32(y, places);
        for (std::size_t i = 0; i < winograd_places * Simd::lanes; i += Simd::lanes) {
          Simd::store32(to + i, Simd::add32(Simd::load32(to + i), Simd::load32(places + i)));
        }
      }
    }
  }
}

template <class Simd>
constexpr auto winograd_kernel() -> void (*)(const Winograd&) {
  if constexpr (Simd::has_winograd) {
    return winograd<Simd>;
  } else {
    return nullptr;
  }
}

}  // namespace firebit::generic
