// Sums of integers: over bits by tables made on the fly, over values by products, and the step that makes bits of them.
// Vocabulary of Simd, beside that of lookup.hpp:
//   Ints, lanes                 a vector of int32, and how many
//   load32, store32, zero32, add32
//   widen(p)                    `lanes` int16 as int32
//   splat_pair(p)               two int16, for every lane
//   load_pairs(p)               `lanes` pairs of int16
//   multiply_add(sum, a, b)     sum + the products of both halves of every pair
//   widen8(p)                   width / 2 int8 as 16-bit words
//   total(v)                    sum of all lanes
//   above(p, bound)             bytes of ones where `width` int32 are greater than bound(i), `lanes` of them from the i-th on
#pragma once

#include <cstring>

#include "kernels.hpp"

namespace firebit::generic {

// The 16 sums of every group of four weights, of 32 outputs: [groups][16][32].
template <class Simd>
inline void make_tables(const std::int16_t* weights, std::size_t groups, std::int32_t* tables) {
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t v = 0; v < table_outputs; v += Simd::lanes) {
      const std::int16_t* w = weights + g * 4 * table_outputs + v;
      std::int32_t* to = tables + g * 16 * table_outputs + v;
      typename Simd::Ints sums[16];
      sums[0] = Simd::zero32();
      for (std::size_t j = 0; j < 4; ++j) {
        const typename Simd::Ints weight = Simd::widen(w + j * table_outputs);
        for (std::size_t i = 0; i < (std::size_t{1} << j); ++i) sums[(std::size_t{1} << j) + i] = Simd::add32(sums[i], weight);
      }
      for (std::size_t i = 0; i < 16; ++i) Simd::store32(to + i * table_outputs, sums[i]);
    }
  }
}

template <class Simd>
void sum_tables(const Tabled& at) {
  constexpr std::size_t vectors = table_outputs / Simd::lanes;
  std::int32_t* tables = at.scratch;
  std::int32_t* sums = at.scratch + table_groups * 16 * table_outputs;
  for (std::size_t first = 0; first < at.groups; first += table_groups) {
    const std::size_t groups = at.groups - first < table_groups ? at.groups - first : table_groups;
    make_tables<Simd>(at.weights + first * 4 * table_outputs, groups, tables);
    for (std::size_t s = 0; s < at.slices; ++s) {
      const std::uint8_t* panel = at.panel + s * at.panel_slice + first * slice;
      for (std::size_t c = 0; c < slice; ++c) {
        std::int32_t* to = sums + (s * slice + c) * table_outputs;
        typename Simd::Ints sum[vectors];
        for (std::size_t v = 0; v < vectors; ++v) sum[v] = first == 0 ? Simd::zero32() : Simd::load32(to + v * Simd::lanes);
        for (std::size_t g = 0; g < groups; ++g) {
          const std::int32_t* entry = tables + (g * 16 + panel[g * slice + c]) * table_outputs;
          for (std::size_t v = 0; v < vectors; ++v) sum[v] = Simd::add32(sum[v], Simd::load32(entry + v * Simd::lanes));
        }
        for (std::size_t v = 0; v < vectors; ++v) Simd::store32(to + v * Simd::lanes, sum[v]);
      }
    }
  }
  for (std::size_t o = 0; o < at.outputs; ++o) {
    for (std::size_t c = 0; c < at.slices * slice; ++c) at.out[o * at.stride + c] += sums[c * table_outputs + o];
  }
}

template <class Simd>
void multiply(const Product& at) {
  constexpr std::size_t vectors = 2;
  constexpr std::size_t step = vectors * Simd::lanes;
  for (std::size_t q = 0; q < at.quads; ++q) {
    for (std::size_t c = 0; c < slice; c += step) {
      typename Simd::Ints sums[4][vectors];
      for (std::size_t o = 0; o < 4; ++o) {
        for (std::size_t v = 0; v < vectors; ++v) sums[o][v] = Simd::zero32();
      }
      const std::int16_t* weights = at.weights + q * at.pairs * 8;
      const std::int16_t* panel = at.panel + c * 2;
      for (std::size_t k = 0; k < at.pairs; ++k, weights += 8, panel += 2 * slice) {
        const typename Simd::Ints first = Simd::load_pairs(panel), second = Simd::load_pairs(panel + 2 * Simd::lanes);
        for (std::size_t o = 0; o < 4; ++o) {
          const typename Simd::Ints weight = Simd::splat_pair(weights + 2 * o);
          sums[o][0] = Simd::multiply_add(sums[o][0], first, weight);
          sums[o][1] = Simd::multiply_add(sums[o][1], second, weight);
        }
      }
      for (std::size_t o = 0; o < 4; ++o) {
        std::int32_t* to = at.out + (4 * q + o) * at.stride + c;
        for (std::size_t v = 0; v < vectors; ++v) {
          std::int32_t* place = to + v * Simd::lanes;
          Simd::store32(place, at.begins ? sums[o][v] : Simd::add32(Simd::load32(place), sums[o][v]));
        }
      }
    }
  }
}

