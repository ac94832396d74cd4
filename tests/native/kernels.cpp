// Kernels of one instruction set against the portable ones on drawn inputs: for machines that no Python runs on.
// Prints the number of comparisons; the first difference ends it with 1.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dispatch.hpp"

namespace {

using firebit::Kernels;
using firebit::slack;
using firebit::slice;

std::mt19937 random_bits(1);
std::size_t comparisons = 0;

std::size_t below(std::size_t end) { return random_bits() % end; }

template <class Item>
std::vector<Item> drawn(std::size_t count, std::int64_t least, std::int64_t most) {
  std::vector<Item> items(count + slack);
  for (Item& item : items) item = static_cast<Item>(least + static_cast<std::int64_t>(random_bits() % (most - least + 1)));
  return items;
}

template <class Item>
void compare(const char* what, const std::vector<Item>& a, const std::vector<Item>& b, std::size_t count) {
  ++comparisons;
  if (std::memcmp(a.data(), b.data(), count * sizeof(Item)) == 0) return;
  std::printf("%s differs\n", what);
  std::exit(1);
}

void hamming(const Kernels& a, const Kernels& b) {
  const std::size_t bytes = below(4000);
  const auto left = drawn<std::uint8_t>(3 * bytes, 0, 255), right = drawn<std::uint8_t>(2 * bytes, 0, 255);
  std::vector<std::int32_t> x(6), y(6);
  a.hamming(left.data(), right.data(), x.data(), 3, 2, bytes);
  b.hamming(left.data(), right.data(), y.data(), 3, 2, bytes);
  compare("hamming", x, y, 6);
}

// Few distances and ranks, so that many tie, and some codes that are left out.
void nearest(const Kernels& a, const Kernels& b) {
  const std::size_t sizes[] = {1, 4, 6, 8, 16, 32, 64, 128, 131}, bytes = sizes[below(9)];
  const std::size_t kept = 1 + below(12), count = below(200);
  const auto query = drawn<std::uint8_t>(bytes, 0, 1), codes = drawn<std::uint8_t>(count * bytes, 0, 1);
  auto ranks = drawn<std::int64_t>(count, -1, 0);
  for (std::size_t i = 0; i < count; ++i) ranks[i] = ranks[i] < 0 ? -1 : static_cast<std::int64_t>(count - i);
  std::vector<std::uint64_t> x(kept, std::uint64_t{40} << firebit::rank_bits), y = x;
  const firebit::Scan scan{query.data(), codes.data(), ranks.data(), count, bytes, kept};
  a.scan(scan, x.data());
  b.scan(scan, y.data());
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  compare("the nearest", x, y, kept);
}

// Look-ups of outputs with orders of their own for their groups, then both ways to go on from their sums.
void look_up(const Kernels& a, const Kernels& b) {
  const std::size_t chunks[] = {1, 2, 3, 4, 5, 8, 63};
  const std::size_t chunk = chunks[below(7)], quads = 1 + below(5), outputs = 4 * quads;
  const std::size_t groups = chunk > 1 ? 1 + below(128) : 1 + below(120), slices = 1 + below(2), rows = 1 + below(200);
  const auto panel = drawn<std::uint8_t>(slices * rows * slice, 0, 15);
  const auto tables = drawn<std::uint8_t>(outputs * groups * 16, 0, static_cast<std::int64_t>(255 / chunk));
  auto offsets = drawn<std::uint16_t>(outputs * groups, 0, static_cast<std::int64_t>(rows - 1));
  // A second slice lies right beside the first, or rows away.
  const bool near = below(2) == 1;
  const std::size_t second = near ? slice : rows * slice, step = near ? slices * slice : slice;
  for (std::uint16_t& offset : offsets) offset = static_cast<std::uint16_t>(offset * step);
  const auto thresholds = drawn<std::uint16_t>(outputs, 0, static_cast<std::int64_t>(groups * 255 / chunk));
  const auto flips = drawn<std::uint8_t>(quads, 0, 15);
  const auto bases = drawn<std::int32_t>(outputs, -100000, 100000);
  const bool begins = below(2) == 0;
  const std::size_t all = slices * outputs * slice;
  std::vector<std::uint8_t> bits[2];
  std::vector<std::int32_t> sums[3];
  const Kernels* both[] = {&a, &b};
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<std::uint16_t> kept(all + slack);
    for (bool first : {true, false}) {
      both[i]->look_up({tables.data(), offsets.data(), groups, outputs, chunk, panel.data(), second, kept.data(), outputs * slice,
                        slices, first});
    }
    bits[i].resize(slices * quads * slice + slack);
    sums[i].assign(all + slack, 7);
    for (std::size_t s = 0; s < slices; ++s) {
      const std::uint16_t* found = kept.data() + s * outputs * slice;
      both[i]->look_up_bits(found, quads, thresholds.data(), flips.data(), bits[i].data() + s * quads * slice, slice);
      both[i]->look_up_sums(found, outputs, bases.data(), sums[i].data() + s * outputs * slice, slice, begins);
    }
  }
  sums[2].assign(all, 0);
  for (std::size_t i = 0; i < all; ++i) {
    const std::size_t s = i / (outputs * slice), o = i / slice % outputs, column = i % slice;
    sums[2][i] = bases[o] + (begins ? 0 : 7);
    for (std::size_t g = 0; g < groups; ++g) {
      const std::uint8_t index = panel[offsets[o * groups + g] + s * second + column];
      sums[2][i] += 2 * tables[(o * groups + g) * 16 + index];
    }
  }
  compare("look_up_bits", bits[0], bits[1], slices * quads * slice);
  compare("look_up_sums", sums[0], sums[1], all);
  compare("look_up_sums by hand", sums[0], sums[2], all);
}

