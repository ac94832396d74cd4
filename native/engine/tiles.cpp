#include "engine/tiles.hpp"

#include <algorithm>
#include <cstring>

#include "engine/winograd.hpp"

namespace firebit {

namespace {

// Where the fields of a term lie, all pictures of it; or the source itself.
Values fields_of(const Work& work, const Term& term, std::size_t offset) {
  if (term.field.is_source) return work.sources[term.source];
  return {work.space.fields.data() + offset, term.field.bytes()};
}

}  // namespace

std::vector<Values>& fill_fields(const Work& work, std::size_t first, std::size_t pictures) {
  std::vector<Values>& found = work.space.field_values;
  found.clear();
  std::size_t offset = 0;
  for (const Term& term : work.layer.terms) {
    Values fields = term.has_panel() ? fields_of(work, term, offset) : work.sources[term.source];
    const Values& source = work.sources[term.source];
    if (term.has_panel() && !term.field.is_source) {
      work.team.each(pictures * term.field.planes, [&](std::size_t task, std::size_t worker) {
        const std::size_t picture = task / term.field.planes;
        fill_field(term, source.data + (first + picture) * source.stride, task % term.field.planes,
                   work.space.fields.data() + offset + picture * term.field.bytes(),
                   work.space.scratch[worker].line.data());
      });
      offset += pictures * term.field.bytes();
    } else {
      fields.data += first * fields.stride;
    }
    found.push_back(fields);
  }
  return found;
}

Split split(const Work& work, std::size_t columns) {
  const std::size_t tile = work.layer.tile_slices() * slice, tiles = (columns + tile - 1) / tile;
  const bool whole = std::any_of(work.layer.terms.begin(), work.layer.terms.end(), [](const Term& t) { return t.groups > 1; });
  const std::size_t outputs = work.layer.terms[0].sums.channels, workers = work.team.size();
  const std::size_t parts = whole || tiles >= 2 * workers ? 1 : std::min(workers, (outputs + table_outputs - 1) / table_outputs);
  return {columns, tile, tiles, parts, outputs};
}

namespace {

// Nibbles of a tile, [quads][256], to the planes of their pictures.
void scatter(const Scratch& scratch, const Tile& tile, Outputs outputs, std::size_t area, std::uint8_t* to, std::size_t stride) {
  for (std::size_t done = 0; done < tile.columns;) {
    const std::size_t column = tile.first + done, place = column % area;
    const std::size_t length = std::min(area - place, tile.columns - done);
    std::uint8_t* picture = to + column / area * stride + place;
    for (std::size_t q = outputs.first / 4; q < quads(outputs.end); ++q) {
      std::memcpy(picture + q * area, scratch.nibbles.data() + q * tile_columns + done, length);
    }
    done += length;
  }
}

void look_up_tile(const Work& work, const Tile& tile, Outputs outputs, Scratch& scratch) {
  const Layer& layer = work.layer;
  const Term& term = layer.terms[0];
  const std::size_t group_bytes = term.panel_bytes() / term.groups * tile.slices();
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::size_t first = group * term.outputs / 4;
    const Outputs some = term.groups > 1 ? Outputs{0, term.outputs} : outputs;
    const std::size_t quad = first + some.first / 4;
    const std::size_t words = look_up_words(some.end - some.first);
    std::uint16_t* sums = scratch.look_up_sums.data();
    look_up(work.kernels, term, group, some, scratch.panel.data() + group * group_bytes, tile.slices(), sums);
    for (std::size_t s = 0; s < tile.slices(); ++s) {
      work.kernels.look_up_bits(sums + s * words, quads(some.end - some.first), layer.look_up_thresholds.data() + 4 * quad,
                                layer.look_up_flips.data() + quad, scratch.nibbles.data() + quad * tile_columns + s * slice,
                                tile_columns);
    }
  }
}

// Panels of all terms of a tile, then their sums, `stride` from output to output.
void sum_tile(const Work& work, const std::vector<Values>& fields, const Tile& tile, Outputs outputs, Scratch& scratch,
              std::int32_t* sums, std::size_t stride) {
  for (std::size_t i = 0; i < work.layer.terms.size(); ++i) {
    const Term& term = work.layer.terms[i];
    if (term.method == Method::shortcut) {
      add_shortcut(work.kernels, term, fields[i], tile, outputs, sums, stride);
      continue;
    }
    fill_panel(work.kernels, term, fields[i], tile, scratch.stretches.data(), scratch.panel.data());
    add_panel(work.kernels, term, tile, scratch.panel.data(), outputs, scratch, sums, stride, i == 0 && can_begin(term));
  }
}

void step_tile(const Work& work, const Tile& tile, Outputs outputs, Scratch& scratch) {
  const Layer& layer = work.layer;
  const std::size_t quad = outputs.first / 4;
  work.kernels.step({scratch.sums.data(), tile_columns, outputs.end - outputs.first, tile.columns,
                     layer.limits.data() + outputs.first, layer.flips.data() + quad,
                     scratch.nibbles.data() + quad * tile_columns, tile_columns});
}

}  // namespace

void run_tiled(const Work& work, std::uint8_t* to, std::size_t stride) {
  const std::vector<Values>& fields = fill_fields(work, 0, work.pictures);
  const std::size_t area = work.layer.fired.area();
  const Split tasks = split(work, work.pictures * area);
  work.team.each(tasks.tasks(), [&](std::size_t task, std::size_t worker) {
    const Tile tile = tasks.at(task);
    const Outputs outputs = tasks.part(task);
    if (outputs.first == outputs.end) return;
    Scratch& scratch = work.space.scratch[worker];
    if (work.layer.is_look_up) {
      fill_panel(work.kernels, work.layer.terms[0], fields[0], tile, scratch.stretches.data(), scratch.panel.data());
      look_up_tile(work, tile, outputs, scratch);
    } else if (work.layer.is_winograd) {
      fill_panel(work.kernels, work.layer.terms[0], fields[0], tile, scratch.stretches.data(), scratch.panel.data());
      step_winograd(work.kernels, work.layer, tile, scratch.panel.data(), outputs,
                    scratch.nibbles.data() + outputs.first / 4 * tile_columns, tile_columns);
    } else {
      if (!can_begin(work.layer.terms[0])) {
        std::memset(scratch.sums.data(), 0, (outputs.end - outputs.first) * tile_columns * sizeof(std::int32_t));
      }
      sum_tile(work, fields, tile, outputs, scratch, scratch.sums.data(), tile_columns);
      step_tile(work, tile, outputs, scratch);
    }
    scatter(scratch, tile, outputs, area, to, stride);
  });
}

}  // namespace firebit
