#include "engine/weights.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace firebit {

namespace {

constexpr std::int64_t largest_entry = 255;
constexpr std::int64_t largest_sum = 65535;
constexpr int fraction_bits = 24;
constexpr std::size_t longest_chunk = 64;

// The 16 partial sums of every group of four channels at every tap, of one output: exact, from their least.
struct Row {
  std::vector<std::int64_t> entries;  // [groups][16], from 0
  std::vector<std::int64_t> most;     // [groups]
  std::int64_t base = 0;              // sum of what was subtracted
};

Row partial_sums(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1];
  Row row;
  for (std::size_t first = 0; first < term.inputs; first += 4) {
    for (std::size_t tap = 0; tap < taps; ++tap) {
      std::int64_t sums[16] = {};
      for (std::size_t j = 0; j < 4 && first + j < term.inputs; ++j) {
        const std::int64_t weight = weights[(first + j) * taps + tap];
        for (std::size_t i = 0; i < (std::size_t{1} << j); ++i) sums[(std::size_t{1} << j) + i] = sums[i] + weight;
      }
      // Absent channels are bits 0: the entries that they would choose are never read.
      const std::size_t used = std::size_t{1} << std::min<std::size_t>(4, term.inputs - first);
      const std::int64_t least = *std::min_element(sums, sums + used);
      for (std::size_t i = 0; i < 16; ++i) row.entries.push_back(i < used ? sums[i] - least : 0);
      row.most.push_back(*std::max_element(row.entries.end() - 16, row.entries.end()));
      row.base += least;
    }
  }
  return row;
}

void quantise(Row& row, std::int64_t multiplier) {
  const std::int64_t half = std::int64_t{1} << (fraction_bits - 1);
  for (std::int64_t& entry : row.entries) entry = (entry * multiplier + half) >> fraction_bits;
  for (std::int64_t& most : row.most) most = (most * multiplier + half) >> fraction_bits;
  row.base = 0;
}

bool keeps(const Row& row, std::size_t chunk) {
  std::int64_t all = 0;
  for (std::size_t first = 0; first < row.most.size(); first += chunk) {
    std::int64_t sum = 0;
    for (std::size_t g = first; g < std::min(first + chunk, row.most.size()); ++g) sum += row.most[g];
    if (sum > largest_entry) return false;
    all += sum;
  }
  return all <= largest_sum;
}

// How many groups can be added up in bytes; 0 where that is not worth while.
std::size_t exact_chunk(const std::vector<Row>& rows) {
  for (std::size_t chunk : {longest_chunk - 1, std::size_t{32}, std::size_t{16}, std::size_t{8}, std::size_t{4}, std::size_t{3},
                            std::size_t{2}}) {
    if (std::all_of(rows.begin(), rows.end(), [&](const Row& row) { return keeps(row, chunk); })) return chunk;
  }
  return 0;
}

std::size_t block_of(std::size_t chunk) { return std::max(chunk, lookup_block / chunk * chunk); }

Matrix look_up_matrix(const std::vector<Row>& rows, std::size_t chunk, std::size_t lookup_pairs) {
  const std::size_t groups = rows[0].most.size(), pairs = 2 * quads(rows.size());
  Matrix matrix;
  matrix.chunk = chunk;
  matrix.tables = Buffer<std::uint8_t>(groups * pairs * 32);
  std::uint8_t* to = matrix.tables.data();
  for (std::size_t first = 0; first < groups; first += block_of(chunk)) {
    const std::size_t end = std::min(first + block_of(chunk), groups);
    for (std::size_t pair = 0, step = 1; pair < pairs; pair += step) {
      step = pair + lookup_pairs <= pairs ? lookup_pairs : 1;
      for (std::size_t g = first; g < end; ++g) {
        for (std::size_t o = 2 * pair; o < 2 * (pair + step); ++o, to += 16) {
          if (o >= rows.size()) continue;
          for (std::size_t i = 0; i < 16; ++i) to[i] = static_cast<std::uint8_t>(rows[o].entries[g * 16 + i]);
        }
      }
    }
  }
  for (const Row& row : rows) matrix.bases.push_back(static_cast<std::int32_t>(row.base));
  return matrix;
}

std::size_t per_group(const Term& term) { return term.inputs * term.kernel[0] * term.kernel[1]; }

// Weight of input `channel` at `tap` for output `o`; 0 beyond the last channel or output.
std::int16_t at(const Term& term, const std::int16_t* weights, std::size_t o, std::size_t channel, std::size_t tap) {
  if (o >= term.outputs || channel >= term.inputs) return 0;
  return weights[o * per_group(term) + channel * term.kernel[0] * term.kernel[1] + tap];
}

