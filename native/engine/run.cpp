#include "engine/run.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/gather.hpp"
#include "engine/pooling.hpp"
#include "engine/sum.hpp"

namespace firebit {

namespace {

// Where the fields of a term lie, all pictures of it; or the source itself.
Values fields_of(const Work& work, const Term& term, std::size_t offset) {
  if (term.field.is_source) return work.sources[term.source];
  return {work.space.fields.data() + offset, term.field.bytes()};
}

// Pads what the terms see. Those of one picture follow those of the one before.
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

Split split(const Work& work, std::size_t columns) {
  const std::size_t tile = work.layer.tile_slices() * slice, tiles = (columns + tile - 1) / tile;
  const bool whole = std::any_of(work.layer.terms.begin(), work.layer.terms.end(), [](const Term& t) { return t.groups > 1; });
  const std::size_t outputs = work.layer.terms[0].sums.channels, workers = work.team.size();
  const std::size_t parts = whole || tiles >= 2 * workers ? 1 : std::min(workers, (outputs + table_outputs - 1) / table_outputs);
  return {columns, tile, tiles, parts, outputs};
}

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
  const std::size_t slice_bytes = term.rows * slice;
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::size_t first = group * term.outputs / 4;
    const Outputs some = term.groups > 1 ? Outputs{0, term.outputs} : outputs;
    const std::size_t quad = first + some.first / 4;
    for (std::size_t s = 0; s < tile.slices(); ++s) {
      const std::uint8_t* panel = scratch.panel.data() + (group * tile.slices() + s) * slice_bytes;
      look_up_slice(work.kernels, term, group, some, panel, scratch.look_up_sums.data());
      work.kernels.look_up_bits(scratch.look_up_sums.data(), quads(some.end - some.first),
                                layer.look_up_thresholds.data() + 4 * quad, layer.look_up_flips.data() + quad,
                                scratch.nibbles.data() + quad * tile_columns + s * slice, tile_columns);
    }
  }
}

// Panels of all terms of a tile, then their sums, `stride` from output to output.
void sum_tile(const Work& work, const std::vector<Values>& fields, const Tile& tile, Outputs outputs, Scratch& scratch,
              std::int32_t* sums, std::size_t stride) {
  for (std::size_t i = 0; i < work.layer.terms.size(); ++i) {
    const Term& term = work.layer.terms[i];
    if (term.method == Method::shortcut) {
      add_shortcut(term, fields[i], tile, outputs, sums, stride);
      continue;
    }
    fill_panel(work.kernels, term, fields[i], tile, scratch.stretches.data(), scratch.panel.data());
    add_panel(work.kernels, term, tile, scratch.panel.data(), outputs, scratch, sums, stride);
  }
}

void step_tile(const Work& work, const Tile& tile, Outputs outputs, Scratch& scratch) {
  const Layer& layer = work.layer;
  const std::size_t quad = outputs.first / 4;
  work.kernels.step({scratch.sums.data(), tile_columns, outputs.end - outputs.first, tile.columns,
                     layer.limits.data() + outputs.first, layer.flips.data() + quad,
                     scratch.nibbles.data() + quad * tile_columns, tile_columns});
}

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
    } else {
      std::memset(scratch.sums.data(), 0, (outputs.end - outputs.first) * tile_columns * sizeof(std::int32_t));
      sum_tile(work, fields, tile, outputs, scratch, scratch.sums.data(), tile_columns);
      step_tile(work, tile, outputs, scratch);
    }
    scatter(scratch, tile, outputs, area, to, stride);
  });
}

void run_dot_rows(const Kernels& kernels, const Term& term, std::size_t q, const std::int16_t* flat, std::int32_t* out) {
  const Matrix& matrix = term.matrices[0];
  const std::size_t row = 4 * q * term.length;
  if (matrix.narrow.size() > 0) {
    kernels.dot8(matrix.narrow.data() + row, term.length, 1, reinterpret_cast<const std::uint8_t*>(flat), out);
  } else {
    kernels.dot16(matrix.wide.data() + row, term.length, 1, flat, out);
  }
}

}  // namespace

