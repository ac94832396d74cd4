// Memory that vectors can be loaded from: aligned, zeroed, with slack behind its end.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "kernels.hpp"

namespace firebit {

// Weights that are read here and there, once for every picture, lie in few pages; and they are quicker to get.
inline void ask_for_large_pages(void* from, std::size_t bytes) {
#if defined(__linux__)
  constexpr std::size_t page = std::size_t{1} << 21;
  if (bytes < 2 * page) return;
  const std::size_t first = (reinterpret_cast<std::uintptr_t>(from) + page - 1) / page * page;
  const std::size_t end = (reinterpret_cast<std::uintptr_t>(from) + bytes) / page * page;
  // Where that is not possible, pages stay as they are.
  madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#else
  (void)from, (void)bytes;
#endif
}

template <class Item>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t count) : count_(count) {
    const std::size_t bytes = count * sizeof(Item) + slack;
    // What is new from the system is zero already: whoever writes to it first, on whatever thread, has the first touch.
    memory_.reset(std::calloc(bytes + line, 1));
    if (memory_ == nullptr) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    items_ = reinterpret_cast<Item*>((address + line - 1) / line * line);
    ask_for_large_pages(items_, bytes);
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }

  Item* data() { return items_; }
  const Item* data() const { return items_; }
  std::size_t size() const { return count_; }
  Item& operator[](std::size_t i) { return items_[i]; }
  const Item& operator[](std::size_t i) const { return items_[i]; }

 private:
  static constexpr std::size_t line = 64;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  void swap(Buffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(items_, other.items_);
    std::swap(count_, other.count_);
  }

  std::unique_ptr<void, Free> memory_;
  Item* items_ = nullptr;
  std::size_t count_ = 0;
};

inline std::size_t rounded_up(std::size_t count, std::size_t unit) { return (count + unit - 1) / unit * unit; }
inline std::size_t quads(std::size_t channels) { return (channels + 3) / 4; }
inline std::size_t octets(std::size_t channels) { return (channels + 7) / 8; }

}  // namespace firebit
