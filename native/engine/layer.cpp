#include "engine/layer.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "engine/lines.hpp"
#include "engine/winograd.hpp"

namespace firebit {

namespace {

constexpr std::int32_t never = std::numeric_limits<std::int32_t>::max();

void check(bool holds, const char* problem) {
  if (!holds) throw std::invalid_argument(problem);
}

Map pooled(const Map& map, const Pool& pool) {
  check(pool.height > 0 && pool.width > 0, "a pooling gives nothing");
  const std::size_t sides[2] = {map.height, map.width}, places[2] = {pool.height, pool.width};
  for (std::size_t i = 0; i < 2; ++i) {
    check(pool.kernel[i] > 0 && pool.stride[i] > 0 && 2 * pool.padding[i] <= pool.kernel[i], "a window is out of range");
    // Every window has a cell of the map: it begins before the map ends, and ends behind its begin.
    check((places[i] - 1) * pool.stride[i] < sides[i] + pool.padding[i], "a window lies outside its map");
  }
  check(pool.factors.empty() || pool.factors.size() == pool.height * pool.width, "a mean has no factor per window");
  return {map.channels, pool.height, pool.width};
}

// The step as (sum > limit) xor flip.
void set_limits(Layer& layer, const LayerRecord& record) {
  const std::size_t channels = layer.units.channels;
  check(record.thresholds.size() == record.rows * channels && record.directions.size() == channels,
        "thresholds do not fit the channels");
  check(record.windows.empty() ? record.rows == 1 : record.windows.size() == layer.units.area(),
        "windows do not fit the places");
  for (std::int32_t row : record.windows) check(row >= 0 && static_cast<std::size_t>(row) < record.rows, "no such row");
  layer.rows = record.rows;
  layer.limits.resize(record.rows * channels);
  layer.flips.resize(quads(channels));
  layer.before_flips.resize(quads(channels));
  for (std::size_t c = 0; c < channels; ++c) {
    const std::int8_t direction = record.directions[c];
    const auto bit = static_cast<std::uint8_t>(1u << (c % 4));
    if (direction <= 0) layer.flips[c / 4] |= bit;
    if (direction < 0) layer.before_flips[c / 4] |= bit;
    for (std::size_t row = 0; row < record.rows; ++row) {
      const std::int32_t threshold = record.thresholds[row * channels + c];
      check(threshold > std::numeric_limits<std::int32_t>::min(), "a threshold is out of range");
      layer.limits[row * channels + c] = direction == 0 ? never : direction > 0 ? threshold - 1 : threshold;
    }
  }
  if (layer.rows == 1) return;
  // Whole vectors are read.
  layer.place_limits.reserve(layer.units.size() + slack / sizeof(std::int32_t));
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::int32_t row : record.windows) layer.place_limits.push_back(layer.limits[static_cast<std::size_t>(row) * channels + c]);
  }
  layer.place_limits.resize(layer.place_limits.size() + slack / sizeof(std::int32_t));
}

// A layer that is one look-up compares 16-bit sums as they are. Outputs of every group are whole quads.
void set_look_up(Layer& layer) {
  const Term& term = layer.terms[0];
  layer.is_look_up = true;
  layer.look_up_flips = layer.flips;
  layer.look_up_thresholds.assign(4 * quads(layer.units.channels), 0);
  // A threshold of 0 always holds; what is never reached is that, turned round.
  const auto never_reach = [&](std::size_t c) {
    layer.look_up_flips[c / 4] = static_cast<std::uint8_t>(layer.look_up_flips[c / 4] ^ (1u << (c % 4)));
  };
  for (std::size_t c = 0; c < layer.units.channels; ++c) {
    const std::int64_t least = std::int64_t{layer.limits[c]} + 1 - term.matrices[c / term.outputs].bases[c % term.outputs];
    if (least > std::numeric_limits<std::uint16_t>::max()) never_reach(c);
    else layer.look_up_thresholds[c] = static_cast<std::uint16_t>(std::max<std::int64_t>(least, 0));
  }
  // Absent channels, whatever their sums, are bits 0.
  for (std::size_t c = layer.units.channels; c < layer.look_up_thresholds.size(); ++c) never_reach(c);
}

