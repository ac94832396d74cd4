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
//   load_bytes(from)        numbers of four bytes, lowest first
//   store_bytes(to, a)      the bytes of all lanes, likewise
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

// Two rows of a plane, or one of each of two, as numbers a + 2¹⁶ · b modulo 2³²: whatever is added up of them is added up of
// both, where a and b stay within 16 bits. Where a is negative, the upper half is one too low in the end.
template <class Simd>
FIREBIT_INLINE typename Simd::Ints two_words(typename Simd::Ints sum) {
  return Simd::add32(sum, Simd::template double32<1>(Simd::both32(sum, Simd::splat_int(0x8000))));
}

// Four columns of `lanes` tiles of two rows.
template <class Simd>
FIREBIT_INLINE void four_columns(typename Simd::Ints a, typename Simd::Ints b, typename Simd::Ints* d) {
  using Ints = typename Simd::Ints;
  const Ints bytes = Simd::splat_int(0x00ff00ff), lower = Simd::splat_int(0xffff), upper = Simd::splat_int(-0x10000);
  for (std::size_t j = 0; j < 2; ++j) {
    const Ints from_a = Simd::both32(j == 0 ? a : Simd::template halve32<8>(a), bytes);
    const Ints from_b = Simd::both32(j == 0 ? b : Simd::template halve32<8>(b), bytes);
    d[j] = Simd::add32(Simd::both32(from_a, lower), Simd::template double32<16>(from_b));
    d[j + 2] = Simd::add32(Simd::template halve32<16>(from_a), Simd::both32(from_b, upper));
  }
}

// C d: |value| ≤ 60 · 255, so that int16 holds it.
template <class Simd>
FIREBIT_INLINE void at_points(const typename Simd::Ints (&d)[winograd_points], typename Simd::Ints (&values)[winograd_points]) {
  using Ints = typename Simd::Ints;
  const auto by = [](std::uint32_t n, Ints a) { return Simd::times32(a, n); };
  const auto plus = [](Ints a, Ints b) { return Simd::add32(a, b); };
  const auto minus = [](Ints a, Ints b) { return Simd::sub32(a, b); };
  const auto both = [&](std::size_t point, Ints a, Ints b) { values[point] = plus(a, b), values[point + 1] = minus(a, b); };
  values[0] = plus(by(4, minus(d[0], d[6])), by(21, minus(d[4], d[2])));
  values[7] = plus(by(4, minus(d[7], d[1])), by(21, minus(d[3], d[5])));
  both(1, minus(by(4, plus(d[2], d[6])), by(17, d[4])), minus(by(4, plus(d[1], d[5])), by(17, d[3])));
  const Ints five = by(5, d[4]), ten = by(10, d[3]);
  both(3, plus(minus(d[2], five), by(4, d[6])), minus(plus(by(2, d[1]), by(8, d[5])), ten));
  both(5, by(4, plus(minus(by(4, d[2]), five), d[6])), minus(plus(by(8, d[1]), by(2, d[5])), ten));
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

template <class Simd>
void transform(const Transform& of) {
  using Ints = typename Simd::Ints;
  const Transform at = of;  // so that nothing that is written may change it
  const std::size_t room = at.rows * at.tiles;
  for (std::size_t y = 0; y < at.rows; ++y) {
    const std::uint8_t* from = at.source + y * at.width;
    const std::uint8_t* second = at.second != nullptr ? at.second + y * at.width : y + 1 < at.rows ? from + at.width : nullptr;
    for (std::size_t t = 0; t < at.tiles; t += Simd::lanes) {
      Ints d[winograd_points], values[winograd_points];
      for (std::size_t i = 0; i < winograd_points; i += winograd_places) {
        const Ints beside = second != nullptr ? Simd::load_bytes(second + 4 * t + i) : Simd::zero32();
        winograd_detail::four_columns<Simd>(Simd::load_bytes(from + 4 * t + i), beside, d + i);
      }
      winograd_detail::at_points<Simd>(d, values);
      const std::size_t first = y * at.tiles + t;
      for (std::size_t point = 0; point < winograd_points; ++point) {
        auto* to = reinterpret_cast<std::uint8_t*>(at.out + point * at.point + 2 * first);
        const Ints value = winograd_detail::two_words<Simd>(values[point]);
        // What is written behind a row is overwritten by the next, but not behind the last.
        if (first + Simd::lanes <= room) {
          Simd::store_bytes(to, value);
        } else {
          std::uint8_t some[4 * Simd::lanes];
          Simd::store_bytes(some, value);
          std::memcpy(to, some, 4 * (room - first));
        }
      }
    }
  }
}

// Four outputs at all tiles of a slice. `Pairs` of rows are multiplied; 0: as many as are given.
template <class Simd, std::size_t Pairs>
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
  template <bool begins>
  static FIREBIT_INLINE void add(const std::int16_t* weights, const std::uint8_t* from, Sums& sums) {
    const auto* values = reinterpret_cast<const std::int16_t*>(one_register(from));
    Ints seen[vectors];
    for (std::size_t v = 0; v < vectors; ++v) seen[v] = Simd::in_register(Simd::load_pairs(values + v * 2 * Simd::lanes));
    for (std::size_t o = 0; o < 4; ++o) {
      const Ints weight = Simd::splat_pair(weights + 2 * o);
      for (std::size_t v = 0; v < vectors; ++v) {
        sums[o][v] = Simd::in_register(Simd::multiply_add(begins ? Simd::zero32() : sums[o][v], seen[v], weight));
      }
    }
  }

  static FIREBIT_INLINE void multiply_point(const std::int16_t* weights, const std::uint8_t* panel, const std::uint32_t* taps,
                                            std::size_t pairs, Products& to) {
    Sums sums;
    add<true>(weights, panel + taps[0], sums);
    for (std::size_t k = 1; k < (Pairs > 0 ? Pairs : pairs); ++k) add<false>(weights + k * 8, panel + taps[k], sums);
    for (std::size_t o = 0; o < 4; ++o) {
      for (std::size_t v = 0; v < vectors; ++v) Simd::store32(to[o] + v * Simd::lanes, sums[o][v]);
    }
  }

  const Winograd& at_;
  const std::uint8_t* panel_;
  alignas(64) Products products_[winograd_points];
};

