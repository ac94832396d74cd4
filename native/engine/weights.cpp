#include "engine/weights.hpp"

#include <algorithm>
#include <cstring>

#include "engine/winograd.hpp"

namespace firebit {

namespace {

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

// All rows of a panel of quads in one block, for kernels that take a word of four bytes per output and group.
Quads one_block(const Term& term) {
  const std::size_t all = quads(term.outputs), groups = term.rows / 4;
  Quads of;
  of.weights = Buffer<std::uint8_t>(all * groups * 16);
  of.block = groups;
  for (std::size_t q = 0; q < all; ++q) of.starts.push_back(q * groups * 16);
  of.passes.assign(all, 1);
  of.chunks.assign(all, 1);
  of.bases.assign(4 * all, 0);
  return of;
}

// Where the byte of a row of the panel lies for an output.
std::size_t quad_place(const Term& term, std::size_t output, std::size_t row) {
  return (output / 4 * (term.rows / 4) + row / 4) * 16 + output % 4 * 4 + row % 4;
}

Matrix bytes_matrix(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1];
  Matrix matrix;
  matrix.quads = one_block(term);
  for (std::size_t o = 0; o < term.outputs; ++o) {
    for (std::size_t k = 0; k < per_group(term); ++k) {
      matrix.quads.weights[quad_place(term, o, k)] = static_cast<std::uint8_t>(at(term, weights, o, k / taps, k % taps));
    }
  }
  return matrix;
}

// Bits 1 for +1: Σ w·a is the number of these less the number of bits in which w and a differ.
Matrix popcount_matrix(const Term& term, const std::int16_t* weights) {
  const std::size_t taps = term.kernel[0] * term.kernel[1];
  Matrix matrix;
  matrix.quads = one_block(term);
  for (std::size_t o = 0; o < term.outputs; ++o) {
    for (std::size_t k = 0; k < per_group(term); ++k) {
      const std::size_t channel = k / taps, tap = k % taps;
      if (at(term, weights, o, channel, tap) < 0) continue;
      std::uint8_t& byte = matrix.quads.weights[quad_place(term, o, channel / 8 * taps + tap)];
      byte = static_cast<std::uint8_t>(byte | 1u << (channel % 8));
      ++matrix.quads.bases[o];
    }
  }
  return matrix;
}

// What a row of a dot sees at every place, in the order of the values in memory: nibbles as four bits each, or bytes.
template <class Item, class Place>
void each_weight(const Term& term, const Item* weights, Place place) {
  const std::size_t taps = term.kernel[0] * term.kernel[1];
  const bool bits = term.format == Format::bits;
  for (std::size_t o = 0; o < term.outputs; ++o) {
    for (std::size_t channel = 0; channel < term.inputs; ++channel) {
      const std::size_t first = bits ? channel / 4 * taps * 4 + channel % 4 : channel * taps, step = bits ? 4 : 1;
      for (std::size_t tap = 0; tap < taps; ++tap) place(o, first + tap * step, *weights++);
    }
  }
}

template <class Item>
bool are_narrow(const Item* weights, std::size_t count) {
  Item least = 0, most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    least = std::min(least, weights[i]);
    most = std::max(most, weights[i]);
  }
  return least >= -128 && most <= 127;
}

// Turns eight rows of eight bytes, the first byte of each being its lowest: blocks of four by four change places, then
// their blocks of two by two, then bytes.
inline void turn(std::uint64_t (&rows)[8]) {
  const auto swap = [&](std::size_t apart, std::uint64_t mask) {
    for (std::size_t i = 0; i < 8; ++i) {
      if ((i & apart) != 0) continue;
      const std::uint64_t differ = (rows[i] >> 8 * apart ^ rows[i + apart]) & mask;
      rows[i] ^= differ << 8 * apart;
      rows[i + apart] ^= differ;
    }
  };
  swap(4, 0x00000000ffffffffu);
  swap(2, 0x0000ffff0000ffffu);
  swap(1, 0x00ff00ff00ff00ffu);
}

