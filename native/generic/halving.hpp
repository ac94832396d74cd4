// Pooling as it mostly is: windows two apart, two or three wide, without padding. Vocabulary of Simd as in pooling.hpp.
#pragma once

#include <cstdint>
#include <cstring>

#include "generic/compiler.hpp"
#include "kernels.hpp"

namespace firebit::generic {

template <class Simd, bool is_max>
FIREBIT_INLINE typename Simd::Ints joined(typename Simd::Ints a, typename Simd::Ints b) {
  if constexpr (is_max) {
    return Simd::max32(a, b);
  } else {
    return Simd::add32(a, b);
  }
}

// Whether windows are two apart and two or three wide, as they mostly are.
inline bool is_usual(std::size_t kernel, std::size_t stride) { return stride == 2 && (kernel == 2 || kernel == 3); }

// Whether windows are so both ways, without padding, and reach at most one row and column beyond the map.
template <class Pool>
inline bool is_halving(const Pool& at) {
  const auto along = [&](std::size_t axis) {
    const std::size_t kernel = at.kernel[axis], reach = 2 * (at.places[axis] - 1) + kernel;
    return is_usual(kernel, at.stride[axis]) && at.padding[axis] == 0 && reach <= at.sides[axis] + (kernel == 3 ? 1 : 0);
  };
  return at.kernel[0] == at.kernel[1] && along(0) && along(1);
}

// `count` numbers that are kept, then as many that are not: from the right place on, a mask of the first few.
template <class Number, std::size_t count>
struct Mask {
  Number numbers[2 * count] = {};

  constexpr Mask() {
    for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<Number>(-1);
  }

  const Number* first(std::size_t kept) const { return numbers + count - (kept < count ? kept : count); }
};

// Windows of such pooling: rows and columns are joined in registers. Rows of windows are written as whole vectors, the
// next over what is too much of one; the last rows are not.
template <class Simd, bool is_max, std::size_t Kernel>
class HalvedSums {
 public:
  explicit HalvedSums(const SumPool& at) : at_(at), width_(at.sides[1]) {
    static constexpr Mask<std::int32_t, 2 * lanes> mask;
    const std::size_t third = (at.places[1] - 1) / lanes * lanes * 2 + 2;
    const std::int32_t* inside = mask.first(width_ > third ? width_ - third : 0);
    inside_ = Simd::even_ints(Simd::load32(inside), Simd::load32(inside + lanes));
    outside_ = is_max ? Simd::both32(Simd::splat_int(INT32_MIN), Simd::sub32(Simd::splat_int(-1), inside_)) : Simd::zero32();
  }

  void run() const {
    const std::size_t all = at_.places[0] * at_.places[1];
    const std::int32_t* plane = at_.plane;
    std::int32_t* out = at_.out;
    for (std::size_t i = at_.planes; i-- > 0; plane += at_.plane_stride, out += at_.out_stride) {
      // What is written behind a plane is overwritten by the next.
      const std::size_t room = at_.begins ? i * at_.out_stride + all : 0;
      std::size_t y = at_.places[1] <= lanes ? run_narrow(plane, out, room) : 0;
      for (; y < at_.places[0]; ++y) {
        if (2 * y + 3 <= at_.sides[0]) {
          run_row<Kernel>(plane + 2 * y * width_, out, y * at_.places[1], room);
        } else {
          run_row<2>(plane + 2 * y * width_, out, y * at_.places[1], room);
        }
      }
    }
  }

 private:
  static constexpr std::size_t lanes = Simd::lanes;

  template <std::size_t Rows>
  FIREBIT_INLINE typename Simd::Ints column(const std::int32_t* from) const {
    const typename Simd::Ints two = joined<Simd, is_max>(Simd::load32(from), Simd::load32(from + width_));
    return Rows == 2 ? two : joined<Simd, is_max>(two, Simd::load32(from + 2 * width_));
  }

  template <std::size_t Rows>
  FIREBIT_INLINE typename Simd::Ints windows(const std::int32_t* from, bool is_last) const {
    const typename Simd::Ints low = column<Rows>(from), high = column<Rows>(from + lanes);
    const typename Simd::Ints two = joined<Simd, is_max>(Simd::even_ints(low, high), Simd::odd_ints(low, high));
    if (Kernel == 2) return Simd::in_order(two);
    typename Simd::Ints third = Simd::even_ints(column<Rows>(from + 2), column<Rows>(from + lanes + 2));
    if (is_last) third = Simd::add32(Simd::both32(third, inside_), outside_);
    return Simd::in_order(joined<Simd, is_max>(two, third));
  }

