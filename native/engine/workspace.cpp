#include <algorithm>
#include <utility>

#include "engine/pooling.hpp"
#include "engine/run.hpp"
#include "engine/sum.hpp"

namespace firebit {

std::size_t map_stride(const Map& map, bool has_panel) { return has_panel ? rounded_up(map.area(), slice) : map.area(); }

std::size_t total_stride(const Layer& layer) {
  const auto writes = [](const Term& term) { return term.has_panel() && !term.pool; };
  return map_stride(layer.units, std::any_of(layer.terms.begin(), layer.terms.end(), writes));
}

void Needs::include(const Layer& layer, std::size_t pictures) {
  const auto grow = [](std::size_t& size, std::size_t to) { size = std::max(size, to); };
  const std::size_t slices = layer.tile_slices(), channels = layer.units.channels;
  if (layer.before) grow(fired, pictures * quads(channels) * layer.fired.area());
  if (layer.post) grow(units, pictures * quads(channels) * layer.units.area());
  grow(line, std::max(layer.fired.width, layer.units.width) * sizeof(std::int32_t));
  if (layer.post) grow(line, pool_line(layer.units.width, *layer.post));
  grow(total, std::max((channels + 4) * total_stride(layer), layer.is_dot ? pictures * 4 * quads(channels) : 0));
  // Groups of one output write as many rows as fill up four behind the last.
  grow(sums, (rounded_up(channels, table_outputs) + 4) * tile_columns);
  grow(nibbles, quads(channels) * tile_columns);
  std::size_t padded = 0;
  for (const Term& term : layer.terms) {
    grow(line, std::max(term.in.width, term.sums.width) * sizeof(std::int32_t));
    if (term.method == Method::dot) grow(flat, pictures * term.flat_size());
    if (term.pool) grow(line, pool_line(term.sums.width, *term.pool) * sizeof(std::int32_t));
    if (term.pool) grow(raw, (term.sums.channels + 4) * map_stride(term.sums, term.has_panel()));
    if (!term.has_panel()) continue;
    padded += pictures * term.field.bytes();
    grow(panel, slices * term.panel_bytes());
    grow(look_up_sums, slices * look_up_words(term.outputs));
    if (term.method == Method::tabled) grow(tables, table_scratch(slices));
  }
  grow(fields, padded);
}

Workspace Needs::workspace(std::size_t workers) const {
  Workspace space;
  space.fired = Buffer<std::uint8_t>(fired);
  space.units = Buffer<std::uint8_t>(units);
  space.fields = Buffer<std::uint8_t>(fields);
  space.raw = Buffer<std::int32_t>(raw);
  space.total = Buffer<std::int32_t>(total);
  space.flat = Buffer<std::int16_t>(flat);
  for (std::size_t i = 0; i < workers; ++i) {
    Scratch scratch;
    scratch.panel = Buffer<std::uint8_t>(panel);
    scratch.look_up_sums = Buffer<std::uint16_t>(look_up_sums);
    scratch.tables = Buffer<std::int32_t>(tables);
    scratch.sums = Buffer<std::int32_t>(sums);
    scratch.nibbles = Buffer<std::uint8_t>(nibbles);
    scratch.line = Buffer<std::uint8_t>(line);
    scratch.stretches = Buffer<Stretch>(tile_columns);
    space.scratch.push_back(std::move(scratch));
  }
  return space;
}

}  // namespace firebit
