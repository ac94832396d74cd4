// The Python module firebit.engine._native. It trusts nothing it is given; firebit.engine.native words the errors.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dispatch.hpp"
#include "engine/engine.hpp"
#include "nearest.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Codes = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Distances = nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Pictures = nb::ndarray<const std::uint8_t, nb::c_contig, nb::device::cpu>;
using Sizes = std::vector<std::size_t>;

template <class Item>
using Array = nb::ndarray<const Item, nb::c_contig, nb::device::cpu>;
template <class Item>
using Results = nb::ndarray<Item, nb::c_contig, nb::device::cpu>;

void hamming(const Codes& a, const Codes& b, const Distances& out, const std::string& instruction_set) {
  const std::size_t bytes = a.shape(1);
  if (b.shape(1) != bytes) throw nb::value_error("codes of different lengths");
  if (out.shape(0) != a.shape(0) || out.shape(1) != b.shape(0)) throw nb::value_error("out has not the shape (n, m)");
  if (bytes > std::numeric_limits<std::int32_t>::max() / 8) throw nb::value_error("codes too long for 32-bit distances");
  const firebit::Kernels chosen = firebit::kernels(instruction_set);
  nb::gil_scoped_release released;
  chosen.hamming(a.data(), b.data(), out.data(), a.shape(0), b.shape(0), bytes);
}

using Ranks = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Lists = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using FoundRanks = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

firebit::Codes searched(const Codes& queries, const Codes& codes, const Ranks& ranks) {
  if (queries.shape(1) != codes.shape(1)) throw nb::value_error("codes of different lengths");
  if (codes.shape(1) > firebit::longest_code) throw nb::value_error("codes are too long");
  if (ranks.shape(0) != codes.shape(0)) throw nb::value_error("there is not one rank per code");
  return {codes.data(), ranks.data(), codes.shape(0), codes.shape(1)};
}

firebit::Nearest places(const Codes& queries, const Distances& distances, const FoundRanks& found) {
  const bool fits = distances.shape(0) == queries.shape(0) && found.shape(0) == queries.shape(0);
  if (!fits || distances.shape(1) != found.shape(1)) throw nb::value_error("results have not the shape (queries, k)");
  if (found.shape(1) == 0) throw nb::value_error("k is 0");
  return {distances.data(), found.data(), found.shape(1)};
}

void nearest(const Codes& queries, const Codes& codes, const Ranks& ranks, std::int32_t limit, const Distances& distances,
             const FoundRanks& found, const std::string& instruction_set) {
  const firebit::Codes all = searched(queries, codes, ranks);
  const firebit::Nearest out = places(queries, distances, found);
  const firebit::Kernels chosen = firebit::kernels(instruction_set);
  nb::gil_scoped_release released;
  firebit::nearest(chosen, queries.data(), queries.shape(0), all, limit, out);
}

void check_lists(const Ranks& offsets, const Lists& lists, std::size_t codes) {
  if (offsets.shape(0) == 0 || offsets.data()[0] < 0) throw nb::value_error("offsets do not begin");
  const std::int64_t* end = offsets.data() + offsets.shape(0);
  if (!std::is_sorted(offsets.data(), end)) throw nb::value_error("offsets fall");
  if (static_cast<std::size_t>(end[-1]) > codes) throw nb::value_error("offsets leave the codes");
  const auto count = static_cast<std::int64_t>(offsets.shape(0)) - 1;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (lists.data()[i] < 0 || lists.data()[i] >= count) throw nb::value_error("no such list");
  }
}

void nearest_in_lists(const Codes& queries, const Codes& codes, const Ranks& ranks, const Ranks& offsets, const Lists& lists,
                      std::int32_t limit, const Distances& distances, const FoundRanks& found,
                      const std::string& instruction_set) {
  const firebit::Codes all = searched(queries, codes, ranks);
  const firebit::Nearest out = places(queries, distances, found);
  if (lists.shape(0) != queries.shape(0)) throw nb::value_error("lists are not one row per query");
  check_lists(offsets, lists, all.count);
  const firebit::Kernels chosen = firebit::kernels(instruction_set);
  nb::gil_scoped_release released;
  firebit::nearest_in_lists(chosen, queries.data(), queries.shape(0), all, offsets.data(), lists.data(), lists.shape(1),
                            limit, out);
}

