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

// Whole vectors: what is written behind the last column is put right by the caller, or read by nobody.
template <class Simd, bool is_max>
inline void pool_rows(const SumPool& at) {
  constexpr std::size_t lanes = Simd::lanes;
  const std::int32_t nothing = is_max ? INT32_MIN : 0;
  const std::size_t reach = (at.places[1] - 1) * at.stride[1] + at.kernel[1], inner = at.padding[1] + at.sides[1];
  const std::size_t whole = reach > inner ? reach : inner, starts = reach - at.kernel[1] + 1;
  std::int32_t* line = at.line;
  std::int32_t* every = line + whole + lanes;
  std::int32_t* out = at.out;
  for (std::size_t x = 0; x < at.padding[1]; ++x) line[x] = nothing;
  for (std::size_t y = 0; y < at.places[0]; ++y, out += at.places[1]) {
    const std::size_t begin = y * at.stride[0], pad = at.padding[0], last = begin + at.kernel[0] - pad;
    const std::size_t first = begin > pad ? begin - pad : 0, end = last < at.sides[0] ? last : at.sides[0];
    for (std::size_t x = 0; x < at.sides[1]; x += lanes) {
      typename Simd::Ints sum = Simd::load32(at.plane + first * at.sides[1] + x);
      for (std::size_t i = first + 1; i < end; ++i) {
        sum = joined<Simd, is_max>(sum, Simd::load32(at.plane + i * at.sides[1] + x));
      }
      Simd::store32(line + at.padding[1] + x, sum);
    }
    for (std::size_t x = inner; x < whole; ++x) line[x] = nothing;
    for (std::size_t x = 0; x < starts; x += lanes) {
      typename Simd::Ints sum = Simd::load32(line + x);
      for (std::size_t k = 1; k < at.kernel[1]; ++k) sum = joined<Simd, is_max>(sum, Simd::load32(line + x + k));
      Simd::store32(every + x, sum);
    }
    for (std::size_t x = 0; x < at.places[1]; ++x) out[x] += every[x * at.stride[1]];
  }
}

template <class Simd>
void pool_sums(const SumPool& at) {
  (at.is_max ? pool_rows<Simd, true> : pool_rows<Simd, false>)(at);
}

}  // namespace firebit::generic