void look_up_signs(const Kernels& a, const Kernels& b) {
  const std::size_t groups = 1 + below(128), outputs = 4 * (1 + below(5)), slices = 1 + below(2), all = slices * outputs * slice;
  const auto panel = drawn<std::uint8_t>(slices * groups * slice, 0, 15);
  auto codes = drawn<std::uint16_t>(outputs / 2 * groups, 0, 255);
  for (std::uint16_t& code : codes) code = static_cast<std::uint16_t>(code * 16);
  const auto bases = drawn<std::int32_t>(outputs, -9, 9);
  std::vector<std::uint16_t> kept[] = {std::vector<std::uint16_t>(all + slack), std::vector<std::uint16_t>(all + slack)};
  std::vector<std::int32_t> sums[2], by_hand(all + slack);
  const Kernels* both[] = {&a, &b};
  for (std::size_t i = 0; i < 2; ++i) {
    sums[i].assign(all + slack, 7);
    for (bool first : {true, false}) {
      both[i]->look_up_signs({codes.data(), groups, outputs, panel.data(), groups * slice, kept[i].data(), outputs * slice, slices, first});
    }
    for (std::size_t s = 0; s < slices; ++s) {
      const std::size_t place = s * outputs * slice;
      both[i]->look_up_sums(kept[i].data() + place, outputs, bases.data(), sums[i].data() + place, slice, true);
    }
  }
  for (std::size_t i = 0; i < all; ++i) {
    const std::size_t s = i / (outputs * slice), o = i / slice % outputs, column = i % slice;
    by_hand[i] = bases[o];
    for (std::size_t g = 0; g < groups; ++g) {
      const unsigned like = ~(panel[(s * groups + g) * slice + column] ^ codes[o / 2 * groups + g] >> (o % 2 == 0 ? 4 : 8)) & 15;
      for (unsigned bit = 0; bit < 4; ++bit) by_hand[i] += 2 * static_cast<std::int32_t>(like >> bit & 1);
    }
  }
  compare("look_up_signs", sums[0], sums[1], all);
  compare("look_up_signs by hand", sums[0], by_hand, all);
}

void sum_tables(const Kernels& a, const Kernels& b) {
  const std::size_t groups = 1 + below(20), slices = 1 + below(4), outputs = 1 + below(32);
  const auto weights = drawn<std::int16_t>(groups * 4 * 32, -32767, 32767);
  const auto panel = drawn<std::uint8_t>(slices * groups * slice, 0, 15);
  std::vector<std::int32_t> scratch(firebit::table_scratch(slices) + slack), x(32 * slices * slice + slack, 3), y = x;
  a.sum_tables({weights.data(), groups, outputs, panel.data(), groups * slice, slices, scratch.data(), x.data(), slices * slice});
  b.sum_tables({weights.data(), groups, outputs, panel.data(), groups * slice, slices, scratch.data(), y.data(), slices * slice});
  compare("sum_tables", x, y, 32 * slices * slice);
}

