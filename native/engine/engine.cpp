#include "engine/engine.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "engine/dots.hpp"
#include "engine/pooling.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace firebit {

namespace {

constexpr std::size_t most_pictures = 16;
constexpr std::size_t pass_bytes = std::size_t{1} << 22;

// Counts forks: in a child the threads of its parent are gone, and locks may be held by nobody.
std::atomic<std::size_t> forks{0};

void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  (void)watched;
#endif
}

}  // namespace

// Memory for a call, and threads: a workspace for every thread.
struct Engine::Crew {
  explicit Crew(std::size_t threads) : team(threads) {}
  Team team;
  Team alone{1};
  std::vector<Workspace> spaces;
};

struct Engine::Pool {
  std::size_t fork = 0;
  std::mutex mutex;
  std::unique_ptr<Crew> team;                 // all threads; one call has it at a time
  std::vector<std::unique_ptr<Crew>> alone;   // one thread, for calls in the meantime
};

Engine::Engine(const Kernels& kernels, std::size_t threads, Map input, std::vector<std::uint8_t> pad,
               std::vector<LayerRecord> layers)
    : kernels_(kernels), threads_(std::max<std::size_t>(threads, 1)), input_(input) {
  watch_forks();
  if (layers.empty()) throw std::invalid_argument("there is no layer");
  if (pad.size() != input.channels) throw std::invalid_argument("padding does not fit the input");
  Team team(threads_);
  std::vector<Map> maps{input};
  std::vector<Format> formats{Format::bytes};
  for (LayerRecord& record : layers) {
    layers_.push_back(prepare(std::move(record), maps, formats, pad, kernels_, team));
    maps.push_back(layers_.back().out);
    formats.push_back(layers_.back().format);
    if (layers_.back().is_logits && layers_.size() != layers.size()) throw std::invalid_argument("logits come last");
  }
  plan_memory();
  pool();
}

Engine::~Engine() {
  Pool* pool = pool_.load();
  // Threads of another process cannot be joined.
  if (pool != nullptr && pool->fork == forks.load()) delete pool;
}

// Every value gets the first gap that is free while it is needed: from its layer to its last reader.
void Engine::plan_memory() {
  struct Block {
    std::size_t offset, size, last;
  };
  std::vector<std::size_t> last(layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    last[i] = i;
    for (const Term& term : layers_[i].terms) {
      if (term.source > 0) last[term.source - 1] = i;
    }
  }
  std::vector<Block> live;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    live.erase(std::remove_if(live.begin(), live.end(), [i](const Block& block) { return block.last < i; }), live.end());
    std::sort(live.begin(), live.end(), [](const Block& a, const Block& b) { return a.offset < b.offset; });
    const std::size_t size = rounded_up(layers_[i].value_bytes(), 64);
    std::size_t offset = 0;
    for (const Block& block : live) {
      if (offset + size <= block.offset) break;
      offset = std::max(offset, block.offset + block.size);
    }
    live.push_back({offset, size, last[i]});
    offsets_.push_back(offset);
    value_bytes_ = std::max(value_bytes_, offset + size);
  }
  Needs one;
  for (const Layer& layer : layers_) one.include(layer, 1);
  const std::size_t bytes = value_bytes_ + one.fired + one.units + one.fields + one.flat * sizeof(std::int16_t);
  pass_ = std::clamp<std::size_t>(pass_bytes / std::max<std::size_t>(bytes, 1), 1, most_pictures);
  for (const Layer& layer : layers_) needs_.include(layer, pass_);
}

std::unique_ptr<Engine::Crew> Engine::crew(std::size_t threads) const {
  auto made = std::make_unique<Crew>(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    made->spaces.push_back(needs_.workspace(i == 0 ? threads : 1));
    made->spaces.back().values = Buffer<std::uint8_t>(pass_ * value_bytes_);
    made->spaces.back().sources.resize(layers_.size() + 1);
    std::size_t terms = 0;
    for (const Layer& layer : layers_) terms = std::max(terms, layer.terms.size());
    made->spaces.back().field_values.reserve(terms);
  }
  return made;
}

// That of this process. What a parent left behind is lost: its locks may be held for ever.
Engine::Pool& Engine::pool() {
  Pool* found = pool_.load(std::memory_order_acquire);
  const std::size_t fork = forks.load();
  if (found != nullptr && found->fork == fork) return *found;
  auto made = std::make_unique<Pool>();
  made->fork = fork;
  made->team = crew(threads_);
  if (pool_.compare_exchange_strong(found, made.get())) return *made.release();
  return *found;
}

