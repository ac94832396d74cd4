// Panels of lines, for look-ups of maps as wide as their sources, whose tiles are whole rows of one picture. What taps of one
// column of a kernel see of a plane are the same rows, some rows apart: they share a line of them, [planes][columns of the
// kernel][rows][width], where a panel of rows has a copy for each. Lines are made from the source as it is, without padding.
#pragma once

#include "engine/gather.hpp"
#include "engine/term.hpp"

namespace firebit {

// Whether a term, alone in its layer, can be computed so.
bool fits_lines(const Term& term);

// Its weights' offsets are in a panel of rows until then.
void set_lines(Term& term);

// Where the lines of the first group of a block begin in a panel.
std::size_t block_begin(const Term& term, std::size_t first);

void fill_lines(const Kernels& kernels, const Term& term, const Values& source, const Tile& tile, std::uint8_t* panel);

}  // namespace firebit
