// A network that runs: its layers, and the memory and threads of its calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/layer.hpp"
#include "engine/run.hpp"
#include "kernels.hpp"

namespace firebit {

// What a call writes, picture after picture.
enum class Result {
  logits,  // double (classes)
  bits,    // uint8 (units), 0 or 1
  codes,   // uint8 (⌈units / 8⌉), packed
  sums,    // int32 (units), before the step
};

class Engine {
 public:
  // Throws std::invalid_argument where the records do not fit each other.
  Engine(const Kernels& kernels, std::size_t threads, Map input, std::vector<std::uint8_t> pad,
         std::vector<LayerRecord> layers);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Any number of calls at once, from any threads. `out` has room for `pictures` results of `layer`. After a fork the
  // child makes memory and threads of its own.
  void run(const std::uint8_t* input, std::size_t pictures, Result result, std::size_t layer, void* out);

  std::size_t input_size() const { return input_.size(); }
  std::size_t layers() const { return layers_.size(); }
  std::size_t units(std::size_t layer) const { return layers_[layer].units.size(); }
  bool is_logits(std::size_t layer) const { return layers_[layer].is_logits; }
  std::size_t threads() const { return threads_; }
  // Bytes that hold the values of all layers of one picture, those whose readers are done overwritten.
  std::size_t value_bytes() const { return value_bytes_; }
  // The methods of every layer's terms, as "lookup" or "dot".
  std::vector<std::vector<std::string>> methods() const;

 private:
  struct Crew;
  struct Pool;

  void plan_memory();
  std::unique_ptr<Crew> crew(std::size_t threads) const;
  Pool& pool();
  void run_pass(Workspace& space, Team& team, const std::uint8_t* input, std::size_t pictures, Result result,
                std::size_t layer, std::uint8_t* out) const;
  // Pictures of a call that a thread takes at once; no more are left where there are none.
  struct Share {
    std::size_t first, count;
  };
  Share take(std::atomic<std::size_t>& taken, std::size_t pictures, std::size_t workers) const;
  void run_part(Workspace& space, Team& team, const std::uint8_t* input, std::size_t pictures, Result result,
                std::size_t layer, std::uint8_t* out) const;
  void write(const Work& work, Result result, std::uint8_t* out) const;
  std::size_t result_bytes(Result result, std::size_t layer) const;

  Kernels kernels_;
  std::size_t threads_;
  Map input_;
  std::vector<Layer> layers_;
  std::vector<std::size_t> offsets_;  // of the values of a picture
  std::size_t value_bytes_ = 0;
  std::size_t pass_ = 1;              // pictures that are run together
  Needs needs_;
  std::atomic<Pool*> pool_{nullptr};
};

}  // namespace firebit
