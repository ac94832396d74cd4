#include "generic/all.hpp"

#include "avx512/simd.hpp"

namespace firebit::avx512 {

Kernels kernels() { return generic::kernels<Simd>("avx512"); }

}  // namespace firebit::avx512
