// Winograd's minimal filtering F(4, 5): four places of a row from eight products in place of twenty, exactly.
//
// A row of weights g and eight values d of a row of the source are polynomials; their product is known from its values at
// eight points, 0, ±1, ±2, ±1/2 and ∞. In integers, with C = 4 · Bᵀ and H = c · G (see engine/winograd.cpp),
//
//   720 · y = A · (H g ⊙ C d) summed up over rows and channels,
//
// where 720 = 16 · 45. Modulo 2³² all of this is exact whatever wraps, 45 has an inverse, and 16 · y tells y while
// |y| < 2²⁷; a limit is compared with 16 · y as it is.
//
// Vocabulary of Simd, beside that of sums.hpp:
//   has_winograd            whether it wins over `multiply`
//   times32(a, n)           a · n, modulo 2³²
//   double32<k>(a)          a · 2ᵏ, modulo 2³²
//   halve32<k>(a)           ⌊a / 2ᵏ⌋
//   interleave32(four, to)  writes four vectors by turns, 4 · lanes numbers
//   above32(a, b)           numbers of ones where a > b
//   differ32(a, b)          exclusive or
//   store_bytes(to, a)      the bytes of all lanes, lowest first
#pragma once

#include <cstring>

#include "generic/compiler.hpp"
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

