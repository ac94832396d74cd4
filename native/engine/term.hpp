// A summand of a layer, made ready to run: which kernel, its weights in that kernel's order, where its values lie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/record.hpp"
#include "engine/team.hpp"

namespace firebit {

// Slices of a panel that are filled and used together.
constexpr std::size_t most_slices = 4;

// How the values of a source lie in memory: nibbles of four channels [⌈C/4⌉][H][W]; bytes or int32 [C][H][W].
enum class Format { bits, bytes, words };

enum class Method {
  shortcut,  // coefficient · value
  dot,       // the whole source against every row of weights
  lookup,    // tables of 16 bytes
  wide,      // tables of 64 bytes, of four groups
  popcount,  // weights of ±1: bits that differ
  tabled,    // tables of int32, made on the fly
  bytes,     // products of bytes
  product,   // products of int16
  winograd,  // fewer of them, exactly
  scalar,    // cell by cell: what no other method holds
};

// Groups of four bits whose tables are looked up in one pass, so that two panels and their sums stay in the first cache.
constexpr std::size_t lookup_block = 128;

// Groups of a panel of quads whose tables of 64 bytes are looked up in one pass.
constexpr std::size_t wide_block = 32;

// The weights of four outputs in every step of `block` groups, as the kernels take them.
struct Quads {
  Buffer<std::uint8_t> weights;
  std::size_t block = 0;
  std::vector<std::size_t> starts;      // [blocks][quads]
  std::vector<std::uint8_t> passes, chunks;  // per four outputs
  std::vector<std::int32_t> bases;      // per output, fours filled up with 0
};

// The weights of one group of a convolution.
struct Matrix {
  Buffer<std::uint8_t> tables;       // lookup: [blocks][outputs][groups of the block][16],
  Buffer<std::uint16_t> offsets;     // and where their indices lie
  std::vector<std::int32_t> bases;   // per output: lookup, what is missing in the sums of tables; signs, how many are +1
  Buffer<std::uint16_t> codes;       // lookup of ±1, in place of tables: [blocks][outputs / 2][groups of the block]
  std::size_t chunk = 0;             // lookup
  bool is_balanced = false;          // lookup: groups of every output have an order of their own, in whole chunks
  Buffer<std::int16_t> wide;         // tabled [blocks of 32][groups][4][32]; product [quads][pairs][4][2];
                                     // winograd [quads][points][pairs][4][2]; dot [O][length]
  Buffer<std::int8_t> narrow;        // dot over bits, where the weights fit: [blocks][length][width_of_rows]
  Buffer<std::uint8_t> signs;        // dot [O][length / 8], where all weights are ±1
  Quads quads;                       // bytes, wide, popcount

  // How many groups are looked up for so many of a block.
  std::size_t chunks_of(std::size_t groups) const { return is_balanced ? rounded_up(groups, chunk) : groups; }
};

// Planes of a source with their padding, columns of a stride apart from each other: [plane][phase][height][width].
struct Field {
  bool is_source = false;            // the source itself will do
  std::size_t planes = 0;            // of all groups
  std::size_t phases = 1, height = 1, width = 1;

  std::size_t plane() const { return phases * height * width; }
  std::size_t bytes() const { return is_source ? 0 : rounded_up(planes * plane() + slack, 64); }
};

struct Term {
  std::size_t source = 0;
  Method method = Method::scalar;
  Format format = Format::bits;
  Map in, sums;                      // sums before pooling
  std::size_t groups = 1, outputs = 0, inputs = 0;  // outputs and inputs of one group
  std::size_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, padding[4] = {0, 0, 0, 0};
  std::vector<std::uint8_t> pad;     // per channel; empty: 0
  std::optional<Pool> pool;
  std::vector<std::int32_t> coefficients;
  std::vector<std::int16_t> weights;  // scalar only
  std::vector<Matrix> matrices;       // per group
  Field field;
  std::size_t rows = 0;               // of a panel
  std::size_t length = 0;             // of a row of dot
  std::vector<std::uint32_t> taps;    // where every row of a panel begins in a field; winograd: pairs in a panel
  std::size_t line = 0;               // lookup: bytes of a line of a panel of lines; 0: it is a panel of rows
  std::vector<std::size_t> copies;    // of lines: what each copy of one leaves out at its beginning
  std::vector<std::ptrdiff_t> starts;  // of the lines of a plane, [columns of the kernel][copies]: how far from a place
                                      // they begin,
  std::vector<std::uint8_t> inside;   // and which of 64 columns are cells of the map, [columns of the kernel][copies][64]

  // Of a dot over bits with narrow weights: outputs that lie side by side, their blocks, and parts of a row's bits.
  std::size_t width_of_rows() const { return std::min(row_width, rounded_up(outputs, slice)); }
  std::size_t row_blocks() const { return (outputs + width_of_rows() - 1) / width_of_rows(); }
  std::size_t row_segments() const { return (length + row_segment - 1) / row_segment; }
  // Numbers that fill_flat writes.
  std::size_t flat_size() const { return matrices[0].narrow.size() > 0 ? row_segments() * (row_segment + 1) : length; }

  bool has_quads() const { return method == Method::wide || method == Method::popcount || method == Method::bytes; }
  bool has_panel() const {
    return has_quads() || method == Method::lookup || method == Method::tabled || method == Method::product ||
           method == Method::winograd;
  }
  // Bytes of a slice of a panel, of all groups; of lines, a part of what slices of a picture have together.
  std::size_t panel_bytes() const {
    if (line > 0) return groups * rounded_up((lines() * line + line_slices() - 1) / line_slices(), slice);
    return groups * rows * slice * (method == Method::product ? sizeof(std::int16_t) : 1);
  }
  // Lines of a group: a plane as the taps of each column of a kernel see it, in its copies.
  std::size_t lines() const { return planes_of_group() * starts.size(); }
  // Slices of a tile that see one picture, where there are lines.
  std::size_t line_slices() const { return std::min(most_slices, sums.area() / slice); }
  // Where a slice of a panel of a group begins.
  std::size_t slice_begin(std::size_t index) const {
    const std::size_t bytes = panel_bytes() / groups;
    if (line == 0) return index * bytes;
    return index / line_slices() * line_slices() * bytes + index % line_slices() * slice;
  }
  std::size_t planes_of_group() const { return field.planes / groups; }
  std::size_t first_plane(std::size_t group) const {
    return field.is_source && format == Format::bits ? group * inputs / 4 : group * planes_of_group();
  }
};

// Throws std::invalid_argument where sizes do not fit.
Term prepare(TermRecord record, const Map& source, Format format, const std::vector<std::uint8_t>& pad,
             const Kernels& kernels, Team& team);

}  // namespace firebit
