#include "engine/weights.hpp"

#include <algorithm>
#include <numeric>
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
                            std::size_t{2}, std::size_t{1}}) {
    if (std::all_of(rows.begin(), rows.end(), [&](const Row& row) { return keeps(row, chunk); })) return chunk;
  }
  return 0;
}

// Groups of a block in an order in which every `chunk` of them, a power of two, have entries that add up to about as much:
// the largest with the smallest, and so on with their sums. `count` stands for no group.
std::vector<std::size_t> balanced(const std::int64_t* most, std::size_t count, std::size_t chunk) {
  struct Bunch {
    std::int64_t sum;
    std::vector<std::size_t> groups;
  };
  std::vector<Bunch> bunches;
  for (std::size_t g = 0; g < rounded_up(count, chunk); ++g) bunches.push_back({g < count ? most[g] : 0, {std::min(g, count)}});
  for (; chunk > 1; chunk /= 2) {
    std::stable_sort(bunches.begin(), bunches.end(), [](const Bunch& a, const Bunch& b) { return a.sum > b.sum; });
    const std::size_t half = bunches.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const Bunch& small = bunches[bunches.size() - 1 - i];
      bunches[i].sum += small.sum;
      bunches[i].groups.insert(bunches[i].groups.end(), small.groups.begin(), small.groups.end());
    }
    bunches.resize(half);
  }
  std::vector<std::size_t> order;
  for (const Bunch& bunch : bunches) order.insert(order.end(), bunch.groups.begin(), bunch.groups.end());
  return order;
}

// The same of all blocks of an output, one after the other.
std::vector<std::vector<std::size_t>> orders_of(const Row& row, std::size_t chunk) {
  std::vector<std::vector<std::size_t>> orders;
  for (std::size_t first = 0; first < row.most.size(); first += ordered_block) {
    orders.push_back(balanced(row.most.data() + first, std::min(ordered_block, row.most.size() - first), chunk));
  }
  return orders;
}

bool keeps_balanced(const Row& row, std::size_t chunk) {
  const std::vector<std::vector<std::size_t>> orders = orders_of(row, chunk);
  for (std::size_t block = 0; block < orders.size(); ++block) {
    const std::int64_t* most = row.most.data() + block * ordered_block;
    const std::size_t count = std::min(ordered_block, row.most.size() - block * ordered_block);
    for (std::size_t i = 0; i < orders[block].size(); i += chunk) {
      std::int64_t sum = 0;
      for (std::size_t j = i; j < i + chunk; ++j) sum += orders[block][j] < count ? most[orders[block][j]] : 0;
      if (sum > largest_entry) return false;
    }
  }
  return std::accumulate(row.most.begin(), row.most.end(), std::int64_t{0}) <= largest_sum;
}

// The largest chunk above `least` for which the groups of every output can be ordered; 0 where there is none.
std::size_t balanced_chunk(const std::vector<Row>& rows, std::size_t least) {
  for (std::size_t chunk : {std::size_t{8}, std::size_t{4}, std::size_t{2}}) {
    if (chunk <= least) return 0;
    if (std::all_of(rows.begin(), rows.end(), [&](const Row& row) { return keeps_balanced(row, chunk); })) return chunk;
  }
  return 0;
}

Matrix ordered_matrix(const std::vector<Row>& rows, std::size_t chunk) {
  const std::size_t groups = rows[0].most.size(), outputs = 4 * quads(rows.size());
  Matrix matrix;
  matrix.chunk = chunk;
  const std::size_t all = ordered_groups(groups, chunk) * outputs;
  matrix.tables = Buffer<std::uint8_t>(all * 16);
  matrix.offsets = Buffer<std::uint16_t>(all);
  std::vector<std::vector<std::vector<std::size_t>>> orders;
  for (const Row& row : rows) {
    orders.push_back(orders_of(row, chunk));
    matrix.bases.push_back(static_cast<std::int32_t>(row.base));
  }
  std::size_t at = 0;
  for (std::size_t block = 0, first = 0; first < groups; ++block, first += ordered_block) {
    const std::size_t count = std::min(ordered_block, groups - first);
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t i = 0; i < rounded_up(count, chunk); ++i, ++at) {
        if (o >= rows.size() || orders[o][block][i] == count) continue;
        const std::size_t group = orders[o][block][i];
        const std::int64_t* entries = rows[o].entries.data() + (first + group) * 16;
        std::transform(entries, entries + 16, matrix.tables.data() + at * 16,
                       [](std::int64_t entry) { return static_cast<std::uint8_t>(entry); });
        matrix.offsets[at] = static_cast<std::uint16_t>(group * slice);
      }
    }
  }
  return matrix;
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
    const std::int64_t* entries = row(output).entries.data() + group * 16;
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
    rows.push_back(partial_sums(term, record.weights.data() + o * per_group(term)));
    if (record.chunk > 0) quantise(rows.back(), record.multipliers[o]);
  }
  return rows;
}

void check_tables(const std::vector<Row>& rows, std::size_t chunk) {
  for (const Row& row : rows) {
    if (chunk > longest_chunk || !keeps(row, chunk)) throw std::invalid_argument("tables are out of range");
  }
}

}  // namespace

void set_tables(Term& term, const TermRecord& record, std::size_t lookup_pairs) {
  // One weight of this size spans a byte already.
  const auto is_wide = [](std::int16_t weight) { return weight > largest_entry || weight < -largest_entry; };
  if (record.chunk == 0 && std::any_of(record.weights.begin(), record.weights.end(), is_wide)) return;
  std::vector<Matrix> matrices;
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::vector<Row> rows = rows_of(term, record, group);
    const std::size_t chunk = record.chunk > 0 ? record.chunk : exact_chunk(rows);
    const std::size_t better = record.chunk > 0 ? 0 : balanced_chunk(rows, chunk);
    if (chunk == 0 && better == 0) return;
    if (better == 0) check_tables(rows, chunk);
    matrices.push_back(better > 0 ? ordered_matrix(rows, better) : look_up_matrix(rows, chunk, lookup_pairs));
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
