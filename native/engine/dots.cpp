#include "engine/dots.hpp"

#include <algorithm>

#include "engine/gather.hpp"

namespace firebit {

void run_dot_rows(const Kernels& kernels, const Term& term, std::size_t q, const std::int16_t* flat, std::int32_t* out) {
  const Matrix& matrix = term.matrices[0];
  const std::size_t row = 4 * q * term.length;
  if (matrix.signs.size() > 0) {
    const auto* bits = reinterpret_cast<const std::uint8_t*>(flat);
    kernels.hamming(bits, matrix.signs.data() + row / 8, out, 1, 4, term.length / 8);
    for (std::size_t o = 0; o < 4; ++o) out[o] = matrix.bases[4 * q + o] - out[o];
  } else if (matrix.narrow.size() > 0) {
    kernels.dot8(matrix.narrow.data() + row, term.length, 1, reinterpret_cast<const std::uint8_t*>(flat), out);
  } else {
    kernels.dot16(matrix.wide.data() + row, term.length, 1, flat, out);
  }
}

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

}  // namespace firebit
