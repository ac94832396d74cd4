// Sums by look-ups: four bits choose one of 16 partial sums, a vector of columns at a time. Vocabulary of Simd:
//   Bytes, width                a vector and its bytes
//   load, store, zero, splat8, splat16
//   table(p)                    16 bytes, for every look-up of a vector
//   look_up(table, indices)     table[index] for every byte
//   add8, add16, sub16          wrapping sums of bytes and 16-bit words
//   high_bytes, shift_up        words >> 8 and words << 8
//   at_least16(a, b)            words of ones where a ≥ b, unsigned
//   low_bytes_of(a, b)          low bytes of the words of a, high bytes of those of b
//   both, either, differ        and, or, exclusive or
//   widen_columns(even, odd, columns)  int32 of the words of both, by turns: four vectors
//
// Sums of an output lie vector by vector: words that hold both bytes of each word's columns, summed with the upper one
// still in place, and words of the upper ones. `evens` takes the two apart.
#pragma once

#include "kernels.hpp"

namespace firebit::generic {

template <class Simd>
inline std::uint16_t* words_of(std::uint16_t* sums, std::size_t output, std::size_t vector) {
  return sums + output * slice + vector * Simd::width;
}

template <class Simd>
inline const std::uint16_t* words_of(const std::uint16_t* sums, std::size_t output, std::size_t vector) {
  return sums + output * slice + vector * Simd::width;
}

template <class Simd>
inline typename Simd::Bytes evens(typename Simd::Bytes all, typename Simd::Bytes odds) {
  return Simd::sub16(all, Simd::shift_up(odds));
}

// Tables of deep layers come from far away: they are asked for in time.
constexpr std::size_t prefetched = 2048;

FIREBIT_INLINE void prefetch(const std::uint8_t* from) {
#if defined(__GNUC__)
  __builtin_prefetch(from);
#else
  (void)from;
#endif
}

// One output. `Chunk` groups are added up in bytes, then in words; 0: as many as the look-up says.
template <class Simd, std::size_t Slices, std::size_t Chunk>
struct LookupStep {
  using Bytes = typename Simd::Bytes;
  static constexpr std::size_t vectors = slice / Simd::width;

  const Lookup& at;
  Bytes all[Slices][vectors];
  Bytes odds[Slices][vectors];

  FIREBIT_INLINE void load(std::size_t output) {
    for (std::size_t s = 0; s < Slices; ++s) {
      for (std::size_t v = 0; v < vectors; ++v) {
        const std::uint16_t* words = words_of<Simd>(at.sums + s * at.sums_slice, output, v);
        all[s][v] = at.begins ? Simd::zero() : Simd::load(words);
        odds[s][v] = at.begins ? Simd::zero() : Simd::load(words + Simd::width / 2);
      }
    }
  }

  FIREBIT_INLINE void store(std::size_t output) const {
    for (std::size_t s = 0; s < Slices; ++s) {
      for (std::size_t v = 0; v < vectors; ++v) {
        std::uint16_t* words = words_of<Simd>(at.sums + s * at.sums_slice, output, v);
        Simd::store(words, all[s][v]);
        Simd::store(words + Simd::width / 2, odds[s][v]);
      }
    }
  }

  template <bool begins>
  FIREBIT_INLINE void look_up(const std::uint8_t* tables, const std::uint8_t* panel, Bytes (&bytes)[Slices][vectors]) {
    const Bytes table = Simd::table(tables);
    for (std::size_t s = 0; s < Slices; ++s) {
      for (std::size_t v = 0; v < vectors; ++v) {
        const Bytes found = Simd::look_up(table, Simd::load(panel + s * at.panel_slice + v * Simd::width));
        bytes[s][v] = begins ? found : Simd::add8(bytes[s][v], found);
      }
    }
  }

  FIREBIT_INLINE void add(const std::uint8_t* tables, const std::uint16_t* offsets, std::size_t count) {
    Bytes bytes[Slices][vectors];
    look_up<true>(tables, at.panel + offsets[0], bytes);
    for (std::size_t c = 1; c < count; ++c) look_up<false>(tables + c * 16, at.panel + offsets[c], bytes);
    for (std::size_t s = 0; s < Slices; ++s) {
      for (std::size_t v = 0; v < vectors; ++v) {
        all[s][v] = Simd::add16(all[s][v], bytes[s][v]);
        odds[s][v] = Simd::add16(odds[s][v], Simd::high_bytes(bytes[s][v]));
      }
    }
  }

