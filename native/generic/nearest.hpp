// The nearest codes to a query, written once. `Simd` is the vocabulary of hamming.hpp and
//   compares_eight<bytes>()                        whether there is a quick way for codes of so many bytes (0: any)
//   within<bytes>(query, codes, limit, distances)  of eight codes in a row, bit i: code i is no farther than the limit;
//                                                  where any is, the distances of all
// What is kept is a heap of keys, (distance, rank) in one number, whose root is the largest. A code enters if its key is
// below the root, so that the order of scanning does not matter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "generic/hamming.hpp"
#include "kernels.hpp"

namespace firebit::generic {

// Puts a key in place of the root, or below it, so that no key is above its parent.
template <class Simd>
inline void replace_root(std::uint64_t* heap, std::size_t count, std::uint64_t key) {
  std::size_t hole = 0;
  for (std::size_t child = 1; child < count; child = 2 * hole + 1) {
    const std::size_t other = child + 1 < count ? child + 1 : child;
    child = heap[other] > heap[child] ? other : child;
    if (heap[child] <= key) break;
    heap[hole] = heap[child];
    hole = child;
  }
  heap[hole] = key;
}

template <class Simd>
inline void take(const Scan& scan, std::size_t i, std::uint64_t distance, std::uint64_t* heap) {
  // A rank below 0 makes the largest of keys.
  const std::uint64_t rank = static_cast<std::uint64_t>(scan.ranks[i]);
  const std::uint64_t key = scan.ranks[i] < 0 ? ~std::uint64_t{0} : distance << rank_bits | rank;
  if (key < heap[0]) replace_root<Simd>(heap, scan.kept, key);
}

// `fixed` bytes per code, known when this is compiled; 0: `scan.bytes`.
template <class Simd, std::size_t fixed>
inline void scan_codes(const Scan& scan, std::uint64_t* heap) {
  const std::size_t bytes = fixed ? fixed : scan.bytes;
  std::size_t i = 0;
  if constexpr (Simd::template compares_eight<fixed>()) {
    for (; i + 8 <= scan.count; i += 8) {
      std::uint64_t distances[8];
      std::uint32_t within = Simd::template within<fixed>(scan.query, scan.codes + i * bytes, heap[0] >> rank_bits, distances);
      for (; within; within &= within - 1) {
        const std::size_t j = Simd::lowest(within);
        take<Simd>(scan, i + j, distances[j], heap);
      }
    }
  }
  for (; i < scan.count; ++i) {
    const auto found = static_cast<std::uint64_t>(distance<Simd>(scan.query, scan.codes + i * bytes, bytes));
    if (found <= heap[0] >> rank_bits) take<Simd>(scan, i, found, heap);
  }
}

template <class Simd>
inline void scan(const Scan& scan, std::uint64_t* heap) {
  switch (scan.bytes) {
    case 4: return scan_codes<Simd, 4>(scan, heap);
    case 6: return scan_codes<Simd, 6>(scan, heap);
    case 8: return scan_codes<Simd, 8>(scan, heap);
    case 16: return scan_codes<Simd, 16>(scan, heap);
    case 32: return scan_codes<Simd, 32>(scan, heap);
    case 64: return scan_codes<Simd, 64>(scan, heap);
    case 128: return scan_codes<Simd, 128>(scan, heap);
    default: return scan_codes<Simd, 0>(scan, heap);
  }
}

}  // namespace firebit::generic
