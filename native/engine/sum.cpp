#include "engine/sum.hpp"

#include <algorithm>
#include <cstring>

#include "engine/weights.hpp"
#include "engine/lines.hpp"
#include "engine/winograd.hpp"

namespace firebit {

namespace {

// One value of a source as an integer.
std::int32_t value_at(Format format, const std::uint8_t* values, std::size_t area, std::size_t channel,
                      std::size_t place) {
  switch (format) {
    case Format::bits: return values[channel / 4 * area + place] >> channel % 4 & 1;
    case Format::bytes: return values[channel * area + place];
    default: {
      std::int32_t value;
      std::memcpy(&value, values + (channel * area + place) * sizeof value, sizeof value);
      return value;
    }
  }
}

struct Group {
  std::size_t index, first, end;  // outputs of the group, counted within it
};

// Outputs whose tables of a block stay in the second cache while all slices of a tile look them up.
constexpr std::size_t look_up_outputs = 64;

// Groups of a block, for some outputs of it.
struct Part {
  std::size_t row, groups, first, outputs, place;
};

void look_up_part(const Kernels& kernels, const Term& term, const Matrix& matrix, const Part& part, const std::uint8_t* panel,
                  std::size_t slices, std::uint16_t* sums, std::size_t words) {
  const std::uint8_t* block = panel + (term.line > 0 ? block_begin(term, part.row) : part.row * slice);
  for (std::size_t s = 0; s < slices; s += most_together) {
    const std::size_t begin = term.slice_begin(s), second = term.slice_begin(s + 1) - begin, some = std::min(most_together, slices - s);
    std::uint16_t* to = sums + s * words + part.first * slice;
    if (matrix.codes.size() > 0) {
      kernels.look_up_signs({matrix.codes.data() + part.place / 2, part.groups, part.outputs, block + begin, second, to, words, some, part.row == 0});
    } else {
      kernels.look_up({matrix.tables.data() + part.place * 16, matrix.offsets.data() + part.place, part.groups, part.outputs,
                       matrix.chunk, block + begin, second, to, words, some, part.row == 0});
    }
  }
}

void add_look_up(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Group group,
                 Scratch& scratch, std::int32_t* sums, std::size_t stride, bool begins) {
  const std::size_t outputs = group.end - group.first, words = look_up_words(outputs);
  look_up(kernels, term, group.index, {group.first, group.end}, panel, tile.slices(), scratch.look_up_sums.data());
  for (std::size_t s = 0; s < tile.slices(); ++s) {
    kernels.look_up_sums(scratch.look_up_sums.data() + s * words, outputs, term.matrices[group.index].bases.data() + group.first,
                         sums + s * slice, stride, begins);
  }
}

void add_tabled(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Group group,
                Scratch& scratch, std::int32_t* sums, std::size_t stride) {
  for (std::size_t o = group.first; o < group.end; o += table_outputs) {
    const std::int16_t* weights = term.matrices[group.index].wide.data() + o * term.rows * 4;
    kernels.sum_tables({weights, term.rows, std::min(table_outputs, group.end - o), panel, term.rows * slice,
                        tile.slices(), scratch.tables.data(), sums + (o - group.first) * stride, stride});
  }
}

// Every table is read once for all slices of the tile.
void add_quads(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Group group,
               std::int32_t* sums, std::size_t stride, bool begins) {
  static const std::int32_t nothing[4] = {};
  const Quads& of = term.matrices[group.index].quads;
  const std::size_t every = term.rows / 4, all = quads(term.outputs);
  const auto kernel = term.method == Method::bytes  ? kernels.multiply_bytes
                      : term.method == Method::wide ? kernels.look_up_wide
                                                    : kernels.count_ones;
  for (std::size_t first = 0, block = 0; first < every; first += of.block, ++block) {
    const std::size_t groups = std::min(of.block, every - first);
    for (std::size_t q = group.first / 4; q < quads(group.end); ++q) {
      const std::uint8_t* weights = of.weights.data() + of.starts[block * all + q];
      const std::int32_t* bases = block == 0 ? of.bases.data() + 4 * q : nothing;
      std::int32_t* to = sums + (4 * q - group.first) * stride;
      for (std::size_t s = 0; s < tile.slices(); ++s) {
        const std::uint8_t* seen = panel + (s * term.rows + first * 4) * slice;
        kernel({weights, groups, of.passes[q], of.chunks[q], seen, bases, to + s * slice, stride, begins && block == 0});
      }
    }
  }
}

void add_product(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Group group,
                 std::int32_t* sums, std::size_t stride, bool begins) {
  const std::size_t pairs = term.rows / 2;
  const std::int16_t* weights = term.matrices[group.index].wide.data() + group.first * pairs * 2;
  for (std::size_t s = 0; s < tile.slices(); ++s) {
    const auto* seen = reinterpret_cast<const std::int16_t*>(panel) + s * pairs * slice * 2;
    kernels.multiply({weights, pairs, quads(group.end - group.first), seen, sums + s * slice, stride, begins});
  }
}

}  // namespace

std::size_t look_up_words(std::size_t outputs) { return 4 * quads(outputs) * slice; }

void look_up(const Kernels& kernels, const Term& term, std::size_t group, Outputs outputs, const std::uint8_t* panel,
             std::size_t slices, std::uint16_t* sums) {
  const Matrix& matrix = term.matrices[group];
  const std::size_t all = 4 * quads(term.outputs), some = 4 * quads(outputs.end - outputs.first);
  const std::size_t block = lookup_block_of(matrix.chunk);
  for (std::size_t row = 0; row < term.rows; row += block) {
    const std::size_t groups = matrix.chunks_of(std::min(block, term.rows - row)), begin = row * all + outputs.first * groups;
    for (std::size_t first = 0; first < some; first += look_up_outputs) {
      const Part part{row, groups, first, std::min(look_up_outputs, some - first), begin + first * groups};
      look_up_part(kernels, term, matrix, part, panel, slices, sums, look_up_words(some));
    }
  }
}

// What is written behind the last output of a group is that of the next.
bool can_begin(const Term& term) {
  return term.has_panel() && term.method != Method::tabled && (term.groups == 1 || term.outputs % 4 == 0);
}

void add_panel(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
               Scratch& scratch, std::int32_t* sums, std::size_t stride, bool begins) {
  const std::size_t bytes = term.panel_bytes() / term.groups * tile.slices();
  for (std::size_t g = 0; g < term.groups; ++g, panel += bytes) {
    const bool all = term.groups > 1;
    const Group group{g, all ? 0 : outputs.first, all ? term.outputs : outputs.end};
    std::int32_t* to = sums + g * term.outputs * stride;
    switch (term.method) {
      case Method::lookup: add_look_up(kernels, term, tile, panel, group, scratch, to, stride, begins); break;
      case Method::tabled: add_tabled(kernels, term, tile, panel, group, scratch, to, stride); break;
      case Method::wide:
      case Method::popcount:
      case Method::bytes: add_quads(kernels, term, tile, panel, group, to, stride, begins); break;
      case Method::winograd: add_winograd(kernels, term, tile, panel, {group.first, group.end}, to, stride, begins); break;
      default: add_product(kernels, term, tile, panel, group, to, stride, begins); break;
    }
  }
}

void add_shortcut(const Kernels& kernels, const Term& term, const Values& values, const Tile& tile, Outputs outputs,
                  std::int32_t* sums, std::size_t stride) {
  const std::size_t area = term.in.area();
  for (std::size_t done = 0; done < tile.columns;) {
    // Columns of one picture.
    const std::size_t column = tile.first + done, place = column % area;
    const std::size_t length = std::min(area - place, tile.columns - done);
    const std::uint8_t* picture = values.data + column / area * values.stride;
    for (std::size_t o = outputs.first; o < outputs.end; ++o) {
      std::int32_t* to = sums + (o - outputs.first) * stride + done;
      if (term.format == Format::bits) {
        kernels.add_bits(picture + o / 4 * area + place, o % 4, term.coefficients[o], length, to);
        continue;
      }
      for (std::size_t i = 0; i < length; ++i) {
        to[i] += term.coefficients[o] * value_at(term.format, picture, area, o, place + i);
      }
    }
    done += length;
  }
}

void add_scalar(const Term& term, const std::uint8_t* values, std::size_t output, std::int32_t* sums) {
  const std::size_t area = term.in.area(), taps = term.kernel[0] * term.kernel[1];
  const std::size_t first = output / term.outputs * term.inputs;
  const std::int16_t* weights = term.weights.data() + output * term.inputs * taps;
  for (std::size_t place = 0; place < term.sums.area(); ++place) {
    const std::size_t top = place / term.sums.width * term.stride[0], left = place % term.sums.width * term.stride[1];
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < term.inputs * taps; ++k) {
      const std::size_t channel = first + k / taps;
      const std::size_t y = top + k % taps / term.kernel[1] * term.dilation[0];
      const std::size_t x = left + k % taps % term.kernel[1] * term.dilation[1];
      const bool inside = y >= term.padding[0] && y < term.padding[0] + term.in.height && x >= term.padding[2] &&
                          x < term.padding[2] + term.in.width;
      std::int32_t value = term.pad.empty() ? 0 : term.pad[channel];
      if (inside) {
        value = value_at(term.format, values, area, channel, (y - term.padding[0]) * term.in.width + x - term.padding[2]);
      }
      sum += weights[k] * value;
    }
    sums[place] += sum;
  }
}

}  // namespace firebit