void run_dots(const Work& work) {
  Workspace& space = work.space;
  const std::size_t rows = quads(work.layer.units.channels), stride = 4 * rows;
  std::fill(space.total.data(), space.total.data() + work.pictures * stride, 0);
  for (const Term& term : work.layer.terms) {
    const Values& source = work.sources[term.source];
    for (std::size_t i = 0; i < work.pictures; ++i) {
      fill_flat(term, source.data + i * source.stride, space.flat.data() + i * term.length);
    }
    // Parts of about a hundred thousand products: less is not worth a thread.
    const std::size_t part = std::max<std::size_t>(1, (1 << 15) / term.length);
    work.team.each((rows + part - 1) / part, [&](std::size_t task, std::size_t) {
      for (std::size_t q = task * part; q < std::min(rows, (task + 1) * part); ++q) {
        for (std::size_t i = 0; i < work.pictures; ++i) {
          std::int32_t sums[4];
          run_dot_rows(work.kernels, term, q, space.flat.data() + i * term.length, sums);
          std::int32_t* to = space.total.data() + i * stride + 4 * q;
          for (std::size_t o = 0; o < 4; ++o) to[o] += sums[o];
        }
      }
    });
  }
}

namespace {

// The sums of one term over the whole map of a picture, before pooling.
void add_map(const Work& work, const Term& term, const Values& fields, std::size_t picture, std::int32_t* sums, std::size_t stride) {
  const Values& source = work.sources[term.source];
  const std::uint8_t* values = source.data + picture * source.stride;
  if (term.method == Method::dot) {
    fill_flat(term, values, work.space.flat.data());
    work.team.each(quads(term.outputs), [&](std::size_t q, std::size_t) {
      std::int32_t found[4];
      run_dot_rows(work.kernels, term, q, work.space.flat.data(), found);
      for (std::size_t o = 4 * q; o < std::min(4 * q + 4, term.outputs); ++o) sums[o * stride] += found[o % 4];
    });
  } else if (term.method == Method::scalar) {
    work.team.each(term.sums.channels, [&](std::size_t o, std::size_t) { add_scalar(term, values, o, sums + o * stride); });
  } else if (term.method == Method::shortcut) {
    add_shortcut(term, {values, 0}, {0, term.sums.area()}, {0, term.sums.channels}, sums, stride);
  } else {
    const Split tasks = split(work, term.sums.area());
    work.team.each(tasks.tasks(), [&](std::size_t task, std::size_t worker) {
      const Tile tile = tasks.at(task);
      const Outputs outputs = tasks.part(task);
      if (outputs.first == outputs.end) return;
      Scratch& scratch = work.space.scratch[worker];
      fill_panel(work.kernels, term, fields, tile, scratch.stretches.data(), scratch.panel.data());
      std::int32_t* to = sums + outputs.first * stride + tile.first;
      add_panel(work.kernels, term, tile, scratch.panel.data(), outputs, scratch, to, stride);
    });
  }
}

// Kernels write whole slices of columns.
std::size_t map_stride(const Map& map, bool has_panel) { return has_panel ? rounded_up(map.area(), slice) : map.area(); }

std::size_t total_stride(const Layer& layer) {
  const auto writes = [](const Term& term) { return term.has_panel() && !term.pool; };
  return map_stride(layer.units, std::any_of(layer.terms.begin(), layer.terms.end(), writes));
}

// The bits of a picture from its sums.
void step_map(const Work& work, std::size_t stride, std::uint8_t* to) {
  const Layer& layer = work.layer;
  const std::size_t channels = layer.units.channels, area = layer.units.area();
  const std::int32_t* sums = work.space.total.data();
  if (layer.rows == 1) {
    work.kernels.step({sums, stride, channels, area, layer.limits.data(), layer.flips.data(), to, area});
    return;
  }
  for (std::size_t q = 0; q < quads(channels); ++q) std::memset(to + q * area, layer.flips[q], area);
  for (std::size_t c = 0; c < channels; ++c) {
    std::uint8_t* plane = to + c / 4 * area;
    for (std::size_t i = 0; i < area; ++i) {
      const std::int32_t limit = layer.limits[static_cast<std::size_t>(layer.windows[i]) * channels + c];
      plane[i] = static_cast<std::uint8_t>(plane[i] ^ ((sums[c * stride + i] > limit ? 1u : 0u) << c % 4));
    }
  }
}

// Pools planes of bits by the largest, picture by picture.
void pool_planes(const Work& work, const Pool& pool, const Map& from, const std::uint8_t* flips, const std::uint8_t* source,
                 std::size_t source_stride, std::uint8_t* out, std::size_t out_stride) {
  const std::size_t planes = quads(from.channels), places = pool.height * pool.width;
  work.team.each(work.pictures * planes, [&](std::size_t task, std::size_t worker) {
    const std::size_t picture = task / planes, q = task % planes;
    pool_bits(source + picture * source_stride + q * from.area(), from.height, from.width, pool, flips ? flips[q] : std::uint8_t{0},
              work.space.scratch[worker].line.data(), out + picture * out_stride + q * places);
  });
}

void count_planes(const Work& work) {
  const Layer& layer = work.layer;
  const Map& map = layer.units;
  const std::size_t places = layer.post->height * layer.post->width;
  work.team.each(work.pictures * map.channels, [&](std::size_t task, std::size_t) {
    const std::size_t picture = task / map.channels, c = task % map.channels;
    const std::uint8_t* plane = work.units() + picture * work.units_stride() + c / 4 * map.area();
    std::uint8_t* out = work.out + picture * work.out_stride;
    if (layer.format == Format::bytes) {
      count_bits(plane, map.height, map.width, *layer.post, c % 4, out + c * places);
    } else {
      count_bits(plane, map.height, map.width, *layer.post, c % 4, reinterpret_cast<std::int32_t*>(out) + c * places);
    }
  });
}

}  // namespace

