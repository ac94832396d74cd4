// What every instruction set offers. Each folder beside this file implements all of it, under the same file names.
//
// Columns are the places of a map, of one picture or of several; kernels compute `slice` of them at a time. A panel
// holds, slice by slice, what every column sees of the source: [slice][row][64].
#pragma once

#include <cstddef>
#include <cstdint>

namespace firebit {

// Columns of a slice, for every instruction set.
constexpr std::size_t slice = 64;
// Outputs that `sum_tables` computes at a time.
constexpr std::size_t table_outputs = 32;
// What may be read or written beyond the end of a buffer.
constexpr std::size_t slack = 256;

// A stretch of columns that lie side by side in the source: `length` columns from `column` of a slice on.
struct Stretch {
  std::uint32_t slice;
  std::uint32_t column;
  std::uint32_t length;
  std::uint32_t source;  // where the first lies, from where a tap begins
};

// A part of a panel: which columns to fill, from where.
struct Filling {
  const Stretch* stretches;
  std::size_t stretch_count;
  std::size_t slices;
  std::size_t last_columns;        // columns of the last slice that are used; the others become 0
  const std::uint32_t* taps;       // where every row of the panel begins, in source elements
  std::size_t rows;
};

// Lines of a panel (engine/lines.hpp), `bytes` each: line i is what lies starts[i] bytes behind `from`, where the 64 bytes
// inside[i], over and over, have ones. Up to a slice is written behind the last.
struct Lining {
  const std::uint8_t* from;
  const std::ptrdiff_t* starts;
  std::size_t lines;
  const std::uint8_t* inside;
  std::size_t bytes;
  std::uint8_t* out;
};

// Slices that are looked up together.
constexpr std::size_t most_together = 2;

// Look-ups of u8 tables, [outputs][groups][16]: 16 entries for every output and group of four bits, groups in an order of
// each output's own, so that those with large entries can come beside those with small ones. `offsets`, [outputs][groups],
// say where in the panel the indices of each lie, in bytes. sums, [outputs][64] in an order of their own, grow by the
// entries, or begin with them. `slices` are 1 or 2: what the second sees lies `second` bytes behind what the first does, and
// its sums `sums_slice` words behind. The entries of `chunk` groups in a row add up to at most 255, all sums to at most
// 65,535.
struct Lookup {
  const std::uint8_t* tables;
  const std::uint16_t* offsets;
  std::size_t groups;
  std::size_t outputs;
  std::size_t chunk;
  const std::uint8_t* panel;
  std::size_t second;
  std::uint16_t* sums;
  std::size_t sums_slice;
  std::size_t slices;
  bool begins;
};

// Look-ups for weights of ±1, of two outputs at once: their 256 tables are known. What outputs 2i and 2i + 1 have of a group
// is a code [outputs / 2][groups], 16 · p + 256 · q, where bit j of p and of q is 1 where their weight j is +1. Sums grow by
// in how many of four bits an index is like these. Outputs are even; groups come in their order, a row of the panel each.
// All else as above.
struct SignLookup {
  const std::uint16_t* codes;
  std::size_t groups;
  std::size_t outputs;
  const std::uint8_t* panel;
  std::size_t second;
  std::uint16_t* sums;
  std::size_t sums_slice;
  std::size_t slices;
  bool begins;
};

// Groups whose entries, at most 4 each, add up in a byte.
constexpr std::size_t sign_chunk = 63;

// Sums over bits by tables that are made on the fly ("four Russians"): weights int16 [groups][4][32], panel
// [slices][groups][64] of indices below 16, `panel_slice` bytes from slice to slice. out[o * stride + column] grows by
// the sums of the first `outputs` of 32.
struct Tabled {
  const std::int16_t* weights;
  std::size_t groups;
  std::size_t outputs;
  const std::uint8_t* panel;
  std::size_t panel_slice;
  std::size_t slices;
  std::int32_t* scratch;  // table_scratch(slices) numbers
  std::int32_t* out;
  std::size_t stride;
};

// Groups whose tables are made together, so that they stay in the first cache.
constexpr std::size_t table_groups = 8;
constexpr std::size_t table_scratch(std::size_t slices) {
  return table_groups * 16 * table_outputs + slices * slice * table_outputs;
}

// Products of int16: weights [quads][pairs][4][2], panel [pairs][64][2]. out[o * stride + column] grows by the sums, or
// begins with them.
struct Product {
  const std::int16_t* weights;
  std::size_t pairs;
  std::size_t quads;
  const std::int16_t* panel;
  std::int32_t* out;
  std::size_t stride;
  bool begins;
};

// Winograd's convolution by rows of five weights: tiles of four places, seen at eight points (generic/winograd.hpp). A slice
// has `winograd_tiles` tiles.
constexpr std::size_t winograd_taps = 5, winograd_places = 4, winograd_points = 8;
constexpr std::size_t winograd_tiles = slice / winograd_places;

// Rows of bytes, four for every tile and four more, to their values at the points: [points][rows][tiles][2], those of two
// planes side by side. Where there is no second, each stands beside that of the row below, and those of the last beside 0.
struct Transform {
  const std::uint8_t* source;
  const std::uint8_t* second;
  std::size_t width;  // bytes from row to row
  std::size_t rows, tiles;
  std::int16_t* out;
  std::size_t point;  // numbers from point to point
};

// Products with weights at the points, [quads][points][pairs][4][2], of the tiles of some slices: those of the first lie
// taps[pair] bytes behind `panel`, all others behind them.
struct Winograd {
  const std::int16_t* weights;
  std::size_t pairs;
  const std::uint32_t* taps;
  std::size_t quads;
  std::size_t slices;
  const std::uint8_t* panel;
  std::size_t point;  // bytes from point to point
};

// out[o * stride + column] grows by the sums, or begins with them; they are below 2²⁷.
struct WinogradSums {
  std::int32_t* out;
  std::size_t stride;
  bool begins;
};

// Bit = (16 · sum > limit) xor flip, as nibbles: out[quad * stride + column].
struct WinogradBits {
  const std::int32_t* limits;  // of every output
  const std::uint8_t* flips;   // per four outputs
  std::uint8_t* out;
  std::size_t stride;
};

// Four rows of a panel at a time, [groups][64][4]: four bytes of every column. What a step sums up of four outputs:
//   multiply_bytes  weights int8 [groups][4][4], times the bytes
//   count_ones      weights are bits [groups][4][4]; what is counted are bits that differ
//   look_up_wide    tables [passes][groups][4][64]: byte j of a column is an index below 16, plus 16 j. Entries have
//                   `passes` bytes, the highest first; those of `chunk` (1 or 2) groups add up to at most 255 in each.
// out[o * stride + column] grows by base + sums, of count_ones by base − sums; or begins with them.
struct Quad {
  const std::uint8_t* weights;
  std::size_t groups;
  std::size_t passes;
  std::size_t chunk;
  const std::uint8_t* panel;
  const std::int32_t* bases;  // of four outputs
  std::int32_t* out;
  std::size_t stride;
  bool begins;
};

// Rows of int8 weights, [rows][width], of which those of bits that are set are added up: out[o] grows by the sums of the
// first `outputs` columns. Width is a multiple of 64, `outputs` at most `row_width`, `count` at most `row_segment`.
struct Rows {
  const std::int8_t* weights;
  std::size_t width;
  const std::uint16_t* set;
  std::size_t count;
  std::size_t outputs;
  std::int32_t* out;
};

// So many outputs have their weights side by side: a page of memory, so that a row that is skipped is not read ahead.
constexpr std::size_t row_width = 4096;
// So many rows add up in 16 bits: 256 · −128 fits just so.
constexpr std::size_t row_segment = 256;

// Bit = (sum > limit) xor flip, for `channels` rows of sums [channels][stride], as nibbles: out[channel / 4 * out_stride
// + column], channel % 4 being the bit. Limits are [channels], or [channels][columns].
struct Stepping {
  const std::int32_t* sums;
  std::size_t stride;
  std::size_t channels;
  std::size_t columns;
  const std::int32_t* limits;
  const std::uint8_t* flips;  // per four channels
  std::uint8_t* out;
  std::size_t out_stride;
};

// Codes to be compared with one query, and the ranks that decide between equal distances; those of rank < 0 are left out.
struct Scan {
  const std::uint8_t* query;
  const std::uint8_t* codes;
  const std::int64_t* ranks;
  std::size_t count;
  std::size_t bytes;
  std::size_t kept;  // entries of the heap, ≥ 1
};

// A key is distance << rank_bits | rank: ranks are below 2^43, distances up to 2^20.
constexpr unsigned rank_bits = 43;
constexpr std::uint64_t largest_rank = (std::uint64_t{1} << rank_bits) - 1;
constexpr std::size_t longest_code = std::size_t{1} << 17;

// out grows by the largest or the sum of every window of some planes of sums, or begins with them; what lies between planes
// of it becomes anything. Sides, kernel and so on go down, then right.
struct SumPool {
  bool is_max, begins;
  const std::int32_t* plane;
  std::size_t planes, plane_stride;
  std::size_t sides[2];
  std::size_t kernel[2], stride[2], padding[2];
  std::size_t places[2];  // windows
  std::int32_t* line;     // pool_line numbers
  std::int32_t* out;
  std::size_t out_stride;
};

// The bits of every window of a plane of nibbles, joined by "or" where `flip` has no bit, by "and" where it has one.
struct BitPool {
  const std::uint8_t* plane;
  std::size_t sides[2];
  std::size_t kernel[2], stride[2], padding[2];
  std::size_t places[2];
  std::uint8_t flip;
  std::uint8_t* line;  // room for two rows with what pooling adds on both sides
  std::uint8_t* out;
};

// Windows down whose rows are joined before their columns are: numbers that were just written are not read at once.
constexpr std::size_t pool_rows = 8;

// Room for two rows of each of these with what pooling adds on both sides, and a vector behind each.
constexpr std::size_t pool_line(std::size_t width, std::size_t places, std::size_t kernel, std::size_t stride,
                                std::size_t padding) {
  return 2 * pool_rows * (width + padding + (places - 1) * stride + kernel + 32);
}

struct Kernels {
  const char* name;
  bool wide_best;            // one instruction chooses among 64 bytes
  bool counts_best;          // weights of ±1 are counted at least as quickly as looked up
  bool saturates;            // multiply_bytes: neighbouring products must stay within 16 bits

