// Searches of many queries: all codes, or some lists of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace firebit {

struct Codes {
  const std::uint8_t* codes;
  const std::int64_t* ranks;
  std::size_t count;
  std::size_t bytes;
};

// Where results go, `kept` per query, in the order of (distance, rank). A place that nothing fills keeps the rank -1.
struct Nearest {
  std::int32_t* distances;
  std::int64_t* ranks;
  std::size_t kept;
};

// Among all codes no farther than `limit`.
void nearest(const Kernels& kernels, const std::uint8_t* queries, std::size_t count, const Codes& codes,
             std::int32_t limit, const Nearest& found);

// Among the codes of `probes` lists per query; list l holds the codes offsets[l] … offsets[l + 1] - 1.
void nearest_in_lists(const Kernels& kernels, const std::uint8_t* queries, std::size_t count, const Codes& codes,
                      const std::int64_t* offsets, const std::int64_t* lists, std::size_t probes, std::int32_t limit,
                      const Nearest& found);

}  // namespace firebit