void multiply(const Kernels& a, const Kernels& b) {
  const bool begins = below(2) == 1;
  const std::size_t pairs = 1 + below(30), quads = 1 + below(4);
  const auto weights = drawn<std::int16_t>(quads * pairs * 8, -32767, 32767);
  const auto panel = drawn<std::int16_t>(pairs * slice * 2, 0, 255);
  std::vector<std::int32_t> x(4 * quads * slice + slack, 5), y = x;
  a.multiply({weights.data(), pairs, quads, panel.data(), x.data(), slice, begins});
  b.multiply({weights.data(), pairs, quads, panel.data(), y.data(), slice, begins});
  compare("multiply", x, y, 4 * quads * slice);
}

// Rows of five weights of one or two channels and four outputs, against sums by hand.
void winograd(const Kernels& a, const Kernels& b) {
  constexpr std::size_t points = firebit::winograd_points, taps = firebit::winograd_taps;
  const int powers[points][taps] = {{4, 0, 0, 0, 0},   {5, 5, 5, 5, 5},   {5, -5, 5, -5, 5},   {1, 2, 4, 8, 16},
                                    {1, -2, 4, -8, 16}, {16, 8, 4, 2, 1}, {16, -8, 4, -2, 1}, {0, 0, 0, 0, 4}};
  const std::size_t slices = 1 + below(3), columns = slices * slice, height = 1 + below(8);
  const std::size_t tiles = std::size_t{1} << below(5), down = slices * firebit::winograd_tiles / tiles;
  const std::size_t rows = down + height - 1, width = 4 * tiles + 4, cells = rows * tiles, plane = rows * width;
  const bool two = below(2) == 1, begins = below(2) == 1;
  const std::size_t pairs = two ? height : (height + 1) / 2;
  const auto source = drawn<std::uint8_t>(2 * plane, 0, 255);
  const auto weights = drawn<std::int16_t>(4 * 2 * height * taps, -1057, 1057);
  std::vector<std::int16_t> x(points * cells * 2 + slack), y(points * cells * 2 + slack), at_points(points * pairs * 8);
  const std::uint8_t* second = two ? source.data() + plane : nullptr;
  if (a.winograd == nullptr) return;
  a.transform({source.data(), second, width, rows, tiles, x.data(), 2 * cells});
  b.transform({source.data(), second, width, rows, tiles, y.data(), 2 * cells});
  compare("transform", x, y, points * cells * 2);
  for (std::size_t i = 0; i < at_points.size(); ++i) {
    const std::size_t point = i / (pairs * 8), pair = i / 8 % pairs, o = i / 2 % 4;
    const std::size_t channel = two ? i % 2 : 0, row = two ? pair : 2 * pair + i % 2;
    int sum = 0;
    for (std::size_t t = 0; t < taps && row < height; ++t) {
      sum += powers[point][t] * weights[((o * 2 + channel) * height + row) * taps + t];
    }
    at_points[i] = static_cast<std::int16_t>(sum);
  }
  std::vector<std::uint32_t> places;
  for (std::size_t pair = 0; pair < pairs; ++pair) places.push_back(static_cast<std::uint32_t>(pair * (two ? 1 : 2) * tiles * 4));
  std::vector<std::int32_t> sums(4 * columns + slack, 7), by_hand(4 * columns, begins ? 0 : 7);
  for (std::size_t i = 0; i < by_hand.size(); ++i) {
    const std::size_t o = i / columns, row = i % columns / (4 * tiles), column = i % (4 * tiles);
    for (std::size_t t = 0; t < (two ? 2 : 1) * height * taps; ++t) {
      const std::size_t channel = t / (height * taps), tap = t % (height * taps);
      const std::size_t place = channel * plane + (row + tap / taps) * width + column + tap % taps;
      by_hand[i] += weights[o * 2 * height * taps + t] * source[place];
    }
  }
  const firebit::Winograd at{at_points.data(), pairs,  places.data(), 1,
                             slices,           reinterpret_cast<const std::uint8_t*>(x.data()), cells * 4};
  a.winograd(at, {sums.data(), columns, begins});
  compare("winograd by hand", sums, by_hand, by_hand.size());
  if (!begins) return;
  const auto limits = drawn<std::int32_t>(4, -2'000'000, 2'000'000);
  const auto flips = drawn<std::uint8_t>(1, 0, 15);
  std::vector<std::uint8_t> bits(columns + slack), bits_by_hand(columns);
  for (std::size_t i = 0; i < by_hand.size(); ++i) {
    const std::size_t o = i / columns, column = i % columns;
    bits_by_hand[column] = static_cast<std::uint8_t>(bits_by_hand[column] ^ ((by_hand[i] > limits[o] ? 1u : 0u) << o));
  }
  for (std::uint8_t& nibble : bits_by_hand) nibble = static_cast<std::uint8_t>(nibble ^ flips[0]);
  std::vector<std::int32_t> sixteenfold;
  for (std::size_t o = 0; o < 4; ++o) sixteenfold.push_back(16 * limits[o]);
  a.winograd_bits(at, {sixteenfold.data(), flips.data(), bits.data(), columns});
  compare("winograd_bits by hand", bits, bits_by_hand, columns);
}