  // out[i * m + j] = number of bits in which row i of a and row j of b differ; rows are packed, `bytes` long.
  void (*hamming)(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
                  std::size_t bytes);

  // Takes codes whose keys are below the root of a heap of keys into it, in place of the root.
  void (*scan)(const Scan& scan, std::uint64_t* heap);

  // Rows of a panel from source bytes: bytes as they are; or pairs of rows as int16 (rows even, the last may be absent:
  // a tap of `no_tap` is a row of 0).
  void (*fill_bytes)(const Filling& filling, const std::uint8_t* source, std::uint8_t* panel);
  void (*fill_pairs)(const Filling& filling, const std::uint8_t* source, std::int16_t* panel);
  // Four rows side by side, as Quad has them; `marks` is added to the four bytes of every column. Rows come in fours,
  // any of them may be absent. What lies behind the last column is anything.
  void (*fill_quads)(const Filling& filling, const std::uint8_t* source, std::uint32_t marks, std::uint8_t* panel);
  void (*fill_lines)(const Lining& lining);

  void (*look_up)(const Lookup& lookup);
  void (*look_up_signs)(const SignLookup& lookup);
  // Look-up sums of four times `quads` outputs as nibbles: bit = (sum ≥ threshold) xor flip. out[quad * stride + column].
  void (*look_up_bits)(const std::uint16_t* sums, std::size_t quads, const std::uint16_t* thresholds,
                       const std::uint8_t* flips, std::uint8_t* out, std::size_t stride);
  // out[o * stride + column] grows by the look-up sums and a number per output, or begins with them.
  void (*look_up_sums)(const std::uint16_t* sums, std::size_t outputs, const std::int32_t* bases, std::int32_t* out,
                       std::size_t stride, bool begins);

