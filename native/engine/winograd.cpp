#include "engine/winograd.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <vector>

#include "engine/weights.hpp"

namespace firebit {

namespace {

// H: powers of the points, each row times what leaves to the products the factors of generic/winograd.hpp. The first and
// the last row add 16 times what they are to 16 times a sum; 4 is in the values already.
constexpr int points[winograd_points][winograd_taps] = {
    {4, 0, 0, 0, 0},   {5, 5, 5, 5, 5},    {5, -5, 5, -5, 5},   {1, 2, 4, 8, 16},
    {1, -2, 4, -8, 16}, {16, 8, 4, 2, 1}, {16, -8, 4, -2, 1}, {0, 0, 0, 0, 4},
};

// Sums are known modulo 2²⁸.
constexpr std::int64_t largest_sum = (std::int64_t{1} << 27) - 1;

int at_point(const std::int16_t* row, std::size_t point) {
  int found = 0;
  for (std::size_t x = 0; x < winograd_taps; ++x) found += points[point][x] * row[x];
  return found;
}

std::size_t tiles_of(const Term& term) { return term.sums.width / winograd_places; }

// Rows of the source that tiles see which begin anywhere in a row.
std::size_t rows_of(const Term& term, std::size_t first_tile, std::size_t tiles) {
  return (first_tile + tiles - 1) / tiles_of(term) + term.kernel[0];
}

std::size_t most_cells(const Term& term) {
  return rows_of(term, tiles_of(term) - 1, most_slices * winograd_tiles) * tiles_of(term);
}

// Bytes from plane to plane of a panel, and from point to point.
std::size_t planes_of(const Term& term) { return (term.inputs + 1) / 2; }
std::size_t plane_bytes(const Term& term) { return rounded_up(most_cells(term) * 2 * sizeof(std::int16_t), 64); }
std::size_t point_bytes(const Term& term) { return planes_of(term) * plane_bytes(term); }

// Two rows of weights that are multiplied together: of two channels, or two of the last. The second row may lie outside.
struct Pair {
  std::size_t plane, row, channels[2], rows[2];
};

std::vector<Pair> pairs_of(const Term& term) {
  std::vector<Pair> found;
  for (std::size_t plane = 0; plane < planes_of(term); ++plane) {
    const std::size_t channel = 2 * plane;
    const bool two = channel + 1 < term.inputs;
    for (std::size_t y = 0; y < term.kernel[0]; y += two ? 1 : 2) {
      found.push_back({plane, y, {channel, two ? channel + 1 : channel}, {y, two ? y : y + 1}});
    }
  }
  return found;
}

// Slices of a tile that see one picture, from one on.
struct Stay {
  std::size_t slices;
  std::size_t picture, cell;  // tiles of four places before the first of these slices, counted in the picture

