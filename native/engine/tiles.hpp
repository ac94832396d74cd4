// A layer tile by tile: from what its terms see to sums, and to bits.
#pragma once

#include <vector>

#include "engine/gather.hpp"
#include "engine/run.hpp"
#include "engine/sum.hpp"

namespace firebit {

// Pads what the terms see. Those of one picture follow those of the one before.
std::vector<Values>& fill_fields(const Work& work, std::size_t first, std::size_t pictures);

// Tiles of columns, and where there are few of them parts of the outputs.
struct Split {
  std::size_t columns, tile, tiles, parts, outputs;

  std::size_t tasks() const { return tiles * parts; }
  Tile at(std::size_t task) const {
    const std::size_t first = task / parts * tile;
    return {first, std::min(tile, columns - first)};
  }
  Outputs part(std::size_t task) const {
    const std::size_t size = rounded_up((outputs + parts - 1) / parts, table_outputs), first = task % parts * size;
    return {std::min(first, outputs), std::min(first + size, outputs)};
  }
};

Split split(const Work& work, std::size_t columns);

// The bits of all pictures of a layer that is tiled, as nibble planes, `stride` bytes from picture to picture.
void run_tiled(const Work& work, std::uint8_t* to, std::size_t stride);

}  // namespace firebit
