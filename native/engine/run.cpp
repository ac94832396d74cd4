#include "engine/run.hpp"

#include <algorithm>
#include <cstring>

#include "engine/dots.hpp"
#include "engine/pooling.hpp"
#include "engine/tiles.hpp"

namespace firebit {

namespace {

// Channels whose sums a thread pools at a time.
constexpr std::size_t pooled_together = 8;

// The sums of one term over the whole map of a picture, before pooling.
void add_map(const Work& work, const Term& term, const Values& fields, std::size_t picture, std::int32_t* sums,
             std::size_t stride, bool begins) {
  const Values& source = work.sources[term.source];
  const std::uint8_t* values = source.data + picture * source.stride;
  if (term.method == Method::dot) {
    fill_flat(term, values, work.space.flat.data());
    add_dots(work, term, work.space.flat.data(), sums, stride);
  } else if (term.method == Method::scalar) {
    work.team.each(term.sums.channels, [&](std::size_t o, std::size_t) { add_scalar(term, values, o, sums + o * stride); });
  } else if (term.method == Method::shortcut) {
    add_shortcut(work.kernels, term, {values, 0}, {0, term.sums.area()}, {0, term.sums.channels}, sums, stride);
  } else {
    const Split tasks = split(work, term.sums.area());
    work.team.each(tasks.tasks(), [&](std::size_t task, std::size_t worker) {
      const Tile tile = tasks.at(task);
      const Outputs outputs = tasks.part(task);
      if (outputs.first == outputs.end) return;
      Scratch& scratch = work.space.scratch[worker];
      fill_panel(work.kernels, term, fields, tile, scratch.stretches.data(), scratch.panel.data());
      std::int32_t* to = sums + outputs.first * stride + tile.first;
      add_panel(work.kernels, term, tile, scratch.panel.data(), outputs, scratch, to, stride, begins);
    });
  }
}

// The bits of a picture from its sums.
void step_map(const Work& work, std::size_t stride, std::uint8_t* to) {
  const Layer& layer = work.layer;
  const std::size_t channels = layer.units.channels, area = layer.units.area();
  const bool is_each = layer.rows > 1;
  const auto kernel = is_each ? work.kernels.step_each : work.kernels.step;
  kernel({work.space.total.data(), stride, channels, area, (is_each ? layer.place_limits : layer.limits).data(),
          layer.flips.data(), to, area});
}

// Pools planes of bits by the largest, picture by picture.
void pool_planes(const Work& work, const Pool& pool, const Map& from, const std::uint8_t* flips, const std::uint8_t* source,
                 std::size_t source_stride, std::uint8_t* out, std::size_t out_stride) {
  const std::size_t planes = quads(from.channels), places = pool.height * pool.width;
  work.team.each(work.pictures * planes, [&](std::size_t task, std::size_t worker) {
    const std::size_t picture = task / planes, q = task % planes;
    pool_bits(work.kernels, source + picture * source_stride + q * from.area(), from.height, from.width, pool, flips ? flips[q] : std::uint8_t{0},
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
  const bool begins = layer.terms[0].pool || can_begin(layer.terms[0]);
  if (!begins) std::fill(total, total + layer.units.channels * stride, 0);
  const std::vector<Values>& fields = fill_fields(work, picture, 1);
  for (std::size_t i = 0; i < layer.terms.size(); ++i) {
    const Term& term = layer.terms[i];
    if (!term.pool) {
      add_map(work, term, fields[i], picture, total, stride, i == 0 && begins);
      continue;
    }
    const std::size_t raw_stride = map_stride(term.sums, term.has_panel());
    std::int32_t* raw = work.space.raw.data();
    if (!can_begin(term)) std::fill(raw, raw + term.sums.channels * raw_stride, 0);
    add_map(work, term, fields[i], picture, raw, raw_stride, can_begin(term));
    work.team.each((term.sums.channels + pooled_together - 1) / pooled_together, [&](std::size_t task, std::size_t worker) {
      const std::size_t first = task * pooled_together, some = std::min(pooled_together, term.sums.channels - first);
      auto* line = reinterpret_cast<std::int32_t*>(work.space.scratch[worker].line.data());
      pool_sums(work.kernels, {raw + first * raw_stride, raw_stride}, some, term.sums, *term.pool, line,
                {total + first * stride, stride}, i == 0);
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

}  // namespace firebit
