#include "engine/lines.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/weights.hpp"

namespace firebit {

namespace {

constexpr std::size_t largest_panel = std::size_t{1} << 18;
constexpr std::size_t largest_line = std::size_t{1} << 10;

// Vectors of so many bytes that begin at multiples of it lie in one line of the cache.
constexpr std::size_t alignment = 32;

// Rows of a line below the first of a tile.
std::size_t rows_below(const Term& term) { return (term.kernel[0] - 1) * term.dilation[0]; }

std::size_t line_of(const Term& term) {
  return rounded_up(term.line_slices() * slice + rows_below(term) * term.sums.width, alignment);
}

// Bytes between what the first row of a kernel sees of a line and what row `y` of it sees.
std::size_t bytes_below(const Term& term, std::size_t y) { return y * term.dilation[0] * term.sums.width; }

// What the copies of a line leave out at its beginning, so that every row of a kernel finds one where it is aligned.
std::vector<std::size_t> copies_of(const Term& term) {
  std::vector<std::size_t> found;
  for (std::size_t y = 0; y < term.kernel[0]; ++y) {
    const std::size_t left_out = bytes_below(term, y) % alignment;
    if (std::find(found.begin(), found.end(), left_out) == found.end()) found.push_back(left_out);
  }
  return found;
}

// Where a group's bits lie, from where the lines of its block begin.
std::size_t place(const Term& term, std::size_t group, std::size_t block_first) {
  const std::size_t across = term.kernel[1], taps = term.kernel[0] * across, tap = group % taps;
  const std::size_t plane = group / taps - block_first / taps, below = bytes_below(term, tap / across);
  const auto copy = std::find(term.copies.begin(), term.copies.end(), below % alignment);
  const auto index = static_cast<std::size_t>(copy - term.copies.begin());
  return ((plane * across + tap % across) * term.copies.size() + index) * term.line + below / alignment * alignment;
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

  const std::uint8_t* begin() const { return bytes_ + slice; }

 private:
  std::size_t width_, first_, count_, begin_;
  alignas(64) std::uint8_t bytes_[largest_line + 3 * slice] = {};
};

}  // namespace

bool fits_lines(const Term& term) {
  if (term.method != Method::lookup || term.stride[0] != 1 || term.stride[1] != 1) return false;
  const bool tables = std::all_of(term.matrices.begin(), term.matrices.end(), [](const Matrix& m) { return m.codes.size() == 0; });
  const std::size_t area = term.sums.area(), columns = term.line_slices() * slice;
  if (!tables || area < slice || !is_alike(term) || area % columns != 0 || columns == 3 * slice) return false;
  if ((term.kernel[1] - 1) * term.dilation[1] > slice || line_of(term) > largest_line) return false;
  // Groups of a block begin somewhere in a plane, and end in another.
  const std::size_t planes = lookup_block / (term.kernel[0] * term.kernel[1]) + 2;
  const std::size_t bytes = term.kernel[1] * copies_of(term).size() * line_of(term);
  return planes * bytes <= std::numeric_limits<std::uint16_t>::max() && term.planes_of_group() * bytes <= largest_panel;
}

void set_lines(Term& term) {
  const std::size_t outputs = 4 * quads(term.outputs);
  term.line = line_of(term);
  term.copies = copies_of(term);
  for (Matrix& matrix : term.matrices) {
    const std::size_t block = lookup_block_of(matrix.chunk);
    std::uint16_t* offset = matrix.offsets.data();
    for (std::size_t first = 0; first < term.rows; first += block) {
      const std::size_t count = outputs * matrix.chunks_of(std::min(block, term.rows - first));
      for (std::uint16_t* end = offset + count; offset < end; ++offset) {
        *offset = static_cast<std::uint16_t>(place(term, first + *offset / slice, first));
      }
    }
  }
  term.field = {true, term.field.planes, 1, term.in.height, term.in.width};
  for (std::size_t i = 0; i < term.kernel[1] * term.copies.size(); ++i) {
    const std::ptrdiff_t shift = shift_of(term, i / term.copies.size());
    term.starts.push_back(shift + static_cast<std::ptrdiff_t>(term.copies[i % term.copies.size()]));
    for (std::size_t column = 0; column < slice; ++column) {
      const std::ptrdiff_t seen = static_cast<std::ptrdiff_t>(column % term.in.width) + shift;
      term.inside.push_back(seen >= 0 && seen < static_cast<std::ptrdiff_t>(term.in.width) ? 255 : 0);
    }
  }
}

std::size_t block_begin(const Term& term, std::size_t first) {
  return first / (term.kernel[0] * term.kernel[1]) * term.starts.size() * term.line;
}

void fill_lines(const Kernels& kernels, const Term& term, const Values& source, const Tile& tile, std::uint8_t* panel) {
  // Tiles of several pictures see all of each.
  Middle middle(term, tile);
  const std::size_t columns = term.line_slices() * slice, area = term.sums.area();
  for (std::size_t group = 0; group < term.groups; ++group, panel += term.panel_bytes() / term.groups * tile.slices()) {
    for (std::size_t done = 0; done < tile.columns; done += columns) {
      const std::uint8_t* picture = source.data + (tile.first + done) / area * source.stride;
      std::uint8_t* line = panel + term.slice_begin(done / slice);
      for (std::size_t plane = 0; plane < term.planes_of_group(); ++plane) {
        middle.fill(picture + (term.first_plane(group) + plane) * term.in.area());
        kernels.fill_lines({middle.begin(), term.starts.data(), term.starts.size(), term.inside.data(), term.line, line});
        line += term.starts.size() * term.line;
      }
    }
  }
}

}  // namespace firebit
