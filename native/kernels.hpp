// What every instruction set offers. Each folder beside this file implements all of it, under the same file names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace firebit {

// out[i * m + j] = number of bits in which row i of a and row j of b differ; rows are packed, `bytes` long.
using Hamming = void (*)(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
                         std::size_t bytes);

struct Kernels {
  const char* name;
  Hamming hamming;
};

namespace portable {
void hamming(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
             std::size_t bytes);
}

namespace avx2 {
void hamming(const std::uint8_t* a, const std::uint8_t* b, std::int32_t* out, std::size_t n, std::size_t m,
             std::size_t bytes);
}

}  // namespace firebit
