#include "engine/lines.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/weights.hpp"

namespace firebit {

namespace {

constexpr std::size_t largest_panel = std::size_t{1} << 18;
constexpr std::size_t largest_line = std::size_t{1} << 10;

// Rows of a line below the first of a tile.
std::size_t rows_below(const Term& term) { return (term.kernel[0] - 1) * term.dilation[0]; }

std::size_t line_of(const Term& term) { return term.line_slices() * slice + rows_below(term) * term.sums.width; }

// Where a group's bits lie, from where the lines of its block begin.
std::size_t place(const Term& term, std::size_t group, std::size_t block_first, std::size_t line) {
  const std::size_t across = term.kernel[1], taps = term.kernel[0] * across, tap = group % taps;
  const std::size_t plane = group / taps - block_first / taps;
  return (plane * across + tap % across) * line + tap / across * term.dilation[0] * term.sums.width;
}

// Whether nibbles of the source are those of the lines, and as wide.
bool is_alike(const Term& term) {
  const bool aligned = term.groups == 1 || term.inputs % 4 == 0;
  return aligned && term.in.width == term.sums.width && slice % term.sums.width == 0;
}

// Columns that a tap's column lies to the right of the place it is summed up for.
std::ptrdiff_t shift_of(const Term& term, std::size_t x) {
  return static_cast<std::ptrdiff_t>(x * term.dilation[1]) - static_cast<std::ptrdiff_t>(term.padding[2]);
}

// A line as it is seen from its own column: rows outside the map and what lies beside are 0.
class Middle {
 public:
  Middle(const Term& term, const Tile& tile) : width_(term.sums.width) {
    const std::size_t row = tile.first % term.sums.area() / width_, top = term.padding[0];
    const std::size_t rows = term.line_slices() * slice / width_ + rows_below(term);
    const std::size_t above = std::min(rows, top > row ? top - row : 0);
    first_ = std::min(row + above - std::min(row + above, top), term.in.height);
    count_ = std::min(rows - above, term.in.height - first_);
    begin_ = slice + above * width_;
  }

  void fill(const std::uint8_t* plane) { std::memcpy(bytes_ + begin_, plane + first_ * width_, count_ * width_); }

  const std::uint8_t* at(std::ptrdiff_t shift) const { return bytes_ + slice + shift; }

 private:
  std::size_t width_, first_, count_, begin_;
  alignas(64) std::uint8_t bytes_[largest_line + 3 * slice] = {};
};

// What is written beyond a line is overwritten by the next, or read by nobody.
void mask(const std::uint8_t* from, const std::uint8_t* inside, std::size_t line, std::uint8_t* to) {
  for (std::size_t i = 0; i < line; i += slice) {
    std::uint8_t some[slice];
    for (std::size_t j = 0; j < slice; ++j) some[j] = from[i + j] & inside[j];
    std::memcpy(to + i, some, slice);
  }
}

}  // namespace

bool fits_lines(const Term& term) {
  if (term.method != Method::lookup || term.stride[0] != 1 || term.stride[1] != 1) return false;
  const bool tables = std::all_of(term.matrices.begin(), term.matrices.end(), [](const Matrix& m) { return m.codes.size() == 0; });
  const std::size_t area = term.sums.area(), columns = term.line_slices() * slice;
  if (!tables || area < slice || !is_alike(term) || area % columns != 0 || columns == 3 * slice) return false;
  if ((term.kernel[1] - 1) * term.dilation[1] > slice || line_of(term) > largest_line) return false;
  // Groups of a block begin somewhere in a plane, and end in another.
  const std::size_t planes = lookup_block / (term.kernel[0] * term.kernel[1]) + 2;
  const std::size_t farthest = planes * term.kernel[1] * line_of(term);
  return farthest <= std::numeric_limits<std::uint16_t>::max() && term.lines() * line_of(term) <= largest_panel;
}

void set_lines(Term& term) {
  const std::size_t line = line_of(term), outputs = 4 * quads(term.outputs);
  for (Matrix& matrix : term.matrices) {
    const std::size_t block = lookup_block_of(matrix.chunk);
    std::uint16_t* offset = matrix.offsets.data();
    for (std::size_t first = 0; first < term.rows; first += block) {
      const std::size_t count = outputs * matrix.chunks_of(std::min(block, term.rows - first));
      for (std::uint16_t* end = offset + count; offset < end; ++offset) {
        *offset = static_cast<std::uint16_t>(place(term, first + *offset / slice, first, line));
      }
    }
  }
  term.line = line;
  term.field = {true, term.field.planes, 1, term.in.height, term.in.width};
  for (std::size_t x = 0; x < term.kernel[1]; ++x) {
    for (std::size_t column = 0; column < slice; ++column) {
      const std::ptrdiff_t seen = static_cast<std::ptrdiff_t>(column % term.in.width) + shift_of(term, x);
      term.inside.push_back(seen >= 0 && seen < static_cast<std::ptrdiff_t>(term.in.width) ? 255 : 0);
    }
  }
}

std::size_t block_begin(const Term& term, std::size_t first) {
  return first / (term.kernel[0] * term.kernel[1]) * term.kernel[1] * term.line;
}

void fill_lines(const Term& term, const Values& source, const Tile& tile, std::uint8_t* panel) {
  // Tiles of several pictures see all of each.
  Middle middle(term, tile);
  const std::size_t columns = term.line_slices() * slice, area = term.sums.area();
  for (std::size_t group = 0; group < term.groups; ++group, panel += term.panel_bytes() / term.groups * tile.slices()) {
    for (std::size_t done = 0; done < tile.columns; done += columns) {
      const std::uint8_t* picture = source.data + (tile.first + done) / area * source.stride;
      std::uint8_t* line = panel + term.slice_begin(done / slice);
      for (std::size_t plane = 0; plane < term.planes_of_group(); ++plane) {
        middle.fill(picture + (term.first_plane(group) + plane) * term.in.area());
        for (std::size_t x = 0; x < term.kernel[1]; ++x, line += term.line) {
          mask(middle.at(shift_of(term, x)), term.inside.data() + x * slice, term.line, line);
        }
      }
    }
  }
}

}  // namespace firebit
