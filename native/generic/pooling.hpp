// Pooling: rows of a window joined vector by vector, then columns. Vocabulary of Simd, beside that of sums.hpp:
//   max32(a, b)
//   even_ints, odd_ints(a, b)   every second number of a, then of b, from the first or the second on, in some order
//   in_order(v)                 these in that order
//   both32(a, b)                and
//   even_bytes(a, b)            likewise of bytes
#pragma once

#include <cstdint>
#include <cstring>

#include "generic/halving.hpp"
#include "kernels.hpp"

namespace firebit::generic {

// The windows of a plane as they lie in rows of `whole` numbers with padding.
template <class Simd, bool is_max>
class PooledRows {
 public:
  explicit PooledRows(const SumPool& at)
      : at_(at), reach_((at.places[1] - 1) * at.stride[1] + at.kernel[1]), inner_(at.padding[1] + at.sides[1]) {
    whole_ = reach_ > inner_ ? reach_ : inner_;
  }

  void run() const {
    for (std::size_t y = 0; y < at_.places[0]; y += pool_rows) {
      const std::size_t end = y + pool_rows < at_.places[0] ? y + pool_rows : at_.places[0];
      for (std::size_t i = y; i < end; ++i) join_rows(i, line(i - y));
      for (std::size_t i = y; i < end; ++i) join_columns(line(i - y), i);
    }
  }

 private:
  static constexpr std::size_t lanes = Simd::lanes;

  std::int32_t* line(std::size_t index) const { return at_.line + index * (whole_ + lanes); }

  // Whole vectors: what is written behind the last column is put right after them, or read by nobody.
  FIREBIT_INLINE void join_rows(std::size_t y, std::int32_t* line) const {
    const typename Simd::Ints nothing = is_max ? Simd::splat_int(INT32_MIN) : Simd::zero32();
    const std::size_t begin = y * at_.stride[0], pad = at_.padding[0], last = begin + at_.kernel[0] - pad;
    const std::size_t first = begin > pad ? begin - pad : 0, end = last < at_.sides[0] ? last : at_.sides[0];
    for (std::size_t x = 0; x < at_.padding[1]; x += lanes) Simd::store32(line + x, nothing);
    const std::size_t width = at_.sides[1];
    const std::int32_t* row = at_.plane + first * width;
    if (end - first == 3) {
      join_three(row, line + at_.padding[1]);
    } else {
      for (std::size_t x = 0; x < width; x += lanes) {
        typename Simd::Ints sum = Simd::load32(row + x);
        for (std::size_t i = 1; i < end - first; ++i) sum = joined<Simd, is_max>(sum, Simd::load32(row + i * width + x));
        Simd::store32(line + at_.padding[1] + x, sum);
      }
    }
    for (std::size_t x = inner_; x < whole_; x += lanes) Simd::store32(line + x, nothing);
  }

  FIREBIT_INLINE void join_three(const std::int32_t* row, std::int32_t* to) const {
    const std::size_t width = at_.sides[1];
    for (std::size_t x = 0; x < width; x += lanes) {
      const typename Simd::Ints two = joined<Simd, is_max>(Simd::load32(row + x), Simd::load32(row + width + x));
      Simd::store32(to + x, joined<Simd, is_max>(two, Simd::load32(row + 2 * width + x)));
    }
  }

  // Every window of a row; of unusual ones, those in between as well.
  FIREBIT_INLINE void join_columns(const std::int32_t* from, std::size_t y) const {
    std::int32_t* found = line(pool_rows);
    if (is_usual(at_.kernel[1], at_.stride[1])) {
      // What is written behind a row is overwritten by the next, but not behind the last.
      const std::size_t begin = y * at_.places[1], end = begin + (at_.places[1] + lanes - 1) / lanes * lanes;
      std::int32_t* to = at_.begins && end <= at_.places[0] * at_.places[1] ? at_.out + begin : found;
      for (std::size_t x = 0; x < at_.places[1]; x += lanes) Simd::store32(to + x, usual(from + 2 * x));
      if (to == found) put(found, 1, y);
      return;
    }
    for (std::size_t x = 0; x + at_.kernel[1] <= reach_; x += lanes) {
      typename Simd::Ints sum = Simd::load32(from + x);
      for (std::size_t k = 1; k < at_.kernel[1]; ++k) sum = joined<Simd, is_max>(sum, Simd::load32(from + x + k));
      Simd::store32(found + x, sum);
    }
    put(found, at_.stride[1], y);
  }

  FIREBIT_INLINE typename Simd::Ints usual(const std::int32_t* from) const {
    const typename Simd::Ints low = Simd::load32(from), high = Simd::load32(from + lanes);
    const typename Simd::Ints sum = joined<Simd, is_max>(Simd::even_ints(low, high), Simd::odd_ints(low, high));
    if (at_.kernel[1] == 2) return Simd::in_order(sum);
    const typename Simd::Ints third = Simd::even_ints(Simd::load32(from + 2), Simd::load32(from + lanes + 2));
    return Simd::in_order(joined<Simd, is_max>(sum, third));
  }