  Stay(const Term& term, const Tile& tile, std::size_t from) {
    const std::size_t column = tile.first + from * slice, area = term.sums.area();
    picture = column / area;
    cell = column % area / winograd_places;
    slices = std::min((area - column % area) / slice, tile.slices() - from);
  }
};

// Calls a kernel for all slices that see one picture together.
template <class Kernel>
void each_stay(const Term& term, const Tile& tile, const std::uint8_t* panel, Outputs outputs, const Kernel& kernel) {
  const std::size_t pairs = term.taps.size();
  const std::int16_t* weights = term.matrices[0].wide.data() + outputs.first / 4 * winograd_points * pairs * 8;
  for (std::size_t s = 0; s < tile.slices();) {
    const Stay stay(term, tile, s);
    const std::uint8_t* seen = panel + s * term.panel_bytes() + stay.cell % tiles_of(term) * 2 * sizeof(std::int16_t);
    kernel(Winograd{weights, pairs, term.taps.data(), quads(outputs.end - outputs.first), stay.slices, seen, point_bytes(term)},
           s * slice);
    s += stay.slices;
  }
}

}  // namespace

bool fits_winograd(const Term& term, const Weights& weights) {
  constexpr std::size_t most_inputs = 8, most_width = 64, most_rows = 16;
  const bool plain = term.groups == 1 && term.kernel[1] == winograd_taps && term.stride[0] == 1 && term.stride[1] == 1 &&
                     term.dilation[0] == 1 && term.dilation[1] == 1;
  const bool whole = term.sums.width % winograd_places == 0 && term.sums.width <= most_width && term.sums.area() % slice == 0;
  if (!plain || !whole || term.inputs > most_inputs || term.kernel[0] > most_rows) return false;
  const std::size_t length = per_group(term);
  for (const std::int16_t* output = weights.begin(); output != weights.end(); output += length) {
    std::int64_t most = 0;
    for (std::size_t i = 0; i < length; ++i) most += 255 * std::abs(int{output[i]});
    if (most > largest_sum) return false;
  }
  for (const std::int16_t* row = weights.begin(); row != weights.end(); row += winograd_taps) {
    for (std::size_t point = 0; point < winograd_points; ++point) {
      if (std::abs(at_point(row, point)) > std::numeric_limits<std::int16_t>::max()) return false;
    }
  }
  return true;
}

void set_winograd_panel(Term& term) {
  for (const Pair& pair : pairs_of(term)) {
    const std::size_t place = pair.plane * plane_bytes(term) + pair.row * tiles_of(term) * 2 * sizeof(std::int16_t);
    term.taps.push_back(static_cast<std::uint32_t>(place));
  }
  term.rows = (winograd_points * point_bytes(term) + slice - 1) / slice;
}

Matrix winograd_matrix(const Term& term, const std::int16_t* weights) {
  const std::vector<Pair> pairs = pairs_of(term);
  Matrix matrix;
  matrix.wide = Buffer<std::int16_t>(quads(term.outputs) * winograd_points * pairs.size() * 8);
  for (std::size_t i = 0; i < matrix.wide.size(); ++i) {
    const Pair& pair = pairs[i / 8 % pairs.size()];
    const std::size_t o = i / 8 / pairs.size() / winograd_points * 4 + i / 2 % 4, y = pair.rows[i % 2];
    if (o >= term.outputs || y >= term.kernel[0]) continue;
    const std::size_t row = (o * term.inputs + pair.channels[i % 2]) * term.kernel[0] + y;
    const std::size_t point = i / 8 / pairs.size() % winograd_points;
    matrix.wide[i] = static_cast<std::int16_t>(at_point(weights + row * winograd_taps, point));
  }
  return matrix;
}

void fill_winograd(const Kernels& kernels, const Term& term, const Values& fields, const Tile& tile, std::uint8_t* panel) {
  for (std::size_t s = 0; s < tile.slices();) {
    const Stay stay(term, tile, s);
    const std::size_t row = stay.cell / tiles_of(term), rows = rows_of(term, stay.cell % tiles_of(term), stay.slices * winograd_tiles);
    for (std::size_t plane = 0; plane < planes_of(term); ++plane) {
      const std::uint8_t* source = fields.data + stay.picture * fields.stride + 2 * plane * term.field.plane() + row * term.field.width;
      const std::uint8_t* second = 2 * plane + 1 < term.inputs ? source + term.field.plane() : nullptr;
      std::uint8_t* to = panel + s * term.panel_bytes() + plane * plane_bytes(term);
      kernels.transform({source, second, term.field.width, rows, tiles_of(term), reinterpret_cast<std::int16_t*>(to),
                         point_bytes(term) / sizeof(std::int16_t)});
    }
    s += stay.slices;
  }
}

void add_winograd(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
                  std::int32_t* sums, std::size_t stride, bool begins) {
  each_stay(term, tile, panel, outputs, [&](const Winograd& winograd, std::size_t column) {
    kernels.winograd(winograd, {sums + column, stride, begins});
  });
}

void step_winograd(const Kernels& kernels, const Layer& layer, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
                   std::uint8_t* nibbles, std::size_t stride) {
  each_stay(layer.terms[0], tile, panel, outputs, [&](const Winograd& winograd, std::size_t column) {
    kernels.winograd_bits(winograd, {layer.winograd_limits.data() + outputs.first, layer.flips.data() + outputs.first / 4,
                                     nibbles + column, stride});
  });
}

std::vector<std::int32_t> winograd_limits(const std::vector<std::int32_t>& limits) {
  std::vector<std::int32_t> found;
  for (std::int32_t limit : limits) {
    const std::int64_t least = std::numeric_limits<std::int32_t>::min(), most = std::numeric_limits<std::int32_t>::max();
    found.push_back(static_cast<std::int32_t>(std::clamp(16 * std::int64_t{limit}, least, most)));
  }
  // Outputs come in fours.
  found.resize(4 * quads(found.size()));
  return found;
}

}  // namespace firebit
