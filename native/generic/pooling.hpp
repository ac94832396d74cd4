// Pooling of sums: rows of a window joined vector by vector, then columns. Vocabulary of Simd, beside that of sums.hpp:
//   max32(a, b)
#pragma once

#include <cstdint>

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
      for (std::size_t i = y; i < end; ++i) join_columns(line(i - y), line(pool_rows + i - y));
      for (std::size_t i = y; i < end; ++i) put(line(pool_rows + i - y), at_.out + i * at_.places[1]);
    }
  }

 private:
  static constexpr std::size_t lanes = Simd::lanes;

  std::int32_t* line(std::size_t index) const { return at_.line + index * (whole_ + lanes); }

  // Whole vectors: what is written behind the last column is put right after them, or read by nobody.
  FIREBIT_INLINE void join_rows(std::size_t y, std::int32_t* line) const {
    const std::int32_t nothing = is_max ? INT32_MIN : 0;
    const std::size_t begin = y * at_.stride[0], pad = at_.padding[0], last = begin + at_.kernel[0] - pad;
    const std::size_t first = begin > pad ? begin - pad : 0, end = last < at_.sides[0] ? last : at_.sides[0];
    for (std::size_t x = 0; x < at_.padding[1]; ++x) line[x] = nothing;
    for (std::size_t x = 0; x < at_.sides[1]; x += lanes) {
      typename Simd::Ints sum = Simd::load32(at_.plane + first * at_.sides[1] + x);
      for (std::size_t i = first + 1; i < end; ++i) {
        sum = joined<Simd, is_max>(sum, Simd::load32(at_.plane + i * at_.sides[1] + x));
      }
      Simd::store32(line + at_.padding[1] + x, sum);
    }
    for (std::size_t x = inner_; x < whole_; ++x) line[x] = nothing;
  }

  FIREBIT_INLINE void join_columns(const std::int32_t* line, std::int32_t* every) const {
    for (std::size_t x = 0; x + at_.kernel[1] <= reach_; x += lanes) {
      typename Simd::Ints sum = Simd::load32(line + x);
      for (std::size_t k = 1; k < at_.kernel[1]; ++k) sum = joined<Simd, is_max>(sum, Simd::load32(line + x + k));
      Simd::store32(every + x, sum);
    }
  }

  FIREBIT_INLINE void put(const std::int32_t* every, std::int32_t* out) const {
    const std::size_t stride = at_.stride[1];
    if (at_.begins) {
      for (std::size_t x = 0; x < at_.places[1]; ++x) out[x] = every[x * stride];
    } else {
      for (std::size_t x = 0; x < at_.places[1]; ++x) out[x] += every[x * stride];
    }
  }

  const SumPool& at_;
  std::size_t reach_, inner_, whole_ = 0;
};

template <class Simd>
void pool_sums(const SumPool& at) {
  if (at.is_max) {
    PooledRows<Simd, true>(at).run();
  } else {
    PooledRows<Simd, false>(at).run();
  }
}

}  // namespace firebit::generic