void Engine::run(const std::uint8_t* input, std::size_t pictures, Result result, std::size_t layer, void* out) {
  Pool& pool = this->pool();
  std::unique_ptr<Crew> mine;
  {
    const std::lock_guard<std::mutex> lock(pool.mutex);
    if (pool.team) {
      mine = std::move(pool.team);
    } else if (!pool.alone.empty()) {
      mine = std::move(pool.alone.back());
      pool.alone.pop_back();
    }
  }
  if (!mine) mine = crew(1);
  auto* to = static_cast<std::uint8_t*>(out);
  const std::size_t workers = mine->spaces.size();
  if (workers > 1 && pictures >= workers) {
    // Whole pictures for every thread: no layer is waited for.
    const std::size_t bytes = result_bytes(result, layer);
    std::atomic<std::size_t> taken{0};
    mine->team.each(workers, [&](std::size_t, std::size_t worker) {
      for (Share share = take(taken, pictures, workers); share.count > 0; share = take(taken, pictures, workers)) {
        run_pass(mine->spaces[worker], mine->alone, input + share.first * input_.size(), share.count, result, layer,
                 to + share.first * bytes);
      }
    });
  } else {
    run_part(mine->spaces[0], mine->team, input, pictures, result, layer, to);
  }
  const std::lock_guard<std::mutex> lock(pool.mutex);
  if (workers == threads_ && !pool.team) {
    pool.team = std::move(mine);
  } else {
    pool.alone.push_back(std::move(mine));
  }
}

// Many while there are many left, so that tables serve several pictures; in the end few, so that nobody waits for long.
Engine::Share Engine::take(std::atomic<std::size_t>& taken, std::size_t pictures, std::size_t workers) const {
  std::size_t first = taken.load(), count = 0;
  do {
    if (first >= pictures) return {first, 0};
    count = std::clamp<std::size_t>((pictures - first) / (2 * workers), 1, pass_);
  } while (!taken.compare_exchange_weak(first, first + count));
  return {first, count};
}

void Engine::run_part(Workspace& space, Team& team, const std::uint8_t* input, std::size_t pictures, Result result,
                      std::size_t layer, std::uint8_t* out) const {
  for (std::size_t first = 0; first < pictures; first += pass_) {
    run_pass(space, team, input + first * input_.size(), std::min(pass_, pictures - first), result, layer,
             out + first * result_bytes(result, layer));
  }
}

void Engine::run_pass(Workspace& space, Team& team, const std::uint8_t* input, std::size_t pictures, Result result,
                      std::size_t layer, std::uint8_t* out) const {
  space.sources[0] = {input, input_.size()};
  for (std::size_t i = 0; i <= layer; ++i) {
    const std::size_t stride = rounded_up(layers_[i].value_bytes(), 64);
    std::uint8_t* values = space.values.data() + pass_ * offsets_[i];
    const Work work{kernels_, layers_[i], space, team, pictures, space.sources, values, stride};
    if (i == layer && (result == Result::sums || result == Result::logits)) {
      write(work, result, out);
      return;
    }
    run_layer(work);
    space.sources[i + 1] = {values, stride};
    if (i == layer) write(work, result, out);
  }
}

void Engine::write(const Work& work, Result result, std::uint8_t* out) const {
  const Layer& layer = work.layer;
  const std::size_t channels = layer.units.channels, area = layer.units.area(), bytes = result_bytes(result, &layer - layers_.data());
  const bool is_sum = result == Result::sums || result == Result::logits;
  if (is_sum && layer.is_dot) run_dots(work);
  for (std::size_t i = 0; i < work.pictures; ++i, out += bytes) {
    if (!is_sum) {
      const std::uint8_t* bits = work.units() + i * work.units_stride();
      (result == Result::bits ? unpack_bits : pack_code)(bits, channels, area, out);
      continue;
    }
    const std::size_t stride = layer.is_dot ? 1 : run_sums(work, i);
    const std::int32_t* sums = work.space.total.data() + (layer.is_dot ? i * 4 * quads(channels) : 0);
    for (std::size_t unit = 0; unit < channels * area; ++unit) {
      const std::int32_t sum = sums[unit / area * stride + unit % area];
      if (result == Result::sums) {
        std::memcpy(out + unit * sizeof sum, &sum, sizeof sum);
      } else {
        const double product = sum * layer.scale, logit = product + layer.bias[unit];
        std::memcpy(out + unit * sizeof logit, &logit, sizeof logit);
      }
    }
  }
}

std::size_t Engine::result_bytes(Result result, std::size_t layer) const {
  const std::size_t units = layers_[layer].units.size();
  switch (result) {
    case Result::logits: return units * sizeof(double);
    case Result::sums: return units * sizeof(std::int32_t);
    case Result::codes: return (units + 7) / 8;
    default: return units;
  }
}

std::vector<std::vector<std::string>> Engine::methods() const {
  static const char* const names[] = {"shortcut", "dot",    "lookup",  "wide",  "popcount",
                                      "tabled",   "bytes",  "product", "winograd", "scalar"};
  std::vector<std::vector<std::string>> found;
  for (const Layer& layer : layers_) {
    found.emplace_back();
    for (const Term& term : layer.terms) found.back().emplace_back(term.line > 0 ? "lines" : names[static_cast<std::size_t>(term.method)]);
  }
  return found;
}

}  // namespace firebit
