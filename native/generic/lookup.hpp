// Sums by look-ups: four bits choose one of 16 partial sums, a vector of columns at a time. Vocabulary of Simd:
//   Bytes, width                a vector and its bytes
//   load, store, zero, splat8, splat16
//   in_register(v)              v, which the compiler does not load again for every use
//   table(p)                    16 bytes, for every look-up of a vector
//   look_up(table, indices)     table[index] for every byte
//   add8, add16, sub16          wrapping sums of bytes and 16-bit words
//   high_bytes, shift_up        words >> 8 and words << 8
//   upper_halves                words >> 4, so that the lower half of each byte is its upper one
//   at_least16(a, b)            words of ones where a ≥ b, unsigned
//   low_bytes_of(a, b)          low bytes of the words of a, high bytes of those of b
//   both, either, differ        and, or, exclusive or
//   widen_columns(even, odd, columns)  int32 of the words of both, by turns: four vectors
//
// Sums of an output lie vector by vector: words that hold both bytes of each word's columns, summed with the upper one
// still in place, and words of the upper ones. `evens` takes the two apart.
#pragma once

#include "generic/compiler.hpp"
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

// Where what a second slice sees lies: there is none, right behind the first, or further away.
enum class Second { none, near, far };

// One output. `Chunk` groups are added up in bytes, then in words; 0: as many as the look-up says.
template <class Simd, Second second, std::size_t Chunk>
struct LookupStep {
  using Bytes = typename Simd::Bytes;
  static constexpr std::size_t of_slice = slice / Simd::width, vectors = (second == Second::none ? 1 : 2) * of_slice;

  const Lookup& at;
  Bytes all[vectors];
  Bytes odds[vectors];

  std::uint16_t* words(std::size_t output, std::size_t vector) const {
    return words_of<Simd>(at.sums + vector / of_slice * at.sums_slice, output, vector % of_slice);
  }

  FIREBIT_INLINE void load(std::size_t output) {
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::uint16_t* from = words(output, v);
      all[v] = at.begins ? Simd::zero() : Simd::load(from);
      odds[v] = at.begins ? Simd::zero() : Simd::load(from + Simd::width / 2);
    }
  }

  FIREBIT_INLINE void store(std::size_t output) const {
    for (std::size_t v = 0; v < vectors; ++v) {
      std::uint16_t* to = words(output, v);
      Simd::store(to, all[v]);
      Simd::store(to + Simd::width / 2, odds[v]);
    }
  }

  template <bool begins>
  FIREBIT_INLINE void look_up(const std::uint8_t* tables, std::size_t offset, Bytes (&bytes)[vectors]) const {
    const Bytes table = Simd::table(tables);
    const std::uint8_t* indices = at.panel + offset;
    const std::uint8_t* others = second == Second::far ? one_register(indices + at.second) : indices + slice;
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::uint8_t* seen = v < of_slice ? indices + v * Simd::width : others + (v - of_slice) * Simd::width;
      const Bytes found = Simd::look_up(table, Simd::load(seen));
      bytes[v] = begins ? found : Simd::in_register(Simd::add8(bytes[v], found));
    }
  }

  // Sums are kept in order, so that the compiler does not put them aside to add them up otherwise.
  FIREBIT_INLINE void add(const std::uint8_t* tables, const std::uint16_t* offsets, std::size_t count) {
    Bytes bytes[vectors];
    look_up<true>(tables, offsets[0], bytes);
    for (std::size_t c = 1; c < count; ++c) look_up<false>(tables + c * 16, offsets[c], bytes);
    for (std::size_t v = 0; v < vectors; ++v) {
      all[v] = Simd::in_register(Simd::add16(all[v], bytes[v]));
      odds[v] = Simd::in_register(Simd::add16(odds[v], Simd::high_bytes(bytes[v])));
    }
  }

  FIREBIT_INLINE void run(std::size_t output) {
    const std::uint8_t* tables = at.tables + output * at.groups * 16;
    const std::uint16_t* offsets = at.offsets + output * at.groups;
    const std::size_t chunk = Chunk > 0 ? Chunk : at.chunk;
    std::size_t left = at.groups;
    load(output);
    for (; left >= 2 * chunk; left -= 2 * chunk, tables += 2 * chunk * 16, offsets += 2 * chunk) {
      for (std::size_t i = 0; i < 2 * chunk * 16; i += 64) prefetch(tables + i + prefetched);
      add(tables, offsets, chunk);
      add(tables + chunk * 16, offsets + chunk, chunk);
    }
    while (left > 0) {
      const std::size_t some = left < chunk ? left : chunk;
      add(tables, offsets, some);
      left -= some, tables += some * 16, offsets += some;
    }
    store(output);
  }
};

