#include "nearest.hpp"

#include <algorithm>
#include <vector>

namespace firebit {

namespace {

// Codes that stay in the first-level cache while every query looks at them.
constexpr std::size_t tile_bytes = 1 << 14;

// A heap per query, of keys above those of any code within the limit.
std::vector<std::uint64_t> heaps(const Nearest& found, std::size_t count, std::int32_t limit) {
  const auto farthest = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(limit, -1) + std::int64_t{1}), 8 * longest_code + 1);
  return std::vector<std::uint64_t>(count * found.kept, farthest << rank_bits);
}

// The beginning of a list: what follows, the processor fetches by itself once it sees where we go.
void fetch(const std::uint8_t* from) {
#if defined(__GNUC__)
  for (std::size_t at = 0; at < 1024; at += 64) __builtin_prefetch(from + at);
#else
  (void)from;
#endif
}

void settle(std::vector<std::uint64_t>& heaps, std::size_t count, std::int32_t limit, const Nearest& found) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t* const heap = heaps.data() + i * found.kept;
    std::sort(heap, heap + found.kept);
    for (std::size_t j = 0; j < found.kept; ++j) {
      const std::uint64_t distance = heap[j] >> rank_bits;
      const bool is_code = distance <= 8 * longest_code && static_cast<std::int64_t>(distance) <= limit;
      found.distances[i * found.kept + j] = static_cast<std::int32_t>(distance);
      found.ranks[i * found.kept + j] = is_code ? static_cast<std::int64_t>(heap[j] & largest_rank) : -1;
    }
  }
}

}  // namespace

void nearest(const Kernels& kernels, const std::uint8_t* queries, std::size_t count, const Codes& codes,
             std::int32_t limit, const Nearest& found) {
  std::vector<std::uint64_t> kept = heaps(found, count, limit);
  const std::size_t tile = std::max<std::size_t>(1, tile_bytes / std::max<std::size_t>(1, codes.bytes));
  for (std::size_t from = 0; from < codes.count; from += tile) {
    Scan scan{queries, codes.codes + from * codes.bytes, codes.ranks + from, std::min(tile, codes.count - from),
              codes.bytes, found.kept};
    for (std::size_t i = 0; i < count; ++i, scan.query += codes.bytes) kernels.scan(scan, kept.data() + i * found.kept);
  }
  settle(kept, count, limit, found);
}

void nearest_in_lists(const Kernels& kernels, const std::uint8_t* queries, std::size_t count, const Codes& codes,
                      const std::int64_t* offsets, const std::int64_t* lists, std::size_t probes, std::int32_t limit,
                      const Nearest& found) {
  std::vector<std::uint64_t> kept = heaps(found, count, limit);
  const std::size_t pairs = count * probes;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const std::size_t query = pair / probes;
    const auto from = static_cast<std::size_t>(offsets[lists[pair]]), to = static_cast<std::size_t>(offsets[lists[pair] + 1]);
    if (pair + 1 < pairs) fetch(codes.codes + static_cast<std::size_t>(offsets[lists[pair + 1]]) * codes.bytes);
    const Scan scan{queries + query * codes.bytes, codes.codes + from * codes.bytes, codes.ranks + from, to - from,
                    codes.bytes, found.kept};
    kernels.scan(scan, kept.data() + query * found.kept);
  }
  settle(kept, count, limit, found);
}

}  // namespace firebit
