// Sums of four outputs, a lane of int32 for every column, over four rows of a panel at a time. Vocabulary of Simd, beside
// that of lookup.hpp and sums.hpp (a vector of bytes has four of them for every lane):
//   square_vectors              vectors of columns that are summed up together: four times as many sums fit the registers
//   splat32(p)                  four bytes, for every lane
//   dot4(sum, values, weights)  sum + products of unsigned and signed bytes, within each lane
//   sum4(sum, bytes)            sum + the four bytes of each lane
//   ones8(bytes)                how many bits of each byte are set
//   has_tables64, look_up64(p, indices)  whether one instruction chooses among 64 bytes, and which
//   shift8(sum)                 sum · 256
//   sub32(a, b), splat_int(n)
#pragma once

#include "kernels.hpp"

namespace firebit::generic {

// Sums of four outputs at some columns of a slice.
template <class Simd>
struct Square {
  using Ints = typename Simd::Ints;
  using Bytes = typename Simd::Bytes;
  static constexpr std::size_t vectors = Simd::square_vectors;
  static constexpr std::size_t columns = vectors * Simd::lanes;

  Ints sums[4][vectors];

  FIREBIT_INLINE void clear() {
    for (auto& row : sums) {
      for (Ints& sum : row) sum = Simd::zero32();
    }
  }

  FIREBIT_INLINE static void load(const std::uint8_t* panel, Bytes (&seen)[vectors]) {
    for (std::size_t v = 0; v < vectors; ++v) seen[v] = Simd::load(panel + v * Simd::width);
  }

  FIREBIT_INLINE void add_to(const Quad& at, std::size_t column) const {
    for (std::size_t o = 0; o < 4; ++o) {
      const Ints base = Simd::splat_int(at.bases[o]);
      for (std::size_t v = 0; v < vectors; ++v) {
        std::int32_t* to = at.out + o * at.stride + column + v * Simd::lanes;
        const Ints sum = Simd::add32(base, sums[o][v]);
        Simd::store32(to, at.begins ? sum : Simd::add32(Simd::load32(to), sum));
      }
    }
  }
};

template <class Simd>
void multiply_bytes(const Quad& at) {
  using Part = Square<Simd>;
  for (std::size_t column = 0; column < slice; column += Part::columns) {
    Part part;
    part.clear();
    const std::uint8_t* panel = at.panel + column * 4;
    const std::uint8_t* weights = at.weights;
    for (std::size_t g = 0; g < at.groups; ++g, panel += 4 * slice, weights += 16) {
      typename Simd::Bytes seen[Part::vectors];
      Part::load(panel, seen);
      for (std::size_t o = 0; o < 4; ++o) {
        const typename Simd::Bytes weight = Simd::splat32(weights + 4 * o);
        for (std::size_t v = 0; v < Part::vectors; ++v) part.sums[o][v] = Simd::dot4(part.sums[o][v], seen[v], weight);
      }
    }
    part.add_to(at, column);
  }
}

// A byte counts up to 8 ones a group, so it holds 31 groups.
constexpr std::size_t groups_per_counter = 31;

template <class Simd>
void count_ones(const Quad& at) {
  using Part = Square<Simd>;
  using Bytes = typename Simd::Bytes;
  for (std::size_t column = 0; column < slice; column += Part::columns) {
    Part part;
    part.clear();
    const std::uint8_t* panel = at.panel + column * 4;
    const std::uint8_t* weights = at.weights;
    for (std::size_t first = 0; first < at.groups; first += groups_per_counter) {
      const std::size_t left = at.groups - first, count = left < groups_per_counter ? left : groups_per_counter;
      Bytes counts[4][Part::vectors];
      for (auto& row : counts) {
        for (Bytes& bytes : row) bytes = Simd::zero();
      }
      for (std::size_t g = 0; g < count; ++g, panel += 4 * slice, weights += 16) {
        Bytes seen[Part::vectors];
        Part::load(panel, seen);
        for (std::size_t o = 0; o < 4; ++o) {
          const Bytes weight = Simd::splat32(weights + 4 * o);
          for (std::size_t v = 0; v < Part::vectors; ++v) {
            counts[o][v] = Simd::add8(counts[o][v], Simd::ones8(Simd::differ(seen[v], weight)));
          }
        }
      }
      for (std::size_t o = 0; o < 4; ++o) {
        for (std::size_t v = 0; v < Part::vectors; ++v) part.sums[o][v] = Simd::sum4(part.sums[o][v], counts[o][v]);
      }
    }
    for (auto& row : part.sums) {
      for (auto& sum : row) sum = Simd::sub32(Simd::zero32(), sum);
    }
    part.add_to(at, column);
  }
}

// Tables of 64 bytes are used up quickly: they are asked for earlier than those of 16.
constexpr std::size_t wide_prefetched = 8192;

// Look-ups in `Chunk` groups, added up in bytes.
template <class Simd, std::size_t Chunk>
FIREBIT_INLINE void look_up_groups(Square<Simd>& part, const std::uint8_t* tables, const std::uint8_t* panel) {
  using Part = Square<Simd>;
  typename Simd::Bytes seen[Chunk][Part::vectors];
  for (std::size_t g = 0; g < Chunk; ++g) Part::load(panel + g * 4 * slice, seen[g]);
  for (std::size_t o = 0; o < 4; ++o) {
    for (std::size_t v = 0; v < Part::vectors; ++v) {
      typename Simd::Bytes bytes = Simd::look_up64(tables + o * 64, seen[0][v]);
      for (std::size_t g = 1; g < Chunk; ++g) {
        bytes = Simd::add8(bytes, Simd::look_up64(tables + (g * 4 + o) * 64, seen[g][v]));
      }
      part.sums[o][v] = Simd::sum4(part.sums[o][v], bytes);
    }
  }
}

template <class Simd, std::size_t Chunk>
inline void look_up_passes(const Quad& at) {
  using Part = Square<Simd>;
  for (std::size_t column = 0; column < slice; column += Part::columns) {
    Part part;
    part.clear();
    const std::uint8_t* tables = at.weights;
    for (std::size_t pass = 0; pass < at.passes; ++pass) {
      for (auto& row : part.sums) {
        for (auto& sum : row) sum = Simd::shift8(sum);
      }
      const std::uint8_t* panel = at.panel + column * 4;
      std::size_t g = 0;
      for (; g + Chunk <= at.groups; g += Chunk, tables += Chunk * 256, panel += Chunk * 4 * slice) {
        for (std::size_t i = 0; i < Chunk * 256; i += 64) prefetch(tables + i + wide_prefetched);
        look_up_groups<Simd, Chunk>(part, tables, panel);
      }
      for (; g < at.groups; ++g, tables += 256, panel += 4 * slice) look_up_groups<Simd, 1>(part, tables, panel);
    }
    part.add_to(at, column);
  }
}

template <class Simd>
void look_up_wide(const Quad& at) {
  if (at.chunk == 2) return look_up_passes<Simd, 2>(at);
  look_up_passes<Simd, 1>(at);
}

template <class Simd>
constexpr auto wide_look_up() -> void (*)(const Quad&) {
  if constexpr (Simd::has_tables64) {
    return look_up_wide<Simd>;
  } else {
    return nullptr;
  }
}

}  // namespace firebit::generic
