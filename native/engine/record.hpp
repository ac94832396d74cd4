// A plan as the engine is given it: the records of firebit.engine.plan, with their output sizes worked out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace firebit {

struct Map {
  std::size_t channels = 1, height = 1, width = 1;

  std::size_t area() const { return height * width; }
  std::size_t size() const { return channels * area(); }
  bool operator==(const Map& other) const {
    return channels == other.channels && height == other.height && width == other.width;
  }
};

enum class PoolKind { max, sum, mean };

struct Pool {
  PoolKind kind = PoolKind::max;
  std::size_t kernel[2] = {1, 1}, stride[2] = {1, 1}, padding[2] = {0, 0};
  std::size_t height = 1, width = 1;     // of what comes out
  std::vector<std::int32_t> factors;     // of a mean: what the sum of every window is multiplied by
};

// Weights that somebody else holds: they are many, and read once.
template <class Item>
struct Held {
  std::shared_ptr<const void> owner;
  const Item* first = nullptr;
  std::size_t count = 0;

  const Item* data() const { return first; }
  std::size_t size() const { return count; }
  const Item* begin() const { return first; }
  const Item* end() const { return first + count; }
};
using Weights = Held<std::int16_t>;

// Weights on a source, in rows of (channel, down, across); or a coefficient per channel.
struct TermRecord {
  std::size_t source = 0;  // 0 is the input, i the hidden layer i − 1
  bool is_shortcut = false;
  std::vector<std::int32_t> coefficients;
  Weights weights;
  Held<std::int8_t> bytes;  // the weights, where they are given as bytes
  std::size_t outputs = 0, inputs = 0, kernel[2] = {1, 1};
  std::size_t stride[2] = {1, 1}, dilation[2] = {1, 1}, padding[4] = {0, 0, 0, 0}, groups = 1;
  std::optional<Pool> pool;
  std::vector<std::int32_t> multipliers;  // of quantised tables: an entry is (P − min P) · multiplier / 2²⁴, rounded
  std::size_t chunk = 0;                  // groups of four bits whose largest entries add up to at most 255; 0: none
};

struct LayerRecord {
  std::vector<TermRecord> terms;
  std::size_t rows = 0;                  // of thresholds; 0: logits
  std::vector<std::int32_t> thresholds;  // (rows, channels)
  std::vector<std::int8_t> directions;
  std::vector<std::int32_t> windows;     // which row holds at each place; empty: the first
  std::optional<Pool> post;
  std::int64_t largest = 1;              // of the values that come out
  double scale = 1;
  std::vector<double> bias;
};

}  // namespace firebit
