#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace firebit {

// The instruction sets that are built in and that this processor can run, best first; the last is always "portable".
std::vector<Kernels> available_kernels();

// The kernels of one of them; throws std::invalid_argument for any other name.
Kernels kernels(const std::string& name);

// What the processor offers beyond its baseline, of the features Firebit knows of.
std::vector<std::string> cpu_features();

}  // namespace firebit