void set_path(Layer& layer) {
  const std::vector<Term>& terms = layer.terms;
  const auto is = [](Method method) { return [method](const Term& term) { return term.method == method; }; };
  const auto is_pooled = [](const Term& term) { return term.pool.has_value(); };
  layer.is_dot = std::all_of(terms.begin(), terms.end(), is(Method::dot)) && std::none_of(terms.begin(), terms.end(), is_pooled);
  if (layer.is_logits || layer.is_dot) return;
  const auto has_panel = [](const Term& term) { return term.has_panel() || term.method == Method::shortcut; };
  const bool may_wait = terms.size() == 1 && is_pooled(terms[0]) && terms[0].pool->kind == PoolKind::max && layer.rows == 1;
  const bool unpooled = std::none_of(terms.begin(), terms.end(), is_pooled);
  const bool by_panel = std::any_of(terms.begin(), terms.end(), [](const Term& term) { return term.has_panel(); });
  layer.is_tiled = by_panel && std::all_of(terms.begin(), terms.end(), has_panel) && (unpooled || may_wait) && layer.rows == 1;
  if (!layer.is_tiled) return;
  if (may_wait) {
    layer.before = terms[0].pool;
    layer.fired = terms[0].sums;
  }
  const Term& first = terms[0];
  if (terms.size() == 1 && first.method == Method::lookup && (first.groups == 1 || first.outputs % 4 == 0)) set_look_up(layer);
  layer.is_winograd = terms.size() == 1 && first.method == Method::winograd;
  if (layer.is_winograd) layer.winograd_limits = winograd_limits(layer.limits);
}

void set_logits(Layer& layer, LayerRecord& record) {
  layer.is_logits = true;
  layer.scale = record.scale;
  layer.bias = std::move(record.bias);
  check(layer.bias.size() == layer.units.size(), "biases do not fit the logits");
}

}  // namespace

std::size_t Layer::value_bytes() const {
  if (is_logits) return 0;
  switch (format) {
    case Format::bits: return quads(out.channels) * out.area();
    case Format::bytes: return out.size();
    default: return out.size() * sizeof(std::int32_t);
  }
}

// Few enough for the panels of all terms to stay in the second cache.
std::size_t Layer::tile_slices() const {
  constexpr std::size_t cached = std::size_t{1} << 18;
  std::size_t bytes = 1;
  if (terms[0].line > 0) return most_slices;
  for (const Term& term : terms) bytes += term.has_panel() ? term.panel_bytes() : 0;
  return std::clamp<std::size_t>(cached / bytes, 1, most_slices);
}

Layer prepare(LayerRecord record, const std::vector<Map>& maps, const std::vector<Format>& formats,
              const std::vector<std::uint8_t>& pad, const Kernels& kernels, Team& team) {
  check(!record.terms.empty(), "a layer adds up nothing");
  Layer layer;
  for (TermRecord& term : record.terms) {
    check(term.source < maps.size(), "a source comes later");
    const std::size_t source = term.source;
    const std::vector<std::uint8_t> own = source == 0 ? pad : std::vector<std::uint8_t>();
    layer.terms.push_back(prepare(std::move(term), maps[source], formats[source], own, kernels, team));
    const Term& made = layer.terms.back();
    const Map sums = made.pool ? pooled(made.sums, *made.pool) : made.sums;
    check(layer.terms.size() == 1 || sums == layer.units, "terms have different shapes");
    layer.units = sums;
  }
  if (layer.terms.size() == 1 && fits_lines(layer.terms[0])) set_lines(layer.terms[0]);
  layer.fired = layer.units;
  if (record.rows == 0) {
    set_logits(layer, record);
    return layer;
  }
  set_limits(layer, record);
  layer.post = std::move(record.post);
  layer.out = layer.post ? pooled(layer.units, *layer.post) : layer.units;
  const bool counts = layer.post && layer.post->kind != PoolKind::max;
  if (counts) layer.format = record.largest <= 255 ? Format::bytes : Format::words;
  set_path(layer);
  return layer;
}

}  // namespace firebit
