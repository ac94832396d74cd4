#include "engine/team.hpp"

#include <system_error>

namespace firebit {

namespace {

// A layer of a small network takes tens of microseconds: waking a sleeping thread would take as long.
constexpr int looks_before_sleep = 4000;

inline void breathe() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#endif
}

}  // namespace

Team::Team(std::size_t size) : size_(size == 0 ? 1 : size) {}

Team::~Team() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stops_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Threads begin with the first job, so that networks which are only loaded have none. Where the system gives fewer,
// fewer do the work.
void Team::start() {
  threads_.reserve(size_ - 1);
  try {
    while (threads_.size() + 1 < size_) threads_.emplace_back(&Team::serve, this, threads_.size() + 1);
  } catch (const std::system_error&) {
    size_ = threads_.size() + 1;
  }
}

void Team::run(std::size_t tasks, Call call, const void* job) {
  if (threads_.empty()) start();
  tasks_ = tasks;
  call_ = call;
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(threads_.size(), std::memory_order_relaxed);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    round_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  work(0);
  for (int looks = 0; busy_.load(std::memory_order_acquire) != 0; ++looks) {
    if (looks < looks_before_sleep) {
      breathe();
    } else {
      std::this_thread::yield();
    }
  }
}

void Team::work(std::size_t worker) {
  for (std::size_t task = next_.fetch_add(1); task < tasks_; task = next_.fetch_add(1)) call_(job_, task, worker);
}

void Team::serve(std::size_t worker) {
  for (std::size_t seen = 0; await(seen); ++seen) {
    work(worker);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

// Waits for the round behind `seen`; false when the team is dissolved.
bool Team::await(std::size_t seen) {
  for (int looks = 0; looks < looks_before_sleep; ++looks) {
    if (round_.load(std::memory_order_acquire) != seen) return true;
    if (stops_.load(std::memory_order_relaxed)) return false;
    breathe();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [&] { return stops_ || round_.load(std::memory_order_acquire) != seen; });
  return !stops_;
}

}  // namespace firebit
