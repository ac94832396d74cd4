#include "generic/hamming.hpp"

#include "portable/simd.hpp"
#include "kernels.hpp"

namespace firebit::portable {

void hamming(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
             std::size_t bytes) {
  generic::hamming<Simd>(a, b, out, n, m, bytes);
}

}  // namespace firebit::portable
