#include "generic/all.hpp"

#include "neon/simd.hpp"

namespace firebit::neon {

Kernels kernels() { return generic::kernels<Simd>("neon"); }

}  // namespace firebit::neon