// Weights of which neighbours may be multiplied with 255 and added up in 16 bits.
void multiply_bytes(const Kernels& a, const Kernels& b) {
  const bool begins = below(2) == 1;
  const std::size_t groups = 1 + below(30);
  const bool wide = !a.saturates;
  const auto weights = drawn<std::uint8_t>(groups * 16, wide ? -128 : -64, wide ? 127 : 64);
  const auto panel = drawn<std::uint8_t>(groups * slice * 4, 0, 255);
  const auto bases = drawn<std::int32_t>(4, -1000, 1000);
  std::vector<std::int32_t> x(4 * slice + slack, 5), y = x;
  a.multiply_bytes({weights.data(), groups, 1, 1, panel.data(), bases.data(), x.data(), slice, begins});
  b.multiply_bytes({weights.data(), groups, 1, 1, panel.data(), bases.data(), y.data(), slice, begins});
  compare("multiply_bytes", x, y, 4 * slice);
}

void count_ones(const Kernels& a, const Kernels& b) {
  const bool begins = below(2) == 1;
  const std::size_t groups = 1 + below(100);
  const auto weights = drawn<std::uint8_t>(groups * 16, 0, 255), panel = drawn<std::uint8_t>(groups * slice * 4, 0, 255);
  const auto bases = drawn<std::int32_t>(4, -1000, 1000);
  std::vector<std::int32_t> x(4 * slice + slack, 5), y = x;
  a.count_ones({weights.data(), groups, 1, 1, panel.data(), bases.data(), x.data(), slice, begins});
  b.count_ones({weights.data(), groups, 1, 1, panel.data(), bases.data(), y.data(), slice, begins});
  compare("count_ones", x, y, 4 * slice);
}

void look_up_wide(const Kernels& a, const Kernels& b) {
  const bool begins = below(2) == 1;
  if (a.look_up_wide == nullptr) return;
  const std::size_t groups = 1 + below(30), passes = 1 + below(3), chunk = 1 + below(2);
  const auto tables = drawn<std::uint8_t>(passes * groups * 256, 0, static_cast<std::int64_t>(255 / chunk));
  auto panel = drawn<std::uint8_t>(groups * slice * 4, 0, 15);
  for (std::size_t i = 0; i < groups * slice * 4; ++i) panel[i] = static_cast<std::uint8_t>(panel[i] + i % 4 * 16);
  const auto bases = drawn<std::int32_t>(4, -1000, 1000);
  std::vector<std::int32_t> x(4 * slice + slack, 5), y = x;
  a.look_up_wide({tables.data(), groups, passes, chunk, panel.data(), bases.data(), x.data(), slice, begins});
  b.look_up_wide({tables.data(), groups, passes, chunk, panel.data(), bases.data(), y.data(), slice, begins});
  compare("look_up_wide", x, y, 4 * slice);
}

void fill_quads(const Kernels& a, const Kernels& b) {
  const std::size_t rows = 4 * (1 + below(5)), width = 1 + below(40), last = 1 + below(slice);
  const auto source = drawn<std::uint8_t>(2000, 0, 15);
  std::vector<std::uint32_t> taps(rows);
  for (std::uint32_t& tap : taps) tap = below(6) == 0 ? firebit::no_tap : static_cast<std::uint32_t>(below(500));
  std::vector<firebit::Stretch> stretches;
  for (std::size_t column = 0; column < slice + last; column += stretches.back().length) {
    const std::size_t inside = column % slice, most = column < slice ? slice : last;
    const auto length = static_cast<std::uint32_t>(std::min(width, most - inside));
    stretches.push_back({static_cast<std::uint32_t>(column / slice), static_cast<std::uint32_t>(inside), length,
                         static_cast<std::uint32_t>(below(1000))});
  }
  const firebit::Filling filling{stretches.data(), stretches.size(), 2, last, taps.data(), rows};
  std::vector<std::uint8_t> x(2 * rows * slice + slack), y = x;
  a.fill_quads(filling, source.data(), 0x30201000u, x.data());
  b.fill_quads(filling, source.data(), 0x30201000u, y.data());
  for (std::size_t k = 0; k < rows; k += 4) {
    // What lies behind the last column is anything.
    for (auto* panel : {&x, &y}) {
      const auto first = panel->begin() + static_cast<std::ptrdiff_t>((rows + k) * slice);
      std::fill(first + static_cast<std::ptrdiff_t>(4 * last), first + 4 * slice, std::uint8_t{0});
    }
  }
  compare("fill_quads", x, y, 2 * rows * slice);
}