  void (*sum_tables)(const Tabled& tabled);
  void (*multiply)(const Product& product);
  // These three are null where `multiply` is as quick.
  void (*transform)(const Transform& transform);
  void (*winograd)(const Winograd& winograd, const WinogradSums& sums);
  void (*winograd_bits)(const Winograd& winograd, const WinogradBits& bits);
  void (*multiply_bytes)(const Quad& quad);
  void (*count_ones)(const Quad& quad);
  void (*look_up_wide)(const Quad& quad);  // null where a table of 64 bytes is more than one look-up

  void (*add_rows)(const Rows& rows);
  // out[o] = Σ weights[o][i] * values[i] for four times `quads` outputs; length a multiple of 64.
  void (*dot16)(const std::int16_t* weights, std::size_t length, std::size_t quads, const std::int16_t* values,
                std::int32_t* out);

  // out[i] grows by the coefficient where bit `bit` of plane[i] is set.
  void (*add_bits)(const std::uint8_t* plane, unsigned bit, std::int32_t coefficient, std::size_t count, std::int32_t* out);
  void (*pool_sums)(const SumPool& pool);
  void (*pool_bits)(const BitPool& pool);
  void (*step)(const Stepping& stepping);
  void (*step_each)(const Stepping& stepping);  // with a limit per column
};

constexpr std::uint32_t no_tap = 0xffffffffu;

namespace portable {
Kernels kernels();
}
namespace avx2 {
Kernels kernels();
}
namespace avx512 {
Kernels kernels();
}
namespace neon {
Kernels kernels();
}

}  // namespace firebit