// A row of weights for every bit, outputs side by side.
template <class Item>
Buffer<std::int8_t> narrow_rows(const Term& term, const Item* weights, Team& team) {
  const std::size_t width = term.width_of_rows(), taps = term.kernel[0] * term.kernel[1], all = per_group(term);
  Buffer<std::int8_t> made(term.row_blocks() * term.length * width);
  // Tiles of whole cache lines, turned where they do not lie a power of two apart.
  constexpr std::size_t together = 32;
  share(team, (term.outputs + slice - 1) / slice, made.size(), [&](std::size_t part) {
    const std::size_t first = part * slice;
    std::int8_t tile[slice][together] = {};
    const std::size_t outputs = std::min(slice, term.outputs - first);
    std::int8_t* block = made.data() + first / width * term.length * width + first % width;
    for (std::size_t start = 0; start < all; start += together) {
      const std::size_t count = std::min(together, all - start);
      for (std::size_t o = 0; o < outputs; ++o) {
        const Item* from = weights + (first + o) * all + start;
        std::transform(from, from + count, tile[o], [](Item item) { return static_cast<std::int8_t>(item); });
      }
      for (std::size_t i = 0; i < count; i += 8) {
        std::int8_t* to[8];
        const std::size_t some = std::min<std::size_t>(8, count - i);
        for (std::size_t k = 0; k < some; ++k) {
          const std::size_t input = start + i + k, channel = input / taps;
          to[k] = block + (channel / 4 * taps * 4 + input % taps * 4 + channel % 4) * width;
        }
        for (std::size_t o = 0; o < outputs; o += 8) {
          std::uint64_t rows[8];
          for (std::size_t r = 0; r < 8; ++r) std::memcpy(rows + r, tile[o + r] + i, sizeof rows[r]);
          turn(rows);
          // Outputs behind the last have room: rows are whole slices.
          for (std::size_t k = 0; k < some; ++k) std::memcpy(to[k] + o, rows + k, sizeof rows[k]);
        }
      }
    }
  });
  return made;
}

// Rows of whole slices.
template <class Item>
Matrix dot_matrix(Term& term, const Item* weights, Team& team) {
  const bool bits = term.format == Format::bits;
  const std::size_t taps = term.kernel[0] * term.kernel[1], rows = 4 * quads(term.outputs);
  const std::size_t length = rounded_up(bits ? quads(term.inputs) * taps * 4 : per_group(term), slice);
  term.length = length;
  Matrix matrix;
  if (bits && is_sign(term, weights)) {
    matrix.signs = Buffer<std::uint8_t>(rows * length / 8);
    matrix.bases.assign(rows, 0);
    each_weight(term, weights, [&](std::size_t o, std::size_t i, std::int16_t weight) {
      if (weight < 0) return;
      std::uint8_t& byte = matrix.signs[(o * length + i) / 8];
      byte = static_cast<std::uint8_t>(byte | 1u << (i % 8));
      ++matrix.bases[o];
    });
  } else if (bits && are_narrow(weights, term.outputs * per_group(term))) {
    matrix.narrow = narrow_rows(term, weights, team);
  } else {
    matrix.wide = Buffer<std::int16_t>(rows * length);
    std::int16_t* to = matrix.wide.data();
    each_weight(term, weights, [&](std::size_t o, std::size_t i, std::int16_t weight) { to[o * length + i] = weight; });
  }
  return matrix;
}

}  // namespace

std::size_t per_group(const Term& term) { return term.inputs * term.kernel[0] * term.kernel[1]; }

bool are_bytes(const Term& term, const Weights& weights, bool saturates) {
  const auto fits = [](std::int16_t weight) { return weight >= -128 && weight <= 127; };
  if (!std::all_of(weights.begin(), weights.end(), fits)) return false;
  if (!saturates) return true;
  // 255 times what neighbours have of one sign stays within 16 bits.
  constexpr int most = 128;
  const std::size_t length = per_group(term);
  for (std::size_t o = 0; o < weights.size(); o += length) {
    for (std::size_t k = 0; k + 1 < length; k += 2) {
      const int a = weights.data()[o + k], b = weights.data()[o + k + 1];
      if (std::max(a, 0) + std::max(b, 0) > most || std::min(a, 0) + std::min(b, 0) < -most) return false;
    }
  }
  return true;
}

void set_weights(Term& term, TermRecord& record, Team& team) {
  if (term.method == Method::scalar) term.weights.assign(record.weights.begin(), record.weights.end());
  if (term.method == Method::scalar || term.method == Method::lookup || term.method == Method::wide) return;
  if (record.bytes.size() > 0) {
    term.matrices.push_back(dot_matrix(term, record.bytes.data(), team));
    return;
  }
  for (std::size_t group = 0; group < term.groups; ++group) {
    const std::int16_t* weights = record.weights.data() + group * term.outputs * per_group(term);
    switch (term.method) {
      case Method::tabled: term.matrices.push_back(tabled_matrix(term, weights)); break;
      case Method::popcount: term.matrices.push_back(popcount_matrix(term, weights)); break;
      case Method::bytes: term.matrices.push_back(bytes_matrix(term, weights)); break;
      case Method::winograd: term.matrices.push_back(winograd_matrix(term, weights)); break;
      case Method::product: term.matrices.push_back(product_matrix(term, weights)); break;
      default: term.matrices.push_back(dot_matrix(term, weights, team)); break;
    }
  }
}

}  // namespace firebit
