#include "engine/gather.hpp"

#include <algorithm>
#include <cstring>

#include "engine/lines.hpp"
#include "engine/winograd.hpp"

namespace firebit {

namespace {

// Four channels from any channel on, as nibbles; those behind the last of their group are 0. `plane` counts the nibbles
// of all groups.
void take_nibbles(const Term& term, const std::uint8_t* values, std::size_t plane, std::size_t row, std::uint8_t* line) {
  const std::size_t of_group = quads(term.inputs), in_group = plane % of_group * 4;
  const std::size_t channel = plane / of_group * term.inputs + in_group;
  const std::size_t width = term.in.width, area = term.in.area();
  const std::size_t used = std::min<std::size_t>(4, term.inputs - in_group);
  const unsigned shift = channel % 4, mask = (1u << used) - 1;
  const std::uint8_t* low = values + channel / 4 * area + row * width;
  if (shift == 0 && used == 4) {
    std::memcpy(line, low, width);
    return;
  }
  const std::uint8_t* high = shift + used > 4 ? low + area : low;
  for (std::size_t x = 0; x < width; ++x) line[x] = static_cast<std::uint8_t>((low[x] >> shift | high[x] << (4 - shift)) & mask);
}

// Eight channels as bytes. `line` has room for two rows.
void take_bytes(const Term& term, const std::uint8_t* values, std::size_t plane, std::size_t row, std::uint8_t* line) {
  const std::size_t of_group = quads(term.inputs), bytes = term.planes_of_group();
  const std::size_t low = plane / bytes * of_group + plane % bytes * 2;
  take_nibbles(term, values, low, row, line);
  if (plane % bytes * 2 + 1 == of_group) return;
  std::uint8_t* high = line + term.in.width;
  take_nibbles(term, values, low + 1, row, high);
  for (std::size_t x = 0; x < term.in.width; ++x) line[x] = static_cast<std::uint8_t>(line[x] | high[x] << 4);
}

// Puts a row among its padding, columns of one phase side by side.
void spread(const Term& term, const std::uint8_t* line, std::uint8_t* to) {
  const Field& field = term.field;
  const std::size_t left = term.padding[2], plane = field.height * field.width;
  if (field.phases == 1) {
    std::memcpy(to + left, line, term.in.width);
    return;
  }
  for (std::size_t phase = 0; phase < field.phases; ++phase) {
    // The first column of the map that has this phase, and where it goes.
    std::size_t place = left / field.phases + (phase < left % field.phases ? 1 : 0);
    std::uint8_t* row = to + phase * plane;
    for (std::size_t x = place * field.phases + phase - left; x < term.in.width; x += field.phases) row[place++] = line[x];
  }
}

// What tells the tables of four groups apart: 16 j in byte j.
constexpr std::uint32_t wide_marks = 0x30201000u;

// Bits whose nibbles are lined up already, row by row.
bool is_aligned(const Term& term) { return term.format == Format::bytes || (term.groups == 1 || term.inputs % 4 == 0); }

std::size_t stretches_of(const Term& term, const Tile& tile, std::size_t stride, Stretch* out) {
  const std::size_t area = term.sums.area(), field_width = term.field.width;
  // Rows without a gap between them are one row.
  const bool joined = term.stride[0] == 1 && field_width == term.sums.width;
  const std::size_t width = joined ? area : term.sums.width;
  std::size_t count = 0;
  for (std::size_t done = 0; done < tile.columns;) {
    const std::size_t column = tile.first + done, place = column % area;
    const std::size_t x = place % width, y = place / width;
    const std::size_t length = std::min({width - x, slice - done % slice, tile.columns - done});
    const std::size_t source = column / area * stride + y * term.stride[0] * field_width + x;
    out[count++] = {static_cast<std::uint32_t>(done / slice), static_cast<std::uint32_t>(done % slice),
                    static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(source)};
    done += length;
  }
  return count;
}

}  // namespace

void fill_field(const Term& term, const std::uint8_t* values, std::size_t plane, std::uint8_t* field,
                std::uint8_t* line) {
  std::uint8_t* to = field + plane * term.field.plane();
  std::memset(to, term.pad.empty() ? 0 : term.pad[plane], term.field.plane());
  to += term.padding[0] * term.field.width;
  const bool aligned = is_aligned(term);
  for (std::size_t row = 0; row < term.in.height; ++row, to += term.field.width) {
    const std::uint8_t* from = values + plane * term.in.area() + row * term.in.width;
    if (term.method == Method::popcount) {
      take_bytes(term, values, plane, row, line);
      from = line;
    } else if (!aligned) {
      take_nibbles(term, values, plane, row, line);
      from = line;
    }
    spread(term, from, to);
  }
}

void fill_panel(const Kernels& kernels, const Term& term, const Values& fields, const Tile& tile, Stretch* stretches,
                std::uint8_t* panel) {
  if (term.method == Method::winograd) return fill_winograd(kernels, term, fields, tile, panel);
  if (term.line > 0) return fill_lines(kernels, term, fields, tile, panel);
  const std::size_t count = stretches_of(term, tile, fields.stride, stretches);
  const Filling filling{stretches, count, tile.slices(), tile.last_columns(), term.taps.data(), term.rows};
  const std::size_t bytes = term.panel_bytes() / term.groups * tile.slices();
  for (std::size_t group = 0; group < term.groups; ++group, panel += bytes) {
    const std::uint8_t* source = fields.data + term.first_plane(group) * term.field.plane();
    if (term.method == Method::product) {
      kernels.fill_pairs(filling, source, reinterpret_cast<std::int16_t*>(panel));
    } else if (term.has_quads()) {
      kernels.fill_quads(filling, source, term.method == Method::wide ? wide_marks : 0, panel);
    } else {
      kernels.fill_bytes(filling, source, panel);
    }
  }
}

namespace {

// Which bits of every segment are set: how many, [segments], then their rows, [segments][row_segment].
void fill_rows(const Term& term, const std::uint8_t* nibbles, std::size_t count, std::uint16_t* to) {
  constexpr std::size_t together = row_segment / 4;
  std::uint16_t* rows = to + term.row_segments();
  for (std::size_t segment = 0; segment < term.row_segments(); ++segment, rows += row_segment) {
    std::size_t found = 0;
    for (std::size_t i = segment * together; i < std::min(count, (segment + 1) * together); ++i) {
      // Every bit is written, and counts only where it is set; the last place is never beyond the segment.
      for (unsigned bit = 0; bit < 4; ++bit) {
        rows[found] = static_cast<std::uint16_t>(4 * (i % together) + bit);
        found += nibbles[i] >> bit & 1;
      }
    }
    to[segment] = static_cast<std::uint16_t>(found);
  }
}

}  // namespace

void fill_flat(const Term& term, const std::uint8_t* values, std::int16_t* flat) {
  const std::size_t count = term.format == Format::bits ? quads(term.inputs) * term.in.area() : term.in.size();
  if (term.format == Format::bytes) {
    std::copy(values, values + count, flat);
  } else if (term.matrices[0].signs.size() > 0) {
    auto* to = reinterpret_cast<std::uint8_t*>(flat);
    std::memset(to, 0, term.length / 8);
    for (std::size_t i = 0; i < count; ++i) to[i / 2] = static_cast<std::uint8_t>(to[i / 2] | values[i] << 4 * (i % 2));
  } else if (term.matrices[0].narrow.size() > 0) {
    fill_rows(term, values, count, reinterpret_cast<std::uint16_t*>(flat));
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      for (unsigned bit = 0; bit < 4; ++bit) flat[4 * i + bit] = static_cast<std::int16_t>(values[i] >> bit & 1);
    }
  }
}

}  // namespace firebit