template <class Simd, std::size_t Pairs>
inline void sum_slice(const Winograd& at, const WinogradSums& sums, std::size_t index) {
  using Ints = typename Simd::Ints;
  WinogradStep<Simd, Pairs> step(at, index);
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
template <class Simd, std::size_t Pairs>
FIREBIT_INLINE typename Simd::Ints nibbles_of(const WinogradStep<Simd, Pairs>& step, const std::int32_t* limits, std::size_t tile) {
  using Ints = typename Simd::Ints;
  Ints nibbles[winograd_places] = {Simd::zero32(), Simd::zero32(), Simd::zero32(), Simd::zero32()};
  // Output by output: there are registers for one.
  for (std::size_t o = unknown(4); o-- > 0;) {
    const Ints limit = Simd::splat_int(limits[o]);
    Ints y[winograd_places];
    step.places(o, tile, y);
    for (std::size_t p = 0; p < winograd_places; ++p) {
      nibbles[p] = Simd::in_register(Simd::sub32(Simd::add32(nibbles[p], nibbles[p]), Simd::above32(y[p], limit)));
    }
  }
  const Ints low = Simd::add32(nibbles[0], Simd::template double32<8>(nibbles[1]));
  const Ints high = Simd::add32(nibbles[2], Simd::template double32<8>(nibbles[3]));
  return Simd::add32(low, Simd::template double32<16>(high));
}

template <class Simd, std::size_t Pairs>
inline void step_slice(const Winograd& at, const WinogradBits& bits, std::size_t index) {
  WinogradStep<Simd, Pairs> step(at, index);
  for (std::size_t q = 0; q < at.quads; ++q) {
    step.multiply(q);
    const typename Simd::Ints flips = Simd::splat_int(bits.flips[q] * 0x01010101);
    std::uint8_t* to = bits.out + q * bits.stride + index * slice;
    for (std::size_t t = 0; t < winograd_tiles; t += Simd::lanes, to += winograd_places * Simd::lanes) {
      Simd::store_bytes(to, Simd::differ32(nibbles_of<Simd, Pairs>(step, bits.limits + 4 * q, t), flips));
    }
  }
}

// Of three channels and five rows.
constexpr std::size_t usual_pairs = 8;

template <class Simd>
void winograd(const Winograd& at, const WinogradSums& sums) {
  for (std::size_t s = 0; s < at.slices; ++s) {
    at.pairs == usual_pairs ? sum_slice<Simd, usual_pairs>(at, sums, s) : sum_slice<Simd, 0>(at, sums, s);
  }
}

template <class Simd>
void winograd_bits(const Winograd& at, const WinogradBits& bits) {
  for (std::size_t s = 0; s < at.slices; ++s) {
    at.pairs == usual_pairs ? step_slice<Simd, usual_pairs>(at, bits, s) : step_slice<Simd, 0>(at, bits, s);
  }
}

struct WinogradKernels {
  void (*transform)(const Transform&);
  void (*sums)(const Winograd&, const WinogradSums&);
  void (*bits)(const Winograd&, const WinogradBits&);
};

template <class Simd>
constexpr WinogradKernels winograd_kernels() {
  if constexpr (Simd::has_winograd) {
    return {transform<Simd>, winograd<Simd>, winograd_bits<Simd>};
  } else {
    return {nullptr, nullptr, nullptr};
  }
}

}  // namespace firebit::generic
