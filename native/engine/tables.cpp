#include "engine/weights.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace firebit {

namespace {

constexpr std::int64_t largest_entry = 255;
constexpr std::int64_t largest_sum = 65535;
constexpr int fraction_bits = 24;
constexpr std::size_t longest_chunk = 64;

// The 16 partial sums of every group of four channels at every tap, of one output, from their least; rounded where
// there is a multiplier.
class Row {
 public:
  std::vector<std::int64_t> most;  // [groups]
  std::int64_t base = 0;           // sum of what was subtracted, where nothing is rounded

  Row(const Term& term, const std::int16_t* weights, std::int64_t multiplier)
      : taps_(term.kernel[0] * term.kernel[1]), inputs_(term.inputs), weights_(weights), multiplier_(multiplier) {
    most.reserve(quads(inputs_) * taps_);
    for (std::size_t plane = 0; plane < quads(inputs_); ++plane) {
      for (std::size_t tap = 0; tap < taps_; ++tap) {
        const Four four = at(plane, tap);
        std::int32_t above = 0, below = 0;
        for (std::int32_t weight : four) {
          above += std::max(weight, 0);
          below += std::min(weight, 0);
        }
        most.push_back(rounded(above - below));
        if (multiplier_ == 0) base += below;
      }
    }
  }

  // Absent channels have the weight 0: the entries that they would choose are never read.
  void entries(std::size_t group, std::int32_t (&to)[16]) const {
    const Four four = at(group / taps_, group % taps_);
    for (std::size_t i = 0; i < 16; ++i) to[i] = entry(four, i);
    if (multiplier_ == 0) return;
    for (std::int32_t& entry : to) entry = static_cast<std::int32_t>(rounded(entry));
  }

  // The same where they fit bytes. The compiler finds the vectors, where nothing is rounded.
  void entries(std::size_t group, std::uint8_t* to) const {
    std::uint8_t found[16];
    if (multiplier_ == 0) {
      const Four four = at(group / taps_, group % taps_);
      for (std::size_t i = 0; i < 16; ++i) found[i] = static_cast<std::uint8_t>(entry(four, i));
    } else {
      std::int32_t wide[16];
      entries(group, wide);
      std::transform(std::begin(wide), std::end(wide), found, [](std::int32_t entry) { return static_cast<std::uint8_t>(entry); });
    }
    std::copy(std::begin(found), std::end(found), to);
  }

 private:
  using Four = std::array<std::int32_t, 4>;

  // A partial sum, from the least.
  static std::int32_t entry(const Four& four, std::size_t index) {
    std::int32_t sum = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::int32_t chosen = -static_cast<std::int32_t>(index >> j & 1);
      sum += (four[j] & chosen) - std::min(four[j], 0);
    }
    return sum;
  }

  Four at(std::size_t plane, std::size_t tap) const {
    Four found{};
    const std::size_t channels = std::min<std::size_t>(4, inputs_ - plane * 4);
    for (std::size_t j = 0; j < channels; ++j) found[j] = weights_[(plane * 4 + j) * taps_ + tap];
    return found;
  }

  std::int64_t rounded(std::int64_t entry) const {
    constexpr std::int64_t half = std::int64_t{1} << (fraction_bits - 1);
    return multiplier_ == 0 ? entry : (entry * multiplier_ + half) >> fraction_bits;
  }

  std::size_t taps_, inputs_;
  const std::int16_t* weights_;
  std::int64_t multiplier_;
};

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
                            std::size_t{2}, std::size_t{1}}) {
    if (std::all_of(rows.begin(), rows.end(), [&](const Row& row) { return keeps(row, chunk); })) return chunk;
  }
  return 0;
}

// Groups of a block in an order in which every `chunk` of them, a power of two, have entries that add up to about as much:
// the largest with the smallest, and so on with their sums. `count` stands for no group.
struct Balanced {
  std::vector<std::size_t> order;
  std::vector<std::int64_t> sums;  // of every chunk of the order