template <class Item>
using Matrix = nb::ndarray<const Item, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Sums = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// `Sum` holds the sizes of 256 items. The compiler finds the vectors.
template <class Item, class Sum>
void row_sizes(const Matrix<Item>& values, const Sums& out) {
  constexpr std::size_t together = 256;
  if (out.shape(0) != values.shape(0)) throw nb::value_error("out has another size");
  nb::gil_scoped_release released;
  const std::size_t length = values.shape(1);
  for (std::size_t row = 0; row < values.shape(0); ++row) {
    const Item* from = values.data() + row * length;
    std::int64_t all = 0;
    for (std::size_t first = 0; first < length; first += together) {
      Sum sum = 0;
      for (std::size_t i = first; i < std::min(first + together, length); ++i) {
        const auto value = static_cast<Sum>(from[i]);
        sum = static_cast<Sum>(sum + (from[i] < 0 ? static_cast<Sum>(-value) : value));
      }
      all += sum;
    }
    out.data()[row] = all;
  }
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const firebit::Kernels& kernels : firebit::available_kernels()) names.emplace_back(kernels.name);
  return names;
}

template <class Item>
std::vector<Item> items(const Array<Item>& array) {
  return std::vector<Item>(array.data(), array.data() + array.size());
}

template <std::size_t count>
void take(const Sizes& from, std::size_t (&to)[count], const char* problem) {
  if (from.size() != count) throw nb::value_error(problem);
  std::copy(from.begin(), from.end(), to);
}

// (kind, kernel, stride, padding, output) and a factor per window, or none.
firebit::Pool pool(const std::string& kind, const Sizes& sizes, const Array<std::int32_t>& factors) {
  firebit::Pool made;
  if (kind != "max" && kind != "sum" && kind != "mean") throw nb::value_error("no such pooling");
  if (sizes.size() != 8) throw nb::value_error("a pooling has eight sizes");
  made.kind = kind == "max" ? firebit::PoolKind::max : kind == "sum" ? firebit::PoolKind::sum : firebit::PoolKind::mean;
  for (std::size_t i = 0; i < 2; ++i) {
    made.kernel[i] = sizes[i];
    made.stride[i] = sizes[2 + i];
    made.padding[i] = sizes[4 + i];
  }
  made.height = sizes[6];
  made.width = sizes[7];
  made.factors = items(factors);
  return made;
}

firebit::TermRecord shortcut(std::size_t source, const Array<std::int32_t>& coefficients, const std::optional<firebit::Pool>& pool) {
  firebit::TermRecord term;
  term.source = source;
  term.is_shortcut = true;
  term.coefficients = items(coefficients);
  term.pool = pool;
  return term;
}

void hold(firebit::TermRecord& term, const Array<std::int16_t>& weights) {
  term.weights = {std::make_shared<Array<std::int16_t>>(weights), weights.data(), weights.size()};
}

void hold(firebit::TermRecord& term, const Array<std::int8_t>& weights) {
  term.bytes = {std::make_shared<Array<std::int8_t>>(weights), weights.data(), weights.size()};
}

template <class Item>
firebit::TermRecord weighted(std::size_t source, const Array<Item>& weights, const Sizes& stride, const Sizes& padding,
                             const Sizes& dilation, std::size_t groups, const std::optional<firebit::Pool>& pool,
                             const Array<std::int32_t>& multipliers, std::size_t chunk) {
  if (weights.ndim() != 4) throw nb::value_error("weights have four dimensions");
  firebit::TermRecord term;
  term.source = source;
  hold(term, weights);
  term.outputs = weights.shape(0);
  term.inputs = weights.shape(1);
  term.kernel[0] = weights.shape(2);
  term.kernel[1] = weights.shape(3);
  take(stride, term.stride, "a stride has two sizes");
  take(padding, term.padding, "a padding has four sizes");
  take(dilation, term.dilation, "a dilation has two sizes");
  term.groups = groups;
  term.pool = pool;
  term.multipliers = items(multipliers);
  term.chunk = chunk;
  return term;
}

