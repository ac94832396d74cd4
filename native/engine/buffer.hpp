// Memory that vectors can be loaded from: aligned, zeroed, with slack behind its end.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

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
    items_.reset(static_cast<Item*>(::operator new(bytes, std::align_val_t{64})));
    ask_for_large_pages(items_.get(), bytes);
    std::memset(static_cast<void*>(items_.get()), 0, bytes);
  }

  Item* data() { return items_.get(); }
  const Item* data() const { return items_.get(); }
  std::size_t size() const { return count_; }
  Item& operator[](std::size_t i) { return items_.get()[i]; }
  const Item& operator[](std::size_t i) const { return items_.get()[i]; }

 private:
  struct Free {
    void operator()(Item* items) const { ::operator delete(static_cast<void*>(items), std::align_val_t{64}); }
  };
  std::unique_ptr<Item, Free> items_;
  std::size_t count_ = 0;
};

inline std::size_t rounded_up(std::size_t count, std::size_t unit) { return (count + unit - 1) / unit * unit; }
inline std::size_t quads(std::size_t channels) { return (channels + 3) / 4; }
inline std::size_t octets(std::size_t channels) { return (channels + 7) / 8; }

}  // namespace firebit