  // Rows of one vector, as far as all of it is written and all rows of a window are there; how many they are.
  FIREBIT_INLINE std::size_t run_narrow(const std::int32_t* plane, std::int32_t* out, std::size_t room) const {
    std::size_t y = 0;
    for (; y < at_.places[0] && y * at_.places[1] + lanes <= room && 2 * y + Kernel <= at_.sides[0]; ++y) {
      Simd::store32(out + y * at_.places[1], windows<Kernel>(plane + 2 * y * width_, true));
    }
    return y;
  }

  // The windows of a row, `place` windows behind the first of the plane; whole vectors where there is room.
  template <std::size_t Rows>
  FIREBIT_INLINE void run_row(const std::int32_t* from, std::int32_t* out, std::size_t place, std::size_t room) const {
    const std::size_t places = at_.places[1];
    for (std::size_t x = 0; x < places; x += lanes) {
      const typename Simd::Ints found = windows<Rows>(from + 2 * x, x + lanes >= places);
      if (place + x + lanes <= room) {
        Simd::store32(out + place + x, found);
      } else {
        put(found, out + place + x, places - x < lanes ? places - x : lanes);
      }
    }
  }

  FIREBIT_INLINE void put(typename Simd::Ints found, std::int32_t* out, std::size_t count) const {
    std::int32_t some[lanes];
    Simd::store32(some, found);
    for (std::size_t i = 0; i < count; ++i) out[i] = at_.begins ? some[i] : out[i] + some[i];
  }

  const SumPool at_;
  std::size_t width_;
  typename Simd::Ints inside_, outside_;
};

// The same of bits.
template <class Simd, std::size_t Kernel>
class HalvedBits {
 public:
  using Bytes = typename Simd::Bytes;

  explicit HalvedBits(const BitPool& at) : at_(at), width_(at.sides[1]), flip_(Simd::splat8(at.flip)) {
    static constexpr Mask<std::uint8_t, 2 * Simd::width> mask;
    const std::size_t third = (at.places[1] - 1) / Simd::width * Simd::width * 2 + 2;
    const std::uint8_t* inside = mask.first(width_ > third ? width_ - third : 0);
    inside_[0] = Simd::load(inside);
    inside_[1] = Simd::load(inside + Simd::width);
  }

  void run() const {
    for (std::size_t y = 0; y < at_.places[0]; ++y) {
      if (2 * y + 3 <= at_.sides[0]) {
        run_row<Kernel>(y);
      } else {
        run_row<2>(y);
      }
    }
  }

 private:
  template <std::size_t Rows>
  FIREBIT_INLINE Bytes column(const std::uint8_t* from) const {
    Bytes found = Simd::differ(Simd::load(from), flip_);
    for (std::size_t y = 1; y < Rows; ++y) found = Simd::either(found, Simd::differ(Simd::load(from + y * width_), flip_));
    return found;
  }

  // Windows that begin in a vector, in the low bytes of its words.
  template <std::size_t Rows>
  FIREBIT_INLINE Bytes windows(const std::uint8_t* from, bool is_last, std::size_t part) const {
    const Bytes some = column<Rows>(from), two = Simd::either(some, Simd::high_bytes(some));
    if (Kernel == 2) return two;
    const Bytes third = column<Rows>(from + 2);
    return Simd::either(two, is_last ? Simd::both(third, inside_[part]) : third);
  }

  template <std::size_t Rows>
  FIREBIT_INLINE void run_row(std::size_t y) const {
    const std::uint8_t* from = at_.plane + 2 * y * width_;
    const std::size_t places = at_.places[1], all = at_.places[0] * places;
    for (std::size_t x = 0; x < places; x += Simd::width) {
      const bool is_last = x + Simd::width >= places, is_half = places - x <= Simd::width / 2;
      const Bytes low = windows<Rows>(from + 2 * x, is_last, 0);
      const Bytes high = is_half ? low : windows<Rows>(from + 2 * x + Simd::width, is_last, 1);
      const Bytes found = Simd::differ(Simd::even_bytes(low, high), flip_);
      const std::size_t place = y * places + x;
      if (place + Simd::width <= all) {
        Simd::store(at_.out + place, found);
      } else {
        std::uint8_t some[Simd::width];
        Simd::store(some, found);
        std::memcpy(at_.out + place, some, is_last ? places - x : Simd::width);
      }
    }
  }

  const BitPool at_;
  std::size_t width_;
  Bytes flip_, inside_[2];
};

}  // namespace firebit::generic
