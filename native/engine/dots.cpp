#include "engine/dots.hpp"

#include <algorithm>

#include "engine/gather.hpp"

namespace firebit {

namespace {

// Sums of four outputs from 4q on.
void run_quad(const Kernels& kernels, const Term& term, std::size_t q, const std::int16_t* flat, std::int32_t* out) {
  const Matrix& matrix = term.matrices[0];
  const std::size_t row = 4 * q * term.length;
  if (matrix.signs.size() > 0) {
    const auto* bits = reinterpret_cast<const std::uint8_t*>(flat);
    kernels.hamming(bits, matrix.signs.data() + row / 8, out, 1, 4, term.length / 8);
    for (std::size_t o = 0; o < 4; ++o) out[o] = matrix.bases[4 * q + o] - out[o];
  } else {
    kernels.dot16(matrix.wide.data() + row, term.length, 1, flat, out);
  }
}

bool has_rows(const Term& term) { return term.matrices[0].narrow.size() > 0; }

// How the columns of a term's rows are shared out: each part is outputs of one block.
struct RowParts {
  std::size_t of_block, columns, count;

  RowParts(const Term& term, std::size_t wanted) {
    of_block = std::clamp<std::size_t>(wanted, 1, term.width_of_rows() / slice);
    columns = rounded_up((term.width_of_rows() + of_block - 1) / of_block, slice);
    count = of_block * term.row_blocks();
  }
  std::size_t first(const Term& term, std::size_t part) const {
    return part / of_block * term.width_of_rows() + part % of_block * columns;
  }
  std::size_t end(const Term& term, std::size_t part) const {
    const std::size_t block = (part / of_block + 1) * term.width_of_rows();
    return std::min({first(term, part) + columns, block, term.outputs});
  }
};

// out grows by the sums of outputs first … end of a block over a segment of bits.
void add_segment(const Kernels& kernels, const Term& term, std::size_t first, std::size_t end, std::size_t segment,
                 const std::int16_t* flat, std::int32_t* out) {
  const auto* counts = reinterpret_cast<const std::uint16_t*>(flat);
  const std::uint16_t* set = counts + term.row_segments() + segment * row_segment;
  const std::size_t width = term.width_of_rows(), row = first / width * term.length + segment * row_segment;
  const std::int8_t* weights = term.matrices[0].narrow.data() + row * width + first % width;
  kernels.add_rows({weights, width, set, counts[segment], end - first, out});
}

// Several pictures see a segment of weights while it is in the second cache.
void run_rows(const Work& work, const Term& term, std::size_t stride) {
  constexpr std::size_t cached = 1024;
  const std::size_t parts = work.pictures > 1 ? term.width_of_rows() / cached : 1;
  const RowParts split(term, std::max(parts, work.team.size()));
  work.team.each(split.count, [&](std::size_t part, std::size_t) {
    const std::size_t first = split.first(term, part), end = split.end(term, part);
    if (first >= end) return;
    for (std::size_t segment = 0; segment < term.row_segments(); ++segment) {
      for (std::size_t i = 0; i < work.pictures; ++i) {
        add_segment(work.kernels, term, first, end, segment, work.space.flat.data() + i * term.flat_size(),
                    work.space.total.data() + i * stride + first);
      }
    }
  });
}

void run_quads(const Work& work, const Term& term, std::size_t stride) {
  const std::size_t rows = quads(term.outputs);
  // Parts of about a hundred thousand products: less is not worth a thread.
  const std::size_t part = std::max<std::size_t>(1, (1 << 15) / term.length);
  work.team.each((rows + part - 1) / part, [&](std::size_t task, std::size_t) {
    for (std::size_t q = task * part; q < std::min(rows, (task + 1) * part); ++q) {
      for (std::size_t i = 0; i < work.pictures; ++i) {
        std::int32_t sums[4];
        run_quad(work.kernels, term, q, work.space.flat.data() + i * term.flat_size(), sums);
        std::int32_t* to = work.space.total.data() + i * stride + 4 * q;
        for (std::size_t o = 0; o < 4; ++o) to[o] += sums[o];
      }
    }
  });
}

}  // namespace

void add_dots(const Work& work, const Term& term, const std::int16_t* flat, std::int32_t* sums, std::size_t stride) {
  if (has_rows(term)) {
    const RowParts split(term, work.team.size());
    work.team.each(split.count, [&](std::size_t part, std::size_t) {
      const std::size_t first = split.first(term, part), end = split.end(term, part);
      if (first >= end) return;
      std::int32_t found[row_width] = {};
      for (std::size_t segment = 0; segment < term.row_segments(); ++segment) {
        add_segment(work.kernels, term, first, end, segment, flat, found);
      }
      for (std::size_t o = first; o < end; ++o) sums[o * stride] += found[o - first];
    });
    return;
  }
  work.team.each(quads(term.outputs), [&](std::size_t q, std::size_t) {
    std::int32_t found[4];
    run_quad(work.kernels, term, q, flat, found);
    for (std::size_t o = 4 * q; o < std::min(4 * q + 4, term.outputs); ++o) sums[o * stride] += found[o % 4];
  });
}

void run_dots(const Work& work) {
  Workspace& space = work.space;
  const std::size_t stride = 4 * quads(work.layer.units.channels);
  std::fill(space.total.data(), space.total.data() + work.pictures * stride, 0);
  for (const Term& term : work.layer.terms) {
    const Values& source = work.sources[term.source];
    for (std::size_t i = 0; i < work.pictures; ++i) {
      fill_flat(term, source.data + i * source.stride, space.flat.data() + i * term.flat_size());
    }
    (has_rows(term) ? run_rows : run_quads)(work, term, stride);
  }
}

}  // namespace firebit
