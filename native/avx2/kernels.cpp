#include "generic/all.hpp"

#include "avx2/simd.hpp"

namespace firebit::avx2 {

Kernels kernels() { return generic::kernels<Simd>("avx2"); }

}  // namespace firebit::avx2