  Balanced(const std::int64_t* most, std::size_t count, std::size_t chunk) {
    for (std::size_t g = 0; g < rounded_up(count, chunk); ++g) {
      order.push_back(std::min(g, count));
      sums.push_back(g < count ? most[g] : 0);
    }
    for (std::size_t size = 1; size < chunk; size *= 2) join(size);
  }

 private:
  // Entries are below 2¹⁸, those of a block below 2³¹ together.
  static constexpr std::int64_t most_of_all = std::numeric_limits<std::int32_t>::max();
  static std::size_t bunch_of(std::uint64_t rank) { return static_cast<std::uint32_t>(rank); }

  // Bunches of `size` become half as many of twice the size.
  void join(std::size_t size) {
    // Bunches from the largest sum on, of equal ones the first: as one number each, which are quick to compare.
    std::vector<std::uint64_t> ranks;
    for (std::size_t i = 0; i < sums.size(); ++i) ranks.push_back(static_cast<std::uint64_t>(most_of_all - sums[i]) << 32 | i);
    std::sort(ranks.begin(), ranks.end());
    const std::vector<std::size_t> groups = std::move(order);
    const std::vector<std::int64_t> all = std::move(sums);
    order.clear();
    sums.clear();
    for (std::size_t i = 0; i < all.size() / 2; ++i) {
      const std::size_t pair[2] = {bunch_of(ranks[i]), bunch_of(ranks[all.size() - 1 - i])};
      for (std::size_t bunch : pair) order.insert(order.end(), groups.data() + bunch * size, groups.data() + (bunch + 1) * size);
      sums.push_back(all[pair[0]] + all[pair[1]]);
    }
  }
};

// Whether no order helps, since chunks are too large on average.
bool is_too_large(const Row& row, std::size_t chunk) {
  const std::int64_t all = std::accumulate(row.most.begin(), row.most.end(), std::int64_t{0});
  const auto count = static_cast<std::int64_t>(rounded_up(row.most.size(), chunk));
  return all > largest_sum || all * static_cast<std::int64_t>(chunk) > largest_entry * count;
}

// Orders of the groups of all outputs, block by block.
struct Orders {
  std::size_t chunk = 0;  // 0 where there are none
  std::vector<std::vector<std::vector<std::size_t>>> of;  // [outputs][blocks][groups]
};

Orders orders_of(const std::vector<Row>& rows, std::size_t chunk) {
  Orders found;
  for (const Row& row : rows) {
    if (is_too_large(row, chunk)) return {};
    found.of.emplace_back();
    for (std::size_t first = 0; first < row.most.size(); first += lookup_block) {
      Balanced block(row.most.data() + first, std::min(lookup_block, row.most.size() - first), chunk);
      if (*std::max_element(block.sums.begin(), block.sums.end()) > largest_entry) return {};
      found.of.back().push_back(std::move(block.order));
    }
  }
  found.chunk = chunk;
  return found;
}

// With the largest chunk above `least` for which the groups of every output can be ordered.
Orders balanced(const std::vector<Row>& rows, std::size_t least) {
  for (std::size_t chunk : {std::size_t{8}, std::size_t{4}, std::size_t{2}}) {
    if (chunk <= least) break;
    Orders found = orders_of(rows, chunk);
    if (found.chunk > 0) return found;
  }
  return {};
}

