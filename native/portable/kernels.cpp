#include "generic/all.hpp"

#include "portable/simd.hpp"

namespace firebit::portable {

Kernels kernels() { return generic::kernels<Simd>("portable"); }

}  // namespace firebit::portable
