#include "engine/term.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/weights.hpp"
#include "engine/winograd.hpp"

namespace firebit {

namespace {

constexpr std::size_t largest_side = std::size_t{1} << 24;
constexpr std::size_t largest_panel = std::size_t{1} << 27;

void check(bool holds, const char* problem) {
  if (!holds) throw std::invalid_argument(problem);
}

std::size_t places(std::size_t side, std::size_t kernel, std::size_t dilation, std::size_t stride) {
  const std::size_t reach = dilation * (kernel - 1) + 1;
  check(reach <= side, "a kernel is larger than its map");
  return (side - reach) / stride + 1;
}

void set_shape(Term& term, const TermRecord& record) {
  for (std::size_t i = 0; i < 2; ++i) {
    const bool fits = record.kernel[i] > 0 && record.kernel[i] <= largest_side && record.stride[i] > 0 &&
                      record.stride[i] <= largest_side && record.dilation[i] > 0 && record.dilation[i] <= largest_side;
    check(fits, "sizes of a convolution are out of range");
    term.kernel[i] = record.kernel[i];
    term.stride[i] = record.stride[i];
    term.dilation[i] = record.dilation[i];
  }
  for (std::size_t i = 0; i < 4; ++i) {
    check(record.padding[i] <= largest_side, "a padding is out of range");
    term.padding[i] = record.padding[i];
  }
  check(record.groups > 0 && record.outputs > 0 && record.outputs % record.groups == 0, "channels do not fit groups");
  term.groups = record.groups;
  term.outputs = record.outputs / record.groups;
  term.inputs = record.inputs;
  check(term.inputs > 0 && term.inputs <= largest_side && term.inputs * term.groups == term.in.channels,
        "weights do not fit the channels of their source");
  check(record.weights.size() + record.bytes.size() == record.outputs * term.inputs * term.kernel[0] * term.kernel[1], "weights are missing");
  term.sums = {record.outputs,
               places(term.in.height + term.padding[0] + term.padding[1], term.kernel[0], term.dilation[0], term.stride[0]),
               places(term.in.width + term.padding[2] + term.padding[3], term.kernel[1], term.dilation[1], term.stride[1])};
  for (std::size_t i = 0; i < 2; ++i) {
    // One place needs no steps; a step of millions would make as many phases.
    if ((i == 0 ? term.sums.height : term.sums.width) == 1) term.stride[i] = 1;
  }
}

bool sees_all(const Term& term) {
  const bool unpadded = term.padding[0] + term.padding[1] + term.padding[2] + term.padding[3] == 0;
  const bool whole = term.kernel[0] == term.in.height && term.kernel[1] == term.in.width;
  const bool dense = (term.dilation[0] == 1 || term.kernel[0] == 1) && (term.dilation[1] == 1 || term.kernel[1] == 1);
  return term.groups == 1 && unpadded && whole && dense;
}

void set_field(Term& term) {
  const bool bits = term.format == Format::bits;
  Field& field = term.field;
  field.planes = term.groups * (term.method == Method::popcount ? octets(term.inputs) : bits ? quads(term.inputs) : term.inputs);
  field.phases = term.stride[1];
  field.height = term.in.height + term.padding[0] + term.padding[1];
  field.width = (term.in.width + term.padding[2] + term.padding[3] + field.phases - 1) / field.phases;
  const bool unpadded = term.padding[0] + term.padding[1] + term.padding[2] + term.padding[3] == 0;
  const bool aligned = !bits || term.groups == 1 || term.inputs % 4 == 0;
  // Kernels that read several bytes at once read beyond the end: not of pictures.
  const bool several = term.method == Method::bytes || term.method == Method::product;
  const bool readable = term.method != Method::popcount && (!several || term.source > 0);
  field.is_source = unpadded && aligned && field.phases == 1 && readable;
}

void set_taps(Term& term) {
  const Field& field = term.field;
  const std::size_t across = term.kernel[1];
  for (std::size_t plane = 0; plane < term.planes_of_group(); ++plane) {
    for (std::size_t y = 0; y < term.kernel[0]; ++y) {
      for (std::size_t x = 0; x < across; ++x) {
        const std::size_t right = x * term.dilation[1];
        const std::size_t row = (plane * field.phases + right % field.phases) * field.height + y * term.dilation[0];
        term.taps.push_back(static_cast<std::uint32_t>(row * field.width + right / field.phases));
      }
    }
  }
  const std::size_t together = term.has_quads() ? 4 : term.method == Method::product ? 2 : 1;
  while (term.taps.size() % together > 0) term.taps.push_back(no_tap);
  term.rows = term.taps.size();
}

// Counting wins where one instruction counts the ones of every byte.
bool counts(const Term& term, const TermRecord& record, const Kernels& kernels) {
  const bool whole = term.groups == 1 || term.outputs % 4 == 0;
  if (record.chunk > 0 || !whole || 2 * term.inputs < 8 * octets(term.inputs)) return false;
  return kernels.counts_best && is_sign(term, record.weights.data());
}

// Tables of several bytes for weights that few places read: reading them takes longer than making smaller ones.
bool is_deep(const Term& term, const TermRecord& record) {
  constexpr std::size_t many = std::size_t{1} << 21, few = 64;
  const auto is_wide = [](std::int16_t weight) { return weight > 255 || weight < -255; };
  const bool deep = record.chunk == 0 && record.weights.size() > many && term.sums.area() <= few;
  return deep && std::any_of(record.weights.begin(), record.weights.end(), is_wide);
}

// Linear layers over bits read bytes as they are; everything else has weights of 16 bits.
void widen(const Term& term, TermRecord& record) {
  if (record.bytes.size() == 0 || (term.format == Format::bits && record.chunk == 0 && sees_all(term))) return;
  const auto wide = std::make_shared<std::vector<std::int16_t>>(record.bytes.begin(), record.bytes.end());
  record.weights = {wide, wide->data(), wide->size()};
  record.bytes = {};
}

Method method_for_bits(const Term& term, const TermRecord& record, const Kernels& kernels) {
  if (counts(term, record, kernels)) return Method::popcount;
  return kernels.wide_best && !is_deep(term, record) ? Method::wide : Method::tabled;
}

Method method_of(const Term& term, const TermRecord& record, const Kernels& kernels) {
  const std::size_t rows = per_group(term);
  const bool small = rows * slice * (term.format == Format::bits ? 1 : 4) <= largest_panel;
  check(record.chunk == 0 || (term.format == Format::bits && small), "tables are for bits");
  check(record.chunk == 0 || record.multipliers.size() == record.outputs, "tables have no multiplier per channel");
  if (term.format == Format::words) return Method::scalar;
  if (record.chunk == 0 && sees_all(term)) return Method::dot;
  if (!small) return Method::scalar;
  if (term.format == Format::bits) return method_for_bits(term, record, kernels);
  if (are_bytes(term, record.weights, kernels.saturates)) return Method::bytes;
  return kernels.winograd != nullptr && fits_winograd(term, record.weights) ? Method::winograd : Method::product;
}

}  // namespace

Term prepare(TermRecord record, const Map& source, Format format, const std::vector<std::uint8_t>& pad,
             const Kernels& kernels, Team& team) {
  Term term;
  term.source = record.source;
  term.format = format;
  term.in = source;
  term.pool = std::move(record.pool);
  if (record.is_shortcut) {
    check(record.coefficients.size() == source.channels, "coefficients do not fit the channels of their source");
    term.method = Method::shortcut;
    term.sums = source;
    term.coefficients = std::move(record.coefficients);
    return term;
  }
  term.pad = pad;
  set_shape(term, record);
  widen(term, record);
  term.method = method_of(term, record, kernels);
  if (term.method == Method::tabled) set_tables(term, record, team);
  if (term.method == Method::wide) set_wide_tables(term, record);
  set_field(term);
  if (term.method == Method::winograd) set_winograd_panel(term);
  else if (term.has_panel()) set_taps(term);
  set_weights(term, record, team);
  return term;
}

}  // namespace firebit
