// Linear layers: dot products of rows of weights with all values of a source.
#pragma once

#include "engine/run.hpp"

namespace firebit {

// Sums of four outputs from 4q on. `flat` is what fill_flat makes.
void run_dot_rows(const Kernels& kernels, const Term& term, std::size_t q, const std::int16_t* flat, std::int32_t* out);

// Sums of a layer of dots for all pictures, in space.total: [picture][channels rounded up to four].
void run_dots(const Work& work);

}  // namespace firebit