firebit::LayerRecord layer(std::vector<firebit::TermRecord> terms, const Array<std::int32_t>& thresholds,
                           const Array<std::int8_t>& directions, const Array<std::int32_t>& windows,
                           const std::optional<firebit::Pool>& post, std::int64_t largest) {
  if (thresholds.ndim() != 2 || thresholds.shape(0) == 0) throw nb::value_error("thresholds are no matrix");
  firebit::LayerRecord made;
  made.terms = std::move(terms);
  made.rows = thresholds.shape(0);
  made.thresholds = items(thresholds);
  made.directions = items(directions);
  made.windows = items(windows);
  made.post = post;
  made.largest = largest;
  return made;
}

firebit::LayerRecord logits(std::vector<firebit::TermRecord> terms, double scale, const Array<double>& bias) {
  firebit::LayerRecord made;
  made.terms = std::move(terms);
  made.scale = scale;
  made.bias = items(bias);
  return made;
}

// Takes the records' contents: they are of no further use.
void make(firebit::Engine* self, const std::string& instruction_set, std::size_t threads, const Sizes& shape,
          const Array<std::uint8_t>& pad, const nb::list& layers) {
  if (shape.size() != 3) throw nb::value_error("an input has three sizes");
  if (threads == 0 || threads > 1024) throw nb::value_error("a network runs on 1 to 1024 threads");
  std::vector<firebit::LayerRecord> records;
  for (nb::handle each : layers) records.push_back(std::move(nb::cast<firebit::LayerRecord&>(each)));
  const firebit::Kernels chosen = firebit::kernels(instruction_set);
  new (self) firebit::Engine(chosen, threads, {shape[0], shape[1], shape[2]}, items(pad), std::move(records));
}

template <class Item>
void run(firebit::Engine& engine, const Pictures& pictures, std::size_t layer, const Results<Item>& out,
         firebit::Result result, std::size_t per_picture) {
  const std::size_t count = pictures.ndim() > 0 ? pictures.shape(0) : 0;
  if (pictures.size() != count * engine.input_size()) throw nb::value_error("pictures have another size");
  if (out.size() != count * per_picture) throw nb::value_error("out has another size");
  nb::gil_scoped_release released;
  engine.run(pictures.data(), count, result, layer, out.data());
}

void check_layer(const firebit::Engine& engine, std::size_t layer, bool is_logits) {
  if (layer >= engine.layers() || engine.is_logits(layer) != is_logits) throw nb::value_error("no such layer");
}

void run_logits(firebit::Engine& engine, const Pictures& pictures, const Results<double>& out) {
  const std::size_t layer = engine.layers() - 1;
  check_layer(engine, layer, true);
  run(engine, pictures, layer, out, firebit::Result::logits, engine.units(layer));
}

void run_bits(firebit::Engine& engine, const Pictures& pictures, std::size_t layer, const Results<std::uint8_t>& out) {
  check_layer(engine, layer, false);
  run(engine, pictures, layer, out, firebit::Result::bits, engine.units(layer));
}

void run_codes(firebit::Engine& engine, const Pictures& pictures, std::size_t layer, const Results<std::uint8_t>& out) {
  check_layer(engine, layer, false);
  run(engine, pictures, layer, out, firebit::Result::codes, (engine.units(layer) + 7) / 8);
}

void run_sums(firebit::Engine& engine, const Pictures& pictures, std::size_t layer, const Results<std::int32_t>& out) {
  check_layer(engine, layer, false);
  run(engine, pictures, layer, out, firebit::Result::sums, engine.units(layer));
}