  FIREBIT_INLINE void run(std::size_t output) {
    const std::uint8_t* tables = at.tables + output * at.groups * 16;
    const std::uint16_t* offsets = at.offsets + output * at.groups;
    const std::size_t chunk = Chunk > 0 ? Chunk : at.chunk;
    load(output);
    std::size_t g = 0;
    for (; g + chunk <= at.groups; g += chunk) {
      for (std::size_t i = 0; i < chunk * 16; i += 64) prefetch(tables + g * 16 + i + prefetched);
      add(tables + g * 16, offsets + g, chunk);
    }
    if (g < at.groups) add(tables + g * 16, offsets + g, at.groups - g);
    store(output);
  }
};

template <class Simd, std::size_t Chunk>
inline void look_up_outputs(const Lookup& at) {
  for (std::size_t o = 0; o < at.outputs; ++o) {
    if (at.slices == 2) {
      LookupStep<Simd, 2, Chunk>{at, {}, {}}.run(o);
    } else {
      LookupStep<Simd, 1, Chunk>{at, {}, {}}.run(o);
    }
  }
}

template <class Simd>
void look_up(const Lookup& at) {
  switch (at.chunk) {
    case 1: return look_up_outputs<Simd, 1>(at);
    case 2: return look_up_outputs<Simd, 2>(at);
    case 4: return look_up_outputs<Simd, 4>(at);
    case 8: return look_up_outputs<Simd, 8>(at);
    default: return look_up_outputs<Simd, 0>(at);
  }
}

template <class Simd>
void look_up_bits(const std::uint16_t* sums, std::size_t quads, const std::uint16_t* thresholds,
                  const std::uint8_t* flips, std::uint8_t* out, std::size_t stride) {
  using Bytes = typename Simd::Bytes;
  for (std::size_t q = 0; q < quads; ++q) {
    for (std::size_t v = 0; v < slice / Simd::width; ++v) {
      Bytes nibbles = Simd::splat8(flips[q]);
      for (std::size_t j = 0; j < 4; ++j) {
        const std::uint16_t* words = words_of<Simd>(sums, 4 * q + j, v);
        const Bytes odds = Simd::load(words + Simd::width / 2);
        const Bytes even = evens<Simd>(Simd::load(words), odds);
        const Bytes threshold = Simd::splat16(thresholds[4 * q + j]);
        const Bytes fires =
            Simd::low_bytes_of(Simd::at_least16(even, threshold), Simd::at_least16(odds, threshold));
        nibbles = Simd::differ(nibbles, Simd::both(fires, Simd::splat8(static_cast<std::uint8_t>(1u << j))));
      }
      Simd::store(out + q * stride + v * Simd::width, nibbles);
    }
  }
}

template <class Simd>
void look_up_sums(const std::uint16_t* sums, std::size_t outputs, const std::int32_t* bases, std::int32_t* out,
                  std::size_t stride, bool begins) {
  for (std::size_t o = 0; o < outputs; ++o) {
    const typename Simd::Ints base = Simd::splat_int(bases[o]);
    for (std::size_t v = 0; v < slice / Simd::width; ++v) {
      const std::uint16_t* words = words_of<Simd>(sums, o, v);
      const typename Simd::Bytes odds = Simd::load(words + Simd::width / 2);
      typename Simd::Ints columns[4];
      Simd::widen_columns(evens<Simd>(Simd::load(words), odds), odds, columns);
      std::int32_t* to = out + o * stride + v * Simd::width;
      for (std::size_t i = 0; i < 4; ++i, to += Simd::lanes) {
        const typename Simd::Ints sum = Simd::add32(columns[i], base);
        Simd::store32(to, begins ? sum : Simd::add32(Simd::load32(to), sum));
      }
    }
  }
}

}  // namespace firebit::generic
