// The Python module firebit.engine._native. It trusts nothing it is given; firebit.engine.native words the errors.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "dispatch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Codes = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Distances = nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void hamming(const Codes& a, const Codes& b, const Distances& out, const std::string& instruction_set) {
  const std::size_t bytes = a.shape(1);
  if (b.shape(1) != bytes) throw nb::value_error("codes of different lengths");
  if (out.shape(0) != a.shape(0) || out.shape(1) != b.shape(0)) throw nb::value_error("out has not the shape (n, m)");
  if (bytes > std::numeric_limits<std::int32_t>::max() / 8) throw nb::value_error("codes too long for 32-bit distances");
  const firebit::Kernels chosen = firebit::kernels(instruction_set);
  nb::gil_scoped_release released;
  chosen.hamming(a.data(), b.data(), out.data(), a.shape(0), b.shape(0), bytes);
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const firebit::Kernels& kernels : firebit::available_kernels()) names.emplace_back(kernels.name);
  return names;
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "Firebit's native kernels.";
  module.def("hamming", &hamming, "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert(), "instruction_set"_a,
             "Fill out (n, m) with the distances between the rows of a (n, bytes) and b (m, bytes).");
  module.def("instruction_sets", &instruction_sets, "The instruction sets this processor can run, best first.");
  module.def("cpu_features", &firebit::cpu_features, "What this processor offers, of the features Firebit knows of.");
}