std::size_t run_sums(const Work& work, std::size_t picture) {
  const Layer& layer = work.layer;
  const std::size_t stride = total_stride(layer);
  std::int32_t* total = work.space.total.data();
  std::fill(total, total + layer.units.channels * stride, 0);
  const std::vector<Values>& fields = fill_fields(work, picture, 1);
  for (std::size_t i = 0; i < layer.terms.size(); ++i) {
    const Term& term = layer.terms[i];
    if (!term.pool) {
      add_map(work, term, fields[i], picture, total, stride);
      continue;
    }
    const std::size_t raw_stride = map_stride(term.sums, term.has_panel());
    std::int32_t* raw = work.space.raw.data();
    std::fill(raw, raw + term.sums.channels * raw_stride, 0);
    add_map(work, term, fields[i], picture, raw, raw_stride);
    work.team.each(term.sums.channels, [&](std::size_t c, std::size_t worker) {
      auto* line = reinterpret_cast<std::int32_t*>(work.space.scratch[worker].line.data());
      pool_sums(raw + c * raw_stride, term.sums.height, term.sums.width, *term.pool, line, total + c * stride);
    });
  }
  return stride;
}

void run_layer(const Work& work) {
  const Layer& layer = work.layer;
  std::uint8_t* units = work.units();
  const std::size_t units_stride = work.units_stride();
  if (layer.is_tiled && layer.before) {
    const std::size_t fired_stride = quads(layer.fired.channels) * layer.fired.area();
    run_tiled(work, work.space.fired.data(), fired_stride);
    pool_planes(work, *layer.before, layer.fired, layer.before_flips.data(), work.space.fired.data(), fired_stride, units, units_stride);
  } else if (layer.is_tiled) {
    run_tiled(work, units, units_stride);
  } else if (layer.is_dot) {
    run_dots(work);
    const std::size_t channels = layer.units.channels, row = 4 * quads(channels);
    for (std::size_t i = 0; i < work.pictures; ++i) {
      work.kernels.step({work.space.total.data() + i * row, 1, channels, 1, layer.limits.data(), layer.flips.data(),
                         units + i * units_stride, 1});
    }
  } else {
    for (std::size_t i = 0; i < work.pictures; ++i) step_map(work, run_sums(work, i), units + i * units_stride);
  }
  if (!layer.post) return;
  if (layer.post->kind == PoolKind::max) {
    pool_planes(work, *layer.post, layer.units, nullptr, units, units_stride, work.out, work.out_stride);
  } else {
    count_planes(work);
  }
}

void Needs::include(const Layer& layer, std::size_t pictures) {
  const auto grow = [](std::size_t& size, std::size_t to) { size = std::max(size, to); };
  const std::size_t slices = layer.tile_slices(), channels = layer.units.channels;
  if (layer.before) grow(fired, pictures * quads(channels) * layer.fired.area());
  if (layer.post) grow(units, pictures * quads(channels) * layer.units.area());
  grow(line, std::max(layer.fired.width, layer.units.width) * sizeof(std::int32_t));
  if (layer.post) grow(line, pool_line(layer.units.width, *layer.post));
  grow(total, std::max((channels + 4) * total_stride(layer), layer.is_dot ? pictures * 4 * quads(channels) : 0));
  grow(sums, rounded_up(channels, table_outputs) * tile_columns);
  grow(nibbles, quads(channels) * tile_columns);
  std::size_t padded = 0;
  for (const Term& term : layer.terms) {
    grow(line, std::max(term.in.width, term.sums.width) * sizeof(std::int32_t));
    grow(flat, pictures * term.length);
    if (term.pool) grow(line, pool_line(term.sums.width, *term.pool) * sizeof(std::int32_t));
    if (term.pool) grow(raw, (term.sums.channels + 4) * map_stride(term.sums, term.has_panel()));
    if (!term.has_panel()) continue;
    padded += pictures * term.field.bytes();
    grow(panel, slices * term.panel_bytes());
    grow(look_up_sums, 4 * quads(term.outputs) * slice);
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