std::vector<std::size_t> as_they_are(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

// With groups in the orders given, or as they are.
Matrix look_up_matrix(const std::vector<Row>& rows, std::size_t chunk, const Orders& orders, Team& team) {
  const std::size_t groups = rows[0].most.size(), outputs = 4 * quads(rows.size()), block = lookup_block_of(chunk);
  Matrix matrix;
  matrix.chunk = chunk;
  matrix.is_balanced = orders.chunk > 0;
  const std::size_t all = (groups / block * block + matrix.chunks_of(groups % block)) * outputs;
  matrix.tables = Buffer<std::uint8_t>(all * 16);
  matrix.offsets = Buffer<std::uint16_t>(all);
  std::size_t begin = 0;
  for (std::size_t first = 0; first < groups; first += block) {
    const std::size_t count = std::min(block, groups - first);
    const std::vector<std::size_t> plain = as_they_are(count);
    share(team, rows.size(), matrix.tables.size(), [&](std::size_t o) {
      const std::size_t at = begin + o * matrix.chunks_of(count);
      const std::vector<std::size_t>& order = matrix.is_balanced ? orders.of[o][first / block] : plain;
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (order[i] == count) continue;
        rows[o].entries(first + order[i], matrix.tables.data() + (at + i) * 16);
        matrix.offsets[at + i] = static_cast<std::uint16_t>(order[i] * slice);
      }
    });
    begin += outputs * matrix.chunks_of(count);
  }
  for (const Row& row : rows) matrix.bases.push_back(static_cast<std::int32_t>(row.base));
  return matrix;
}

// Of weights of ±1; those of absent channels count as +1, which a bit 0 leaves out.
Matrix sign_matrix(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1], groups = quads(term.inputs) * taps, all = 4 * quads(term.outputs);
  const std::size_t block = lookup_block_of(sign_chunk);
  Matrix matrix;
  matrix.chunk = sign_chunk;
  matrix.codes = Buffer<std::uint16_t>(groups * all / 2);
  matrix.bases.assign(term.outputs, 0);
  for (std::size_t o = 0; o < term.outputs; ++o, weights += per_group(term)) {
    for (std::size_t group = 0; group < groups; ++group) {
      unsigned code = 0;
      for (std::size_t j = 0; j < 4; ++j) {
        const std::size_t channel = group / taps * 4 + j;
        const bool negative = channel < term.inputs && weights[channel * taps + group % taps] < 0;
        if (negative) --matrix.bases[o];
        else code |= (o % 2 == 0 ? 16u : 256u) << j;
      }
      const std::size_t first = group / block * block, count = std::min(block, groups - first);
      matrix.codes[first * all / 2 + o / 2 * count + group - first] |= static_cast<std::uint16_t>(code);
    }
  }
  return matrix;
}

// Bytes that the largest entry needs.
std::uint8_t bytes_of(std::int64_t entry) {
  std::uint8_t bytes = 1;
  while (entry >> (8 * bytes) > 0) ++bytes;
  return bytes;
}

// Entries of four outputs in the four groups of every row of a panel of quads, by passes: [passes][groups][4][64].
class WideTables {
 public:
  WideTables(const std::vector<Row>& rows, std::size_t first_output) : rows_(rows), first_(first_output) {}

  std::uint8_t passes() const {
    std::int64_t most = 0;
    for (std::size_t o = 0; o < outputs(); ++o) {
      const std::vector<std::int64_t>& all = row(o).most;
      most = std::max(most, *std::max_element(all.begin(), all.end()));
    }
    return bytes_of(most);
  }

  // 2 where the entries of two groups of a panel of quads, from an even one on, always fit a byte.
  std::uint8_t chunk() const {
    if (passes() > 1) return 1;
    for (std::size_t o = 0; o < outputs(); ++o) {
      const std::vector<std::int64_t>& most = row(o).most;
      for (std::size_t g = 0; g + 4 < most.size(); ++g) {
        if (g % 8 < 4 && most[g] + most[g + 4] > largest_entry) return 1;
      }
    }
    return 2;
  }

  void write(std::size_t first, std::size_t groups, std::uint8_t passes, std::uint8_t* to) const {
    for (unsigned pass = passes; pass-- > 0;) {
      for (std::size_t g = first; g < first + groups; ++g) {
        for (std::size_t o = 0; o < 4; ++o) {
          for (std::size_t j = 0; j < 4; ++j, to += 16) write_table(o, 4 * g + j, 8 * pass, to);
        }
      }
    }
  }

 private:
  const Row& row(std::size_t output) const { return rows_[first_ + output]; }
  std::size_t outputs() const { return std::min<std::size_t>(4, rows_.size() - first_); }

