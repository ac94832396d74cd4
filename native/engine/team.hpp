// Threads that stay: one job at a time, split into tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace firebit {

// What the tasks of a job run on: worker 0 is the calling thread.
class Team {
 public:
  explicit Team(std::size_t size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return size_; }

  // Calls job(task, worker) for every task below `tasks`, and returns when all are done. One caller at a time. The job
  // must not throw.
  template <class Job>
  void each(std::size_t tasks, const Job& job) {
    if (size_ == 1 || tasks <= 1) {
      for (std::size_t task = 0; task < tasks; ++task) job(task, std::size_t{0});
      return;
    }
    run(tasks, [](const void* of, std::size_t task, std::size_t worker) { (*static_cast<const Job*>(of))(task, worker); },
        &job);
  }

 private:
  using Call = void (*)(const void* job, std::size_t task, std::size_t worker);

  void run(std::size_t tasks, Call call, const void* job);
  void start();
  void serve(std::size_t worker);
  void work(std::size_t worker);
  bool await(std::size_t seen);

  std::size_t size_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<std::size_t> round_{0};
  std::atomic<bool> stops_{false};
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> busy_{0};
  std::size_t tasks_ = 0;
  Call call_ = nullptr;
  const void* job_ = nullptr;
};

}  // namespace firebit
