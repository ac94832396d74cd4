// A layer made ready to run, and the memory it runs in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/record.hpp"
#include "engine/team.hpp"
#include "engine/term.hpp"
#include "kernels.hpp"

namespace firebit {

constexpr std::size_t tile_columns = most_slices * slice;

struct Layer {
  std::vector<Term> terms;
  Map units;                 // of its sums, pooled: one step or one logit each
  Map fired;                 // of its bits before any pooling of them: `units`, but where max pooling may wait
  Map out;                   // of its values
  Format format = Format::bits;
  bool is_logits = false;

  // One row of limits for every class of window: bit = (sum > limit) xor flip.
  std::size_t rows = 1;
  std::vector<std::int32_t> limits;          // [rows][channels]
  std::vector<std::uint8_t> flips;           // per four channels
  std::vector<std::int32_t> place_limits;    // [channels][area], where there are several rows
  std::vector<std::uint16_t> look_up_thresholds;  // of a layer that is one look-up: per output, four at a time
  std::vector<std::uint8_t> look_up_flips;
  std::vector<std::int32_t> winograd_limits;      // of a layer that is one Winograd convolution

  std::optional<Pool> before;  // max pooling of sums, done on bits
  std::vector<std::uint8_t> before_flips;
  std::optional<Pool> post;

  double scale = 1;
  std::vector<double> bias;

  bool is_tiled = false;     // tile by tile from sums to bits
  bool is_look_up = false;   // of one look-up, compared as it is
  bool is_winograd = false;  // of one Winograd convolution, likewise
  bool is_dot = false;       // of dots only

  std::size_t value_bytes() const;
  std::size_t tile_slices() const;  // of a panel that are used together
};

// What a worker writes to on its own.
struct Scratch {
  Buffer<std::uint8_t> panel;
  Buffer<std::uint16_t> look_up_sums;  // [slices][outputs][64]
  Buffer<std::int32_t> tables;
  Buffer<std::int32_t> sums;           // [outputs][256]
  Buffer<std::uint8_t> nibbles;        // [quads][256]
  Buffer<std::uint8_t> line;           // a row of a map, of bytes or sums
  Buffer<Stretch> stretches;
};

// Where the values of the first picture lie, and how many bytes behind those of the next.
struct Values {
  const std::uint8_t* data = nullptr;
  std::size_t stride = 0;
};

// Memory of one run: values of all layers, and what comes in between.
struct Workspace {
  Buffer<std::uint8_t> values;        // of the layers, at their offsets
  Buffer<std::uint8_t> fired, units;  // bits before max pooling, and before pooling behind the step
  Buffer<std::uint8_t> fields;        // padded planes of all terms of a layer
  Buffer<std::int32_t> raw, total;    // sums of a whole map, before and after pooling
  Buffer<std::int16_t> flat;          // what a dot sees
  std::vector<Scratch> scratch;       // per worker
  std::vector<Values> sources;        // of the pass: the input, then the layers
  std::vector<Values> field_values;   // of the terms of a layer
};

// Throws std::invalid_argument where the record does not fit its sources. The team puts many weights in order.
Layer prepare(LayerRecord record, const std::vector<Map>& maps, const std::vector<Format>& formats,
              const std::vector<std::uint8_t>& pad, const Kernels& kernels, Team& team);

}  // namespace firebit
