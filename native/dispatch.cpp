#include "dispatch.hpp"

#include <stdexcept>

namespace firebit {

std::vector<Kernels> available_kernels() {
  std::vector<Kernels> found;
#ifdef FIREBIT_HAS_AVX512
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq")) {
    found.push_back(avx512::kernels());
  }
#endif
#ifdef FIREBIT_HAS_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) found.push_back(avx2::kernels());
#endif
#ifdef FIREBIT_HAS_NEON
  found.push_back(neon::kernels());
#endif
  found.push_back(portable::kernels());
  return found;
}

Kernels kernels(const std::string& name) {
  for (const Kernels& candidate : available_kernels()) {
    if (name == candidate.name) return candidate;
  }
  throw std::invalid_argument("this processor cannot run the instruction set '" + name + "'");
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> found;
#ifdef FIREBIT_HAS_AVX2
  // The built-in takes only literals, hence no loop over names.
  if (__builtin_cpu_supports("popcnt")) found.emplace_back("popcnt");
  if (__builtin_cpu_supports("avx2")) found.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) found.emplace_back("fma");
  if (__builtin_cpu_supports("avx512bw")) found.emplace_back("avx512bw");
  if (__builtin_cpu_supports("avx512vnni")) found.emplace_back("avx512vnni");
  if (__builtin_cpu_supports("avx512vbmi")) found.emplace_back("avx512vbmi");
  if (__builtin_cpu_supports("avx512vpopcntdq")) found.emplace_back("avx512vpopcntdq");
#elif defined(__aarch64__)
  found.emplace_back("neon");
#endif
  return found;
}

}  // namespace firebit