// Sides, windows and places of a pooling.
template <class Pool>
void draw_windows(Pool& pool) {
  // Mostly as windows mostly are.
  const bool usual = below(3) > 0;
  const std::size_t kernel = 2 + below(2);
  for (std::size_t i = 0; i < 2; ++i) {
    pool.sides[i] = 1 + below(40);
    pool.kernel[i] = usual ? kernel : 1 + below(4);
    pool.stride[i] = usual ? 2 : 1 + below(3);
    pool.padding[i] = usual ? 0 : below(pool.kernel[i] / 2 + 1);
    // The last window may end outside, but begins inside.
    pool.places[i] = 1 + below((pool.sides[i] + pool.padding[i] - 1) / pool.stride[i] + 1);
  }
}

void pool_bits(const Kernels& a, const Kernels& b) {
  firebit::BitPool pool{};
  draw_windows(pool);
  pool.flip = static_cast<std::uint8_t>(below(16));
  const auto plane = drawn<std::uint8_t>(pool.sides[0] * pool.sides[1], 0, 15);
  const std::size_t count = pool.places[0] * pool.places[1];
  std::vector<std::uint8_t> found[3];
  std::vector<std::uint8_t> line(firebit::pool_line(pool.sides[1], pool.places[1], pool.kernel[1], pool.stride[1], pool.padding[1]));
  pool.plane = plane.data();
  pool.line = line.data();
  const Kernels* both[] = {&a, &b};
  for (std::size_t i = 0; i < 3; ++i) {
    found[i].assign(count, 0);
    pool.out = found[i].data();
    if (i < 2) both[i]->pool_bits(pool);
  }
  for (std::size_t place = 0; place < count; ++place) {
    const std::size_t top = place / pool.places[1] * pool.stride[0], left = place % pool.places[1] * pool.stride[1];
    unsigned bits = 0;
    for (std::size_t y = top; y < top + pool.kernel[0]; ++y) {
      for (std::size_t x = left; x < left + pool.kernel[1]; ++x) {
        const bool inside = y >= pool.padding[0] && y - pool.padding[0] < pool.sides[0] && x >= pool.padding[1] &&
                            x - pool.padding[1] < pool.sides[1];
        if (inside) bits |= plane[(y - pool.padding[0]) * pool.sides[1] + x - pool.padding[1]] ^ pool.flip;
      }
    }
    found[2][place] = static_cast<std::uint8_t>(bits ^ pool.flip);
  }
  compare("pool_bits", found[0], found[1], count);
  compare("pool_bits by hand", found[0], found[2], count);
}

void pool_sums(const Kernels& a, const Kernels& b) {
  firebit::SumPool pool{};
  pool.is_max = below(2) == 1;
  pool.begins = below(2) == 1;
  draw_windows(pool);
  pool.planes = 1 + below(3);
  pool.plane_stride = pool.sides[0] * pool.sides[1] + below(9);
  const auto plane = drawn<std::int32_t>(pool.planes * pool.plane_stride, -99, 99);
  pool.out_stride = pool.places[0] * pool.places[1] + below(2) * below(99);
  const std::size_t count = pool.planes * pool.out_stride;
  std::vector<std::int32_t> x(count + slack, 5), y = x, z = x;
  for (std::size_t i = 0; i < pool.planes * pool.places[0] * pool.places[1]; ++i) {
    const std::size_t across = pool.places[1], channel = i / (pool.places[0] * across), place = i % (pool.places[0] * across);
    const std::size_t top = place / across * pool.stride[0], left = place % across * pool.stride[1];
    std::int32_t found = pool.is_max ? -100 : 0;
    for (std::size_t row = top; row < top + pool.kernel[0]; ++row) {
      for (std::size_t column = left; column < left + pool.kernel[1]; ++column) {
        const std::size_t cell_y = row - pool.padding[0], cell_x = column - pool.padding[1];
        if (cell_y >= pool.sides[0] || cell_x >= pool.sides[1]) continue;
        const std::int32_t cell = plane[channel * pool.plane_stride + cell_y * pool.sides[1] + cell_x];
        found = pool.is_max ? std::max(found, cell) : found + cell;
      }
    }
    std::int32_t& out = z[channel * pool.out_stride + place];
    out = pool.begins ? found : out + found;
  }
  std::vector<std::int32_t> line(firebit::pool_line(pool.sides[1], pool.places[1], pool.kernel[1], pool.stride[1], pool.padding[1]));
  pool.plane = plane.data();
  pool.line = line.data();
  pool.out = x.data();
  a.pool_sums(pool);
  pool.out = y.data();
  b.pool_sums(pool);
  // What lies between two planes is anything.
  for (std::size_t i = 0; i < (pool.planes - 1) * pool.out_stride; ++i) {
    if (i % pool.out_stride >= pool.places[0] * pool.places[1]) x[i] = y[i] = z[i];
  }
  compare("pool_sums", x, y, count + slack);
  compare("pool_sums by hand", x, z, count + slack);
}