// `Together` rows to the words of all columns, or the first of them as they are. Rows that will be added soon come from
// far away: their bytes are asked for.
template <class Simd, std::size_t Together>
FIREBIT_INLINE void add_some_rows(const Rows& at, std::size_t first, std::size_t columns, std::int16_t* words) {
  constexpr std::size_t step = Simd::width / 2, ahead = 8;
  const std::int8_t *rows[Together], *later[Together];
  for (std::size_t r = 0; r < Together; ++r) {
    rows[r] = at.weights + at.set[first + r] * at.width;
    later[r] = first + r + ahead < at.count ? at.weights + at.set[first + r + ahead] * at.width : rows[r];
  }
  for (std::size_t x = 0; x < columns; x += step) {
    typename Simd::Bytes sum = first == 0 ? Simd::zero() : Simd::load(words + x);
    for (std::size_t r = 0; r < Together; ++r) {
      if (x % 64 == 0) prefetch(reinterpret_cast<const std::uint8_t*>(later[r] + x));
      sum = Simd::add16(sum, Simd::widen8(rows[r] + x));
    }
    Simd::store(words + x, sum);
  }
}

template <class Simd>
void add_rows(const Rows& at) {
  if (at.count == 0) return;
  std::int16_t words[row_width];
  const std::size_t columns = (at.outputs + slice - 1) / slice * slice;
  std::size_t row = 0;
  for (; row + 4 <= at.count; row += 4) add_some_rows<Simd, 4>(at, row, columns, words);
  for (; row < at.count; ++row) add_some_rows<Simd, 1>(at, row, columns, words);
  for (std::size_t o = 0; o < at.outputs; ++o) at.out[o] += words[o];
}

template <class Simd>
void dot16(const std::int16_t* weights, std::size_t length, std::size_t quads, const std::int16_t* values,
           std::int32_t* out) {
  for (std::size_t q = 0; q < quads; ++q, weights += 4 * length) {
    typename Simd::Ints sums[4] = {Simd::zero32(), Simd::zero32(), Simd::zero32(), Simd::zero32()};
    for (std::size_t i = 0; i < length; i += 2 * Simd::lanes) {
      const typename Simd::Ints seen = Simd::load_pairs(values + i);
      for (std::size_t o = 0; o < 4; ++o) {
        sums[o] = Simd::in_register(Simd::multiply_add(sums[o], seen, Simd::load_pairs(weights + o * length + i)));
      }
    }
    for (std::size_t o = 0; o < 4; ++o) out[4 * q + o] = Simd::total(sums[o]);
  }
}

// The compiler finds the vectors. Unsigned, so that sums of columns that nobody reads may wrap.
template <class Simd>
void add_bits(const std::uint8_t* plane, unsigned bit, std::int32_t coefficient, std::size_t count, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t mask = 0u - (plane[i] >> bit & 1u);
    out[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(out[i]) + (static_cast<std::uint32_t>(coefficient) & mask));
  }
}

// The bits of `width` columns of a quad, from one on. Where every column has a limit of its own, limits are rows of them.
template <class Simd, bool is_each>
FIREBIT_INLINE typename Simd::Bytes stepped(const Stepping& at, std::size_t q, std::size_t bits, std::size_t column) {
  typename Simd::Bytes nibbles = Simd::splat8(at.flips[q]);
  for (std::size_t j = 0; j < bits; ++j) {
    const std::size_t channel = 4 * q + j;
    const auto bound = [&](std::size_t i) {
      return is_each ? Simd::load32(at.limits + channel * at.columns + column + i) : Simd::splat_int(at.limits[channel]);
    };
    const typename Simd::Bytes above = Simd::above(at.sums + channel * at.stride + column, bound);
    nibbles = Simd::differ(nibbles, Simd::both(above, Simd::splat8(static_cast<std::uint8_t>(1u << j))));
  }
  return nibbles;
}

// Columns that are hardly any, one by one.
template <bool is_each>
inline void step_few(const Stepping& at, std::size_t q, std::size_t bits, std::size_t first) {
  std::uint8_t* out = at.out + q * at.out_stride;
  for (std::size_t c = first; c < at.columns; ++c) {
    unsigned nibble = at.flips[q];
    for (std::size_t j = 0; j < bits; ++j) {
      const std::size_t channel = 4 * q + j;
      const std::int32_t limit = at.limits[is_each ? channel * at.columns + c : channel];
      nibble ^= (at.sums[channel * at.stride + c] > limit ? 1u : 0u) << j;
    }
    out[c] = static_cast<std::uint8_t>(nibble);
  }
}

template <class Simd, bool is_each>
void step(const Stepping& at) {
  constexpr std::size_t few = 4;
  const std::size_t whole = at.columns / Simd::width * Simd::width, rest = at.columns - whole;
  for (std::size_t q = 0; 4 * q < at.channels; ++q) {
    const std::size_t bits = at.channels - 4 * q < 4 ? at.channels - 4 * q : 4;
    std::uint8_t* out = at.out + q * at.out_stride;
    for (std::size_t c = 0; c < whole; c += Simd::width) Simd::store(out + c, stepped<Simd, is_each>(at, q, bits, c));
    if (rest <= few) {
      step_few<is_each>(at, q, bits, whole);
      continue;
    }
    std::uint8_t last[Simd::width];
    Simd::store(last, stepped<Simd, is_each>(at, q, bits, whole));
    std::memcpy(out + whole, last, rest);
  }
}

}  // namespace firebit::generic
