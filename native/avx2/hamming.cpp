#include "generic/hamming.hpp"

#include "avx2/simd.hpp"
#include "kernels.hpp"

namespace firebit::avx2 {

void hamming(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
             std::size_t bytes) {
  generic::hamming<Simd>(a, b, out, n, m, bytes);
}

}  // namespace firebit::avx2