void add_rows(const Kernels& a, const Kernels& b) {
  const std::size_t width = slice * (1 + below(8)), outputs = 1 + below(width), count = below(257), rows = 1 + below(256);
  // At times the least there is, everywhere.
  const auto weights = drawn<std::int8_t>(rows * width, -128, below(9) == 0 ? -128 : 127);
  const auto set = drawn<std::uint16_t>(count, 0, static_cast<std::int64_t>(rows - 1));
  std::vector<std::int32_t> x(outputs, 5), y = x, z = x;
  a.add_rows({weights.data(), width, set.data(), count, outputs, x.data()});
  b.add_rows({weights.data(), width, set.data(), count, outputs, y.data()});
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t o = 0; o < outputs; ++o) z[o] += weights[set[i] * width + o];
  }
  compare("add_rows", x, y, outputs);
  compare("add_rows by hand", x, z, outputs);
}

void dots(const Kernels& a, const Kernels& b) {
  const std::size_t length = slice * (1 + below(20)), quads = 1 + below(3);
  std::vector<std::int32_t> x(4 * quads), y(4 * quads);
  const auto wide = drawn<std::int16_t>(4 * quads * length, -32767, 32767);
  const auto values = drawn<std::int16_t>(length, 0, 50);
  a.dot16(wide.data(), length, quads, values.data(), x.data());
  b.dot16(wide.data(), length, quads, values.data(), y.data());
  compare("dot16", x, y, 4 * quads);
}

void step(const Kernels& a, const Kernels& b) {
  const std::size_t channels = 1 + below(9), columns = 1 + below(200), quads = (channels + 3) / 4;
  const auto sums = drawn<std::int32_t>(channels * columns, -9, 9), limits = drawn<std::int32_t>(channels, -9, 9);
  const auto flips = drawn<std::uint8_t>(quads, 0, 15);
  std::vector<std::uint8_t> x(quads * columns + slack), y(quads * columns + slack);
  a.step({sums.data(), columns, channels, columns, limits.data(), flips.data(), x.data(), columns});
  b.step({sums.data(), columns, channels, columns, limits.data(), flips.data(), y.data(), columns});
  compare("step", x, y, quads * columns);
  const auto each = drawn<std::int32_t>(channels * columns, -9, 9);
  a.step_each({sums.data(), columns, channels, columns, each.data(), flips.data(), x.data(), columns});
  for (std::size_t i = 0; i < quads * columns; ++i) y[i] = flips[i / columns];
  for (std::size_t i = 0; i < channels * columns; ++i) {
    std::uint8_t& nibble = y[i / columns / 4 * columns + i % columns];
    nibble = static_cast<std::uint8_t>(nibble ^ ((sums[i] > each[i] ? 1u : 0u) << i / columns % 4));
  }
  compare("step_each by hand", x, y, quads * columns);
}

}  // namespace

int main(int count, char** words) {
  const std::size_t rounds = count > 1 ? std::stoul(words[1]) : 200;
  const Kernels portable = firebit::kernels("portable");
  for (const Kernels& kernels : firebit::available_kernels()) {
    for (std::size_t i = 0; i < rounds; ++i) {
      for (auto* test : {hamming, nearest, look_up, look_up_signs, sum_tables, multiply, winograd, multiply_bytes, count_ones, look_up_wide,
                         fill_quads, pool_sums, pool_bits, add_rows, dots, step}) {
        test(kernels, portable);
      }
    }
    std::printf("%s agrees, %zu comparisons\n", kernels.name, comparisons);
  }
  return 0;
}