Matrix tabled_matrix(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1], blocks = (term.outputs + table_outputs - 1) / table_outputs;
  Matrix matrix;
  matrix.wide = Buffer<std::int16_t>(blocks * term.rows * 4 * table_outputs);
  std::int16_t* to = matrix.wide.data();
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t g = 0; g < term.rows; ++g) {
      for (std::size_t j = 0; j < 4; ++j) {
        for (std::size_t o = 0; o < table_outputs; ++o) {
          *to++ = at(term, weights, block * table_outputs + o, g / taps * 4 + j, g % taps);
        }
      }
    }
  }
  return matrix;
}

Matrix product_matrix(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1], pairs = term.rows / 2;
  Matrix matrix;
  matrix.wide = Buffer<std::int16_t>(quads(term.outputs) * pairs * 8);
  std::int16_t* to = matrix.wide.data();
  for (std::size_t q = 0; q < quads(term.outputs); ++q) {
    for (std::size_t p = 0; p < pairs; ++p) {
      for (std::size_t o = 0; o < 4; ++o) {
        for (std::size_t k = 2 * p; k < 2 * p + 2; ++k) *to++ = at(term, weights, 4 * q + o, k / taps, k % taps);
      }
    }
  }
  return matrix;
}

// Rows of whole vectors, in the order of the values in memory: nibbles as four bytes each, or bytes.
Matrix dot_matrix(Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1];
  const bool bits = term.format == Format::bits;
  const std::size_t used = bits ? quads(term.inputs) * taps * 4 : per_group(term);
  term.length = rounded_up(used, slice);
  const std::size_t rows = 4 * quads(term.outputs);
  const auto [least, most] = std::minmax_element(weights, weights + term.outputs * per_group(term));
  const bool narrow = bits && *least >= std::numeric_limits<std::int8_t>::min() && *most <= std::numeric_limits<std::int8_t>::max();
  Matrix matrix;
  if (narrow) {
    matrix.narrow = Buffer<std::int8_t>(rows * term.length);
  } else {
    matrix.wide = Buffer<std::int16_t>(rows * term.length);
  }
  for (std::size_t o = 0; o < term.outputs; ++o) {
    for (std::size_t i = 0; i < per_group(term); ++i) {
      const std::size_t channel = i / taps, tap = i % taps;
      const std::size_t place = o * term.length + (bits ? (channel / 4 * taps + tap) * 4 + channel % 4 : i);
      const std::int16_t weight = weights[o * per_group(term) + i];
      if (narrow) {
        matrix.narrow[place] = static_cast<std::int8_t>(weight);
      } else {
        matrix.wide[place] = weight;
      }
    }
  }
  return matrix;
}

}  // namespace

void set_tables(Term& term, const TermRecord& record, std::size_t lookup_pairs) {
  // One weight of this size spans a byte already.
  const auto is_wide = [](std::int16_t weight) { return weight > largest_entry || weight < -largest_entry; };
  if (record.chunk == 0 && std::any_of(record.weights.begin(), record.weights.end(), is_wide)) return;
  std::vector<Matrix> matrices;
  for (std::size_t group = 0; group < term.groups; ++group) {
    std::vector<Row> rows;
    for (std::size_t o = group * term.outputs; o < (group + 1) * term.outputs; ++o) {
      rows.push_back(partial_sums(term, record.weights.data() + o * per_group(term)));
      if (record.chunk > 0) quantise(rows.back(), record.multipliers[o]);
    }
    const std::size_t chunk = record.chunk > 0 ? record.chunk : exact_chunk(rows);
    if (chunk == 0) return;
    for (const Row& row : rows) {
      if (chunk > longest_chunk || !keeps(row, chunk)) throw std::invalid_argument("tables are out of range");
    }
    matrices.push_back(look_up_matrix(rows, chunk, lookup_pairs));
  }
  term.matrices = std::move(matrices);
  term.method = Method::lookup;
}

void set_weights(Term& term, TermRecord& record) {
  if (term.method == Method::scalar) term.weights = std::move(record.weights);
  if (term.method == Method::scalar || term.method == Method::lookup) return;
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::int16_t* weights = record.weights.data() + group * term.outputs * per_group(term);
    switch (term.method) {
      case Method::tabled: term.matrices.push_back(tabled_matrix(term, weights)); break;
      case Method::product: term.matrices.push_back(product_matrix(term, weights)); break;
      default: term.matrices.push_back(dot_matrix(term, weights)); break;
    }
  }
}

}  // namespace firebit