  FIREBIT_INLINE void put(const std::int32_t* found, std::size_t stride, std::size_t y) const {
    std::int32_t* out = at_.out + y * at_.places[1];
    if (!at_.begins) {
      for (std::size_t x = 0; x < at_.places[1]; ++x) out[x] += found[x * stride];
    } else if (stride == 1) {
      std::memcpy(out, found, at_.places[1] * sizeof *out);
    } else {
      for (std::size_t x = 0; x < at_.places[1]; ++x) out[x] = found[x * stride];
    }
  }

  const SumPool& at_;
  std::size_t reach_, inner_, whole_ = 0;
};

template <class Simd, bool is_max>
inline void pool_planes(SumPool at) {
  for (; at.planes > 0; --at.planes, at.plane += at.plane_stride, at.out += at.out_stride) PooledRows<Simd, is_max>(at).run();
}

template <class Simd, bool is_max>
inline void pool_sums_by(const SumPool& at) {
  if (!is_halving(at)) return pool_planes<Simd, is_max>(at);
  if (at.kernel[0] == 2) return HalvedSums<Simd, is_max, 2>(at).run();
  HalvedSums<Simd, is_max, 3>(at).run();
}

template <class Simd>
void pool_sums(const SumPool& at) {
  if (at.is_max) {
    pool_sums_by<Simd, true>(at);
  } else {
    pool_sums_by<Simd, false>(at);
  }
}

// Whole vectors, as above.
template <class Simd>
class PooledBits {
 public:
  using Bytes = typename Simd::Bytes;

  explicit PooledBits(const BitPool& at)
      : at_(at), reach_((at.places[1] - 1) * at.stride[1] + at.kernel[1]), inner_(at.padding[1] + at.sides[1]) {
    whole_ = reach_ > inner_ ? reach_ : inner_;
  }

  void run() const {
    std::uint8_t* out = at_.out;
    for (std::size_t y = 0; y < at_.places[0]; ++y, out += at_.places[1]) {
      join_rows(y);
      if (is_usual(at_.kernel[1], at_.stride[1])) {
        for (std::size_t x = 0; x < at_.places[1]; x += Simd::width) put(usual(at_.line + 2 * x), x, out);
      } else {
        join_columns(out);
      }
    }
  }

 private:
  FIREBIT_INLINE void join_rows(std::size_t y) const {
    const std::size_t begin = y * at_.stride[0], pad = at_.padding[0], last = begin + at_.kernel[0] - pad;
    const std::size_t first = begin > pad ? begin - pad : 0, end = last < at_.sides[0] ? last : at_.sides[0];
    const Bytes flip = Simd::splat8(at_.flip);
    for (std::size_t x = 0; x < at_.padding[1]; ++x) at_.line[x] = 0;
    for (std::size_t x = 0; x < at_.sides[1]; x += Simd::width) {
      Bytes found = Simd::differ(Simd::load(at_.plane + first * at_.sides[1] + x), flip);
      for (std::size_t i = first + 1; i < end; ++i) {
        found = Simd::either(found, Simd::differ(Simd::load(at_.plane + i * at_.sides[1] + x), flip));
      }
      Simd::store(at_.line + at_.padding[1] + x, found);
    }
    for (std::size_t x = inner_; x < whole_; ++x) at_.line[x] = 0;
  }

  FIREBIT_INLINE Bytes usual(const std::uint8_t* from) const {
    const Bytes low = Simd::load(from), high = Simd::load(from + Simd::width);
    Bytes joined_low = Simd::either(low, Simd::high_bytes(low)), joined_high = Simd::either(high, Simd::high_bytes(high));
    if (at_.kernel[1] == 3) {
      joined_low = Simd::either(joined_low, Simd::load(from + 2));
      joined_high = Simd::either(joined_high, Simd::load(from + Simd::width + 2));
    }
    return Simd::even_bytes(joined_low, joined_high);
  }

  FIREBIT_INLINE void put(Bytes found, std::size_t x, std::uint8_t* out) const {
    const Bytes turned = Simd::differ(found, Simd::splat8(at_.flip));
    if (x + Simd::width <= at_.places[1]) {
      Simd::store(out + x, turned);
      return;
    }
    std::uint8_t some[Simd::width];
    Simd::store(some, turned);
    std::memcpy(out + x, some, at_.places[1] - x);
  }

  FIREBIT_INLINE void join_columns(std::uint8_t* out) const {
    std::uint8_t* every = at_.line + whole_ + Simd::width;
    const std::size_t starts = reach_ - at_.kernel[1] + 1;
    std::memcpy(every, at_.line, starts);
    for (std::size_t k = 1; k < at_.kernel[1]; ++k) {
      for (std::size_t x = 0; x < starts; ++x) every[x] = static_cast<std::uint8_t>(every[x] | at_.line[x + k]);
    }
    for (std::size_t x = 0; x < at_.places[1]; ++x) out[x] = static_cast<std::uint8_t>(every[x * at_.stride[1]] ^ at_.flip);
  }

  const BitPool at_;
  std::size_t reach_, inner_, whole_ = 0;
};

template <class Simd>
void pool_bits(const BitPool& at) {
  if (!is_halving(at)) return PooledBits<Simd>(at).run();
  if (at.kernel[0] == 2) return HalvedBits<Simd, 2>(at).run();
  HalvedBits<Simd, 3>(at).run();
}

}  // namespace firebit::generic