  void write_table(std::size_t output, std::size_t group, unsigned shift, std::uint8_t* to) const {
    if (output >= outputs() || group >= row(output).most.size()) return;
    std::int32_t entries[16];
    row(output).entries(group, entries);
    for (std::size_t i = 0; i < 16; ++i) to[i] = static_cast<std::uint8_t>(entries[i] >> shift & 0xff);
  }

  const std::vector<Row>& rows_;
  std::size_t first_;
};

Matrix wide_matrix(const std::vector<Row>& rows) {
  const std::size_t groups = (rows[0].most.size() + 3) / 4, all = quads(rows.size());
  Matrix matrix;
  Quads& of = matrix.quads;
  of.block = wide_block;
  of.bases.assign(4 * all, 0);
  for (std::size_t o = 0; o < rows.size(); ++o) of.bases[o] = static_cast<std::int32_t>(rows[o].base);
  std::vector<WideTables> tables;
  std::size_t passes = 0;
  for (std::size_t q = 0; q < all; ++q) {
    tables.emplace_back(rows, 4 * q);
    of.passes.push_back(tables.back().passes());
    of.chunks.push_back(tables.back().chunk());
    passes += of.passes.back();
  }
  of.weights = Buffer<std::uint8_t>(passes * groups * 256);
  std::size_t at = 0;
  for (std::size_t first = 0; first < groups; first += wide_block) {
    const std::size_t count = std::min(wide_block, groups - first);
    for (std::size_t q = 0; q < all; ++q) {
      of.starts.push_back(at);
      tables[q].write(first, count, of.passes[q], of.weights.data() + at);
      at += of.passes[q] * count * 256;
    }
  }
  return matrix;
}

std::vector<Row> rows_of(const Term& term, const TermRecord& record, std::size_t group) {
  std::vector<Row> rows;
  for (std::size_t o = group * term.outputs; o < (group + 1) * term.outputs; ++o) {
    rows.emplace_back(term, record.weights.data() + o * per_group(term), record.chunk > 0 ? record.multipliers[o] : 0);
  }
  return rows;
}

void check_tables(const std::vector<Row>& rows, std::size_t chunk) {
  for (const Row& row : rows) {
    if (chunk > longest_chunk || !keeps(row, chunk)) throw std::invalid_argument("tables are out of range");
  }
}

}  // namespace

void set_tables(Term& term, const TermRecord& record, Team& team) {
  // One weight of this size spans a byte already.
  const auto is_wide = [](std::int16_t weight) { return weight > largest_entry || weight < -largest_entry; };
  if (record.chunk == 0 && std::any_of(record.weights.begin(), record.weights.end(), is_wide)) return;
  std::vector<Matrix> matrices;
  const bool signs = record.chunk == 0 && is_sign(term, record.weights.data()) &&
                     4 * quads(term.inputs) * term.kernel[0] * term.kernel[1] <= static_cast<std::size_t>(largest_sum);
  for (std::size_t group = 0; group < term.groups; ++group) {
    if (signs) {
      matrices.push_back(sign_matrix(term, record.weights.data() + group * term.outputs * per_group(term)));
      continue;
    }
    const std::vector<Row> rows = rows_of(term, record, group);
    const std::size_t chunk = record.chunk > 0 ? record.chunk : exact_chunk(rows);
    const Orders orders = record.chunk > 0 ? Orders{} : balanced(rows, chunk);
    if (chunk == 0 && orders.chunk == 0) return;
    if (orders.chunk == 0) check_tables(rows, chunk);
    matrices.push_back(look_up_matrix(rows, std::max(chunk, orders.chunk), orders, team));
  }
  term.matrices = std::move(matrices);
  term.method = Method::lookup;
}

void set_wide_tables(Term& term, const TermRecord& record) {
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::vector<Row> rows = rows_of(term, record, group);
    if (record.chunk > 0) check_tables(rows, record.chunk);
    term.matrices.push_back(wide_matrix(rows));
  }
}

}  // namespace firebit
