// The sums of terms: of a tile by their kernels, of a whole map cell by cell.
#pragma once

#include "engine/gather.hpp"
#include "engine/layer.hpp"

namespace firebit {

// Outputs from `first` up to `end`; of a term with groups all of them.
struct Outputs {
  std::size_t first, end;
};

// Whether add_panel can begin with the sums of a term, whatever was there.
bool can_begin(const Term& term);

// sums[o * stride + column] grow by a term's sums over a tile, or begin with them; o counts from 0. Whole slices of
// columns are written, and of rows as many as fill up four behind the last. `panel` is that of the tile.
void add_panel(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
               Scratch& scratch, std::int32_t* sums, std::size_t stride, bool begins);

// The same of a shortcut, from the values of all pictures.
void add_shortcut(const Kernels& kernels, const Term& term, const Values& values, const Tile& tile, Outputs outputs,
                  std::int32_t* sums, std::size_t stride);

// Sums of output `output` over the whole map of a picture, cell by cell.
void add_scalar(const Term& term, const std::uint8_t* values, std::size_t output, std::int32_t* sums);

// Words that the look-up sums of a slice take.
std::size_t look_up_words(std::size_t outputs);

// Look-up sums of the slices of a panel of a group, as the kernels keep them, `look_up_words` from slice to slice.
void look_up(const Kernels& kernels, const Term& term, std::size_t group, Outputs outputs, const std::uint8_t* panel,
             std::size_t slices, std::uint16_t* sums);

}  // namespace firebit