template <class Simd, Second second, std::size_t Chunk>
inline void look_up_each(const Lookup& at) {
  for (std::size_t o = 0; o < at.outputs; ++o) LookupStep<Simd, second, Chunk>{at, {}, {}}.run(o);
}

template <class Simd, std::size_t Chunk>
inline void look_up_outputs(const Lookup& at) {
  if (at.slices == 1) return look_up_each<Simd, Second::none, Chunk>(at);
  if (at.second == slice) return look_up_each<Simd, Second::near, Chunk>(at);
  look_up_each<Simd, Second::far, Chunk>(at);
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

// Tables of all pairs of codes: in how many of its four bits an index is like the first, plus 16 times like the second.
struct SignTables {
  alignas(64) std::uint8_t entries[256 * 16] = {};

  constexpr SignTables() {
    for (unsigned i = 0; i < 256 * 16; ++i) {
      entries[i] = static_cast<std::uint8_t>(alike(i / 16 % 16, i % 16) + 16 * alike(i / 256, i % 16));
    }
  }

  static constexpr unsigned alike(unsigned code, unsigned index) {
    const unsigned differ = code ^ index;
    return 4 - (differ & 1) - (differ >> 1 & 1) - (differ >> 2 & 1) - (differ >> 3);
  }
};
inline constexpr SignTables sign_tables;

// Two outputs, which are looked up at once. Entries of three groups, at most 4 each, add up in half a byte.
template <class Simd, std::size_t Slices>
struct SignStep {
  using Bytes = typename Simd::Bytes;
  static constexpr std::size_t of_slice = slice / Simd::width, vectors = Slices * of_slice;

  const SignLookup& at;

  template <std::size_t Groups>
  FIREBIT_INLINE void add(const std::uint16_t* codes, std::size_t group, Bytes (&first)[vectors], Bytes (&second)[vectors]) const {
    Bytes tables[Groups];
    for (std::size_t g = 0; g < Groups; ++g) tables[g] = Simd::table(sign_tables.entries + codes[group + g]);
    const Bytes half = Simd::splat8(15);
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::uint8_t* seen = at.panel + v / of_slice * at.second + group * slice + v % of_slice * Simd::width;
      Bytes found = Simd::look_up(tables[0], Simd::load(seen));
      for (std::size_t g = 1; g < Groups; ++g) {
        found = Simd::in_register(Simd::add8(found, Simd::look_up(tables[g], Simd::load(seen + g * slice))));
      }
      first[v] = Simd::add8(first[v], Simd::both(found, half));
      second[v] = Simd::add8(second[v], Simd::both(Simd::upper_halves(found), half));
    }
  }

  FIREBIT_INLINE void store(std::size_t output, bool begins, const Bytes (&bytes)[vectors]) const {
    for (std::size_t v = 0; v < vectors; ++v) {
      std::uint16_t* all = words_of<Simd>(at.sums + v / of_slice * at.sums_slice, output, v % of_slice);
      std::uint16_t* odds = all + Simd::width / 2;
      const Bytes high = Simd::high_bytes(bytes[v]);
      Simd::store(all, begins ? bytes[v] : Simd::add16(Simd::load(all), bytes[v]));
      Simd::store(odds, begins ? high : Simd::add16(Simd::load(odds), high));
    }
  }

  FIREBIT_INLINE void run(std::size_t output) const {
    const std::uint16_t* codes = at.codes + output / 2 * at.groups;
    for (std::size_t group = 0; group < at.groups;) {
      const bool begins = at.begins && group == 0;
      const std::size_t end = at.groups - group < sign_chunk ? at.groups : group + sign_chunk;
      Bytes first[vectors], second[vectors];
      for (std::size_t v = 0; v < vectors; ++v) first[v] = second[v] = Simd::zero();
      for (; group + 3 <= end; group += 3) add<3>(codes, group, first, second);
      for (; group < end; ++group) add<1>(codes, group, first, second);
      store(output, begins, first);
      store(output + 1, begins, second);
    }
  }
};

template <class Simd>
void look_up_signs(const SignLookup& at) {
  for (std::size_t o = 0; o < at.outputs; o += 2) {
    if (at.slices == 2) {
      SignStep<Simd, 2>{at}.run(o);
    } else {
      SignStep<Simd, 1>{at}.run(o);
    }
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
