// Linear layers: dot products of rows of weights with all values of a source.
#pragma once

#include "engine/run.hpp"

namespace firebit {

// sums[o · stride] grow by a term's sums over one picture, shared out among the team. `flat` is what fill_flat makes.
void add_dots(const Work& work, const Term& term, const std::int16_t* flat, std::int32_t* sums, std::size_t stride);

// Sums of a layer of dots for all pictures, in space.total: [picture][channels rounded up to four].
void run_dots(const Work& work);

}  // namespace firebit
