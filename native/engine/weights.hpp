// Weights in the order of the kernels that read them.
#pragma once

#include "engine/term.hpp"

namespace firebit {

// Turns a convolution over bits to look-ups, where its tables are given as quantised, or fit bytes as they are.
// Throws std::invalid_argument where quantised tables do not keep their bounds.
void set_tables(Term& term, const TermRecord& record, std::size_t lookup_pairs);

// Arranges the weights for the term's method; those of look-ups are there already.
void set_weights(Term& term, TermRecord& record);

}  // namespace firebit