void add_engine(nb::module_& module) {
  nb::class_<firebit::Pool>(module, "Pool");
  nb::class_<firebit::TermRecord>(module, "Term");
  nb::class_<firebit::LayerRecord>(module, "Layer");
  module.def("pool", &pool, "kind"_a, "sizes"_a, "factors"_a.noconvert(), "A pooling: kernel, stride, padding, output.");
  module.def("shortcut", &shortcut, "source"_a, "coefficients"_a.noconvert(), "pool"_a.none(), "Coefficients on values.");
  const auto define_weighted = [&](auto function) {
    module.def("weighted", function, "source"_a, "weights"_a.noconvert(), "stride"_a, "padding"_a, "dilation"_a, "groups"_a,
               "pool"_a.none(), "multipliers"_a.noconvert(), "chunk"_a, "Weights (O, I, kh, kw) on values.");
  };
  define_weighted(&weighted<std::int16_t>);
  define_weighted(&weighted<std::int8_t>);
  module.def("layer", &layer, "terms"_a, "thresholds"_a.noconvert(), "directions"_a.noconvert(), "windows"_a.noconvert(),
             "post"_a.none(), "largest"_a, "A hidden layer.");
  module.def("logits", &logits, "terms"_a, "scale"_a, "bias"_a.noconvert(), "The last sum.");
  nb::class_<firebit::Engine>(module, "Engine", "A network that runs.")
      .def("__init__", &make, "instruction_set"_a, "threads"_a, "shape"_a, "pad"_a.noconvert(), "layers"_a)
      .def("logits", &run_logits, "pictures"_a.noconvert(), "out"_a.noconvert(), "Fill out (n, classes).")
      .def("bits", &run_bits, "pictures"_a.noconvert(), "layer"_a, "out"_a.noconvert(), "Fill out (n, units) with 0 and 1.")
      .def("codes", &run_codes, "pictures"_a.noconvert(), "layer"_a, "out"_a.noconvert(), "Fill out (n, bytes).")
      .def("sums", &run_sums, "pictures"_a.noconvert(), "layer"_a, "out"_a.noconvert(), "Fill out (n, units).")
      .def("methods", &firebit::Engine::methods, "How every term of every layer is computed.")
      .def_prop_ro("threads", &firebit::Engine::threads, "Threads that a call may use.")
      .def_prop_ro("value_bytes", &firebit::Engine::value_bytes, "Bytes that hold the activations of one picture.");
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Firebit's native kernels.";
  module.def("hamming", &hamming, "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert(), "instruction_set"_a,
             "Fill out (n, m) with the distances between the rows of a (n, bytes) and b (m, bytes).");
  module.def("nearest", &nearest, "queries"_a.noconvert(), "codes"_a.noconvert(), "ranks"_a.noconvert(), "limit"_a,
             "distances"_a.noconvert(), "found"_a.noconvert(), "instruction_set"_a,
             "Fill distances and found (n, k) with the nearest codes by (distance, rank), of those up to a limit.");
  module.def("nearest_in_lists", &nearest_in_lists, "queries"_a.noconvert(), "codes"_a.noconvert(), "ranks"_a.noconvert(),
             "offsets"_a.noconvert(), "lists"_a.noconvert(), "limit"_a, "distances"_a.noconvert(), "found"_a.noconvert(),
             "instruction_set"_a, "The same among the codes of some lists per query.");
  module.def("row_sizes", &row_sizes<std::int8_t, std::uint16_t>, "values"_a.noconvert(), "out"_a.noconvert(),
             "Fill out (n,) with the sums of the sizes of rows (n, length).");
  module.def("row_sizes", &row_sizes<std::int16_t, std::uint32_t>, "values"_a.noconvert(), "out"_a.noconvert(),
             "Fill out (n,) with the sums of the sizes of rows (n, length).");
  module.def("instruction_sets", &instruction_sets, "The instruction sets this processor can run, best first.");
  module.def("cpu_features", &firebit::cpu_features, "What this processor offers, of the features Firebit knows of.");
  add_engine(module);
}
