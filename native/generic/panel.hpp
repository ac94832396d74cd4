// Panels: what the columns of a slice see of a source, row by row.
#pragma once

#include <cstring>

#include "generic/compiler.hpp"
#include "kernels.hpp"

namespace firebit::generic {

// Copies 16 bytes at a time; what is written beyond the end is overwritten by the next stretch or row, or is slack.
inline void copy(const std::uint8_t* from, std::uint8_t* to, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 16) std::memcpy(to + i, from + i, 16);
}

// The stretches of a slice. Short ones, of up to 16 columns, are one copy each.
class Copies {
 public:
  Copies(const Filling& filling, const Stretch* from, std::size_t index) {
    const Stretch* end = filling.stretches + filling.stretch_count;
    for (; from + count_ < end && from[count_].slice == index; ++count_) {
      sources_[count_] = from[count_].source;
      columns_[count_] = from[count_].column;
      lengths_[count_] = from[count_].length;
      are_short_ &= from[count_].length <= 16;
    }
  }

  std::size_t count() const { return count_; }

  FIREBIT_INLINE void fill(const std::uint8_t* source, std::uint8_t* row) const {
    if (are_short_) {
      for (std::size_t i = 0; i < count_; ++i) std::memcpy(row + columns_[i], source + sources_[i], 16);
    } else {
      for (std::size_t i = 0; i < count_; ++i) copy(source + sources_[i], row + columns_[i], lengths_[i]);
    }
  }

 private:
  std::size_t count_ = 0;
  bool are_short_ = true;
  std::uint32_t sources_[slice], columns_[slice], lengths_[slice];
};

template <class Simd>
void fill_bytes(const Filling& filling, const std::uint8_t* source, std::uint8_t* panel) {
  const Stretch* stretches = filling.stretches;
  for (std::size_t s = 0; s < filling.slices; ++s) {
    const Copies copies(filling, stretches, s);
    for (std::size_t k = 0; k < filling.rows; ++k, panel += slice) copies.fill(source + filling.taps[k], panel);
    stretches += copies.count();
  }
  const std::size_t unused = slice - filling.last_columns;
  if (unused == 0) return;
  for (std::size_t k = 0; k < filling.rows; ++k, panel -= slice) std::memset(panel - unused, 0, unused);
}

// Vocabulary of Simd: interleave_pair(a, b, to) writes 16 bytes of both by turns, as int16.
template <class Simd>
void fill_pairs(const Filling& filling, const std::uint8_t* source, std::int16_t* panel) {
  static const std::uint8_t nothing[slice] = {};
  const std::size_t pairs = filling.rows / 2;
  for (std::size_t s = 0, first = 0; s < filling.slices; ++s, panel += pairs * 2 * slice) {
    std::size_t end = first;
    while (end < filling.stretch_count && filling.stretches[end].slice == s) ++end;
    for (std::size_t k = 0; k < pairs; ++k) {
      const std::uint32_t tap = filling.taps[2 * k + 1];
      for (std::size_t i = first; i < end; ++i) {
        const Stretch& part = filling.stretches[i];
        const std::uint8_t* a = source + filling.taps[2 * k] + part.source;
        const std::uint8_t* b = tap == no_tap ? nothing : source + tap + part.source;
        std::int16_t* to = panel + (k * slice + part.column) * 2;
        for (std::size_t x = 0; x < part.length; x += 16) Simd::interleave_pair(a + x, b + x, to + 2 * x);
      }
    }
    first = end;
  }
}

// Vocabulary of Simd: interleave(rows, marks, to) writes 16 bytes of each of four rows side by side, marks added.
template <class Simd>
void fill_quads(const Filling& filling, const std::uint8_t* source, std::uint32_t marks, std::uint8_t* panel) {
  static const std::uint8_t nothing[slice] = {};
  for (std::size_t s = 0, first = 0; s < filling.slices; ++s, panel += filling.rows * slice) {
    std::size_t end = first;
    while (end < filling.stretch_count && filling.stretches[end].slice == s) ++end;
    for (std::size_t k = 0; k < filling.rows; k += 4) {
      for (std::size_t i = first; i < end; ++i) {
        const Stretch& part = filling.stretches[i];
        const std::uint8_t* rows[4];
        for (std::size_t j = 0; j < 4; ++j) {
          const std::uint32_t tap = filling.taps[k + j];
          rows[j] = tap == no_tap ? nothing : source + tap + part.source;
        }
        std::uint8_t* to = panel + k * slice + part.column * 4;
        for (std::size_t x = 0; x < part.length; x += 16, to += 64) {
          Simd::interleave(rows, marks, to);
          for (const std::uint8_t*& row : rows) row += 16;
        }
      }
    }
    first = end;
  }
}

template <class Simd>
void fill_lines(const Lining& at) {
  constexpr std::size_t vectors = slice / Simd::width;
  std::uint8_t* to = at.out;
  for (std::size_t i = 0; i < at.lines; ++i, to += at.bytes) {
    const std::uint8_t* from = at.from + at.starts[i];
    typename Simd::Bytes inside[vectors];
    for (std::size_t v = 0; v < vectors; ++v) inside[v] = Simd::load(at.inside + i * slice + v * Simd::width);
    for (std::size_t x = 0; x < at.bytes; x += slice) {
      for (std::size_t v = 0; v < vectors; ++v) {
        const std::size_t place = x + v * Simd::width;
        Simd::store(to + place, Simd::both(Simd::load(from + place), inside[v]));
      }
    }
  }
}

}  // namespace firebit::generic
