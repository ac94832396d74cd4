// Weights in the order of the kernel that reads them.
#pragma once

#include "engine/term.hpp"

namespace firebit {

// Weights of one output.
std::size_t per_group(const Term& term);

// Groups of all blocks of a matrix whose outputs have orders of their own, each block filled up to whole chunks.
inline std::size_t ordered_groups(std::size_t groups, std::size_t chunk) {
  return groups / ordered_block * ordered_block + rounded_up(groups % ordered_block, chunk);
}

// Whether the weights of all groups are −1 or +1.
bool is_sign(const Term& term, const std::int16_t* weights);

// Whether weights fit the products of bytes, for kernels that `saturates` speaks of too.
bool are_bytes(const Term& term, const Weights& weights, bool saturates);

// Tables of 16 bytes, where the record has some or exact ones are small enough: then the term's method is `lookup`.
void set_tables(Term& term, const TermRecord& record, std::size_t lookup_pairs);

// Tables of 64 entries, whatever the weights.
void set_wide_tables(Term& term, const TermRecord& record);

// The weights of any other method.
void set_weights(Term& term, TermRecord& record);

}  // namespace firebit
