// What the compiler is told, and what it is kept from.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_MSC_VER)
#define FIREBIT_INLINE __forceinline
#else
#define FIREBIT_INLINE inline __attribute__((always_inline))
#endif

namespace firebit::generic {

FIREBIT_INLINE void prefetch(const std::uint8_t* from) {
#if defined(__GNUC__)
  __builtin_prefetch(from);
#else
  (void)from;
#endif
}

// An address in a register of its own: instructions that add two of them up are slower.
FIREBIT_INLINE const std::uint8_t* one_register(const std::uint8_t* address) {
#if defined(__GNUC__)
  __asm__("" : "+r"(address));
#endif
  return address;
}

// A number that is not known to be one, so that no loop of it is unrolled.
FIREBIT_INLINE std::size_t unknown(std::size_t number) {
#if defined(__GNUC__)
  __asm__("" : "+r"(number));
#endif
  return number;
}

}  // namespace firebit::generic