// Sixteen times four places of every tile, from the products at the eight points.
template <class Simd>
FIREBIT_INLINE void to_places(const typename Simd::Ints (&m)[winograd_points], typename Simd::Ints (&y)[winograd_places]) {
  using Ints = typename Simd::Ints;
  const Ints s1 = Simd::add32(m[1], m[2]), d1 = Simd::sub32(m[1], m[2]);
  const Ints s2 = Simd::add32(m[3], m[4]), d2 = Simd::sub32(m[3], m[4]);
  const Ints s3 = Simd::add32(m[5], m[6]), d3 = Simd::sub32(m[5], m[6]);
  // 360, 180, 360 and 720 times the places; of the first and the last, what the ends of a tile add is a whole 16.
  const Ints y0 = Simd::add32(s2, Simd::template double32<2>(Simd::sub32(s3, s1)));
  const Ints y1 = Simd::sub32(Simd::add32(d2, d3), Simd::add32(d1, d1));
  const Ints y2 = Simd::add32(Simd::template double32<2>(Simd::sub32(s2, s1)), s3);
  const Ints y3 = Simd::add32(d3, Simd::template double32<3>(Simd::sub32(Simd::add32(d2, d2), d1)));
  y[0] = Simd::add32(Simd::times32(y0, 2 * of_45), m[0]);
  y[1] = Simd::times32(y1, 4 * of_45);
  y[2] = Simd::times32(y2, 2 * of_45);
  y[3] = Simd::add32(Simd::times32(y3, of_45), m[7]);
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

// Four outputs at all tiles of a slice.
template <class Simd>
class WinogradStep {
 public:
  using Ints = typename Simd::Ints;

  WinogradStep(const Winograd& at, std::size_t slice_index) : at_(at), panel_(at.panel + slice_index * winograd_tiles * 4) {}

  // The products of a quad of outputs at all points.
  FIREBIT_INLINE void multiply(std::size_t quad) {
    const Winograd at = at_;
    const std::int16_t* weights = at.weights + quad * winograd_points * at.pairs * 8;
    const std::uint8_t* panel = panel_;
    for (std::size_t point = 0; point < winograd_points; ++point, weights += at.pairs * 8, panel += at.point) {
      multiply_point(weights, panel, at.taps, at.pairs, products_[point]);
    }
  }

  // Sixteen times the sums of an output, of four places of `lanes` tiles from one on.
  FIREBIT_INLINE void places(std::size_t output, std::size_t tile, Ints (&y)[winograd_places]) const {
    Ints m[winograd_points];
    for (std::size_t point = 0; point < winograd_points; ++point) m[point] = Simd::load32(products_[point][output] + tile);
    winograd_detail::to_places<Simd>(m, y);
  }

 private:
  static constexpr std::size_t vectors = winograd_tiles / Simd::lanes;
  using Sums = Ints[4][vectors];
  using Products = std::int32_t[4][winograd_tiles];

  // Sums are kept in order, so that the compiler does not put them aside to add them up otherwise.
  static FIREBIT_INLINE void add(const std::int16_t* weights, const std::uint8_t* from, Sums& sums) {
    const auto* values = reinterpret_cast<const std::int16_t*>(one_register(from));
    Ints seen[vectors];
    for (std::size_t v = 0; v < vectors; ++v) seen[v] = Simd::in_register(Simd::load_pairs(values + v * 2 * Simd::lanes));
    for (std::size_t o = 0; o < 4; ++o) {
      const Ints weight = Simd::splat_pair(weights + 2 * o);
      for (std::size_t v = 0; v < vectors; ++v) sums[o][v] = Simd::in_register(Simd::multiply_add(sums[o][v], seen[v], weight));
    }
  }

  static FIREBIT_INLINE void multiply_point(const std::int16_t* weights, const std::uint8_t* panel, const std::uint32_t* taps,
                                            std::size_t pairs, Products& to) {
    Sums sums;
    for (auto& row : sums) {
      for (Ints& sum : row) sum = Simd::zero32();
    }
    std::size_t k = 0;
    for (; k + 4 <= pairs; k += 4, weights += 4 * 8) {
      for (std::size_t i = 0; i < 4; ++i) add(weights + i * 8, panel + taps[k + i], sums);
    }
    for (; k < pairs; ++k, weights += 8) add(weights, panel + taps[k], sums);
    for (std::size_t o = 0; o < 4; ++o) {
      for (std::size_t v = 0; v < vectors; ++v) Simd::store32(to[o] + v * Simd::lanes, sums[o][v]);
    }
  }

  const Winograd& at_;
  const std::uint8_t* panel_;
  alignas(64) Products products_[winograd_points];
};

template <class Simd>
inline void sum_slice(const Winograd& at, const WinogradSums& sums, std::size_t index) {
  using Ints = typename Simd::Ints;
  WinogradStep<Simd> step(at, index);
  for (std::size_t output = 0; output < 4 * at.quads; ++output) {
    if (output % 4 == 0) step.multiply(output / 4);
    std::int32_t* to = sums.out + output * sums.stride + index * slice;
    for (std::size_t t = 0; t < winograd_tiles; t += Simd::lanes, to += winograd_places * Simd::lanes) {
      Ints y[winograd_places];
      step.places(output % 4, t, y);
      for (Ints& place : y) place = Simd::template halve32<4>(place);
      if (sums.begins) {
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

// The nibbles of four outputs at four places of `lanes` tiles from one on: those of a tile are the bytes of one number.
template <class Simd>
FIREBIT_INLINE typename Simd::Ints nibbles_of(const WinogradStep<Simd>& step, const std::int32_t* limits, std::size_t tile) {
  using Ints = typename Simd::Ints;
  Ints nibbles[winograd_places] = {Simd::zero32(), Simd::zero32(), Simd::zero32(), Simd::zero32()};
  // Output by output: there are registers for one.
  for (std::size_t o = unknown(4); o-- > 0;) {
    const Ints limit = Simd::splat_int(limits[o]);
    Ints y[winograd_places];
    step.places(o, tile, y);
    for (std::size_t p = 0; p < winograd_places; ++p) {
      nibbles[p] = Simd::sub32(Simd::add32(nibbles[p], nibbles[p]), Simd::above32(y[p], limit));
    }
  }
  const Ints low = Simd::add32(nibbles[0], Simd::template double32<8>(nibbles[1]));
  const Ints high = Simd::add32(nibbles[2], Simd::template double32<8>(nibbles[3]));
  return Simd::add32(low, Simd::template double32<16>(high));
}

template <class Simd>
inline void step_slice(const Winograd& at, const WinogradBits& bits, std::size_t index) {
  WinogradStep<Simd> step(at, index);
  for (std::size_t q = 0; q < at.quads; ++q) {
    step.multiply(q);
    const typename Simd::Ints flips = Simd::splat_int(bits.flips[q] * 0x01010101);
    std::uint8_t* to = bits.out + q * bits.stride + index * slice;
    for (std::size_t t = 0; t < winograd_tiles; t += Simd::lanes, to += winograd_places * Simd::lanes) {
      Simd::store_bytes(to, Simd::differ32(nibbles_of<Simd>(step, bits.limits + 4 * q, t), flips));
    }
  }
}

template <class Simd>
void winograd(const Winograd& at, const WinogradSums& sums) {
  for (std::size_t s = 0; s < at.slices; ++s) sum_slice<Simd>(at, sums, s);
}

template <class Simd>
void winograd_bits(const Winograd& at, const WinogradBits& bits) {
  for (std::size_t s = 0; s < at.slices; ++s) step_slice<Simd>(at, bits, s);
}

struct WinogradKernels {
  void (*sums)(const Winograd&, const WinogradSums&);
  void (*bits)(const Winograd&, const WinogradBits&);
};

template <class Simd>
constexpr WinogradKernels winograd_kernels() {
  if constexpr (Simd::has_winograd) {
    return {winograd<Simd>, winograd_bits<Simd>};
  } else {
    return {nullptr, nullptr};
  }
}

}  // namespace firebit::generic
