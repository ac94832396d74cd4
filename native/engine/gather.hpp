// From the values of a source to what kernels read: padded planes, panels of tiles, flat vectors.
#pragma once

#include "engine/layer.hpp"

namespace firebit {

// Columns of a tile, counted over all pictures of a pass.
struct Tile {
  std::size_t first, columns;

  std::size_t slices() const { return (columns + slice - 1) / slice; }
  std::size_t last_columns() const { return columns - (slices() - 1) * slice; }
};

// Fills plane `plane` of the field of a term of one picture. `line` has room for two rows of the source.
void fill_field(const Term& term, const std::uint8_t* values, std::size_t plane, std::uint8_t* field,
                std::uint8_t* line);

// Fills the panels of a tile, group by group: [groups][slices][rows][64]. `fields` are the fields of all pictures.
void fill_panel(const Kernels& kernels, const Term& term, const Values& fields, const Tile& tile, Stretch* stretches,
                std::uint8_t* panel);

// Values of a source in the order of a dot's weights: bits for signs, rows that are set for narrow
// weights, int16 for wide ones; `flat` has room for flat_size of them.
void fill_flat(const Term& term, const std::uint8_t* values, std::int16_t* flat);

}  // namespace firebit
