// Panels: what the columns of a slice see of a source, row by row.
#pragma once

#include <cstring>

#include "kernels.hpp"

namespace firebit::generic {

// Copies 16 bytes at a time; what is written beyond the end is overwritten by the next stretch or row, or is slack.
template <class Simd>
inline void copy(const std::uint8_t* from, std::uint8_t* to, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 16) std::memcpy(to + i, from + i, 16);
}

// Short stretches, of up to 16 columns, are one copy each.
FIREBIT_INLINE bool are_short(const Stretch* stretches, std::size_t count) {
  bool found = true;
  for (std::size_t i = 0; i < count; ++i) found &= stretches[i].length <= 16;
  return found;
}

template <class Simd>
void fill_bytes(const Filling& filling, const std::uint8_t* source, std::uint8_t* panel) {
  const std::size_t slice_bytes = filling.rows * slice;
  std::uint8_t* last = panel + (filling.slices - 1) * slice_bytes;
  for (std::size_t s = 0, first = 0; s < filling.slices; ++s) {
    std::size_t end = first;
    while (end < filling.stretch_count && filling.stretches[end].slice == s) ++end;
    std::uint8_t* row = panel + s * slice_bytes;
    const Stretch* stretches = filling.stretches + first;
    const std::size_t count = end - first;
    const bool is_short = are_short(stretches, count);
    for (std::size_t k = 0; k < filling.rows; ++k, row += slice) {
      const std::uint8_t* from = source + filling.taps[k];
      if (is_short) {
        for (std::size_t i = 0; i < count; ++i) std::memcpy(row + stretches[i].column, from + stretches[i].source, 16);
        continue;
      }
      for (std::size_t i = 0; i < count; ++i) copy<Simd>(from + stretches[i].source, row + stretches[i].column, stretches[i].length);
    }
    first = end;
  }
  const std::size_t unused = slice - filling.last_columns;
  if (unused == 0) return;
  for (std::size_t k = 0; k < filling.rows; ++k) std::memset(last + k * slice + filling.last_columns, 0, unused);
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

}  // namespace firebit::generic
