// Weights in the order of the kernel that reads them.
#pragma once

#include "engine/term.hpp"

namespace firebit {

// Calls job(part), which must not throw, for all parts of a buffer of so many bytes: on all threads where it is large.
template <class Job>
void share(Team& team, std::size_t parts, std::size_t bytes, const Job& job) {
  constexpr std::size_t large = std::size_t{1} << 20;
  if (bytes >= large) return team.each(parts, [&](std::size_t part, std::size_t) { job(part); });
  for (std::size_t part = 0; part < parts; ++part) job(part);
}

// Weights of one output.
std::size_t per_group(const Term& term);

// Groups whose tables are looked up in one pass: whole chunks.
inline std::size_t lookup_block_of(std::size_t chunk) { return std::max(chunk, lookup_block / chunk * chunk); }

// Whether the weights of all groups are −1 or +1.
template <class Item>
bool is_sign(const Term& term, const Item* weights) {
  return std::all_of(weights, weights + term.outputs * term.groups * per_group(term),
                     [](Item weight) { return weight == 1 || weight == -1; });
}

// Whether weights fit the products of bytes, for kernels that `saturates` speaks of too.
bool are_bytes(const Term& term, const Weights& weights, bool saturates);

// Tables of 16 bytes, where the record has some or exact ones are small enough: then the term's method is `lookup`.
void set_tables(Term& term, const TermRecord& record, Team& team);

// Tables of 64 entries, whatever the weights.
void set_wide_tables(Term& term, const TermRecord& record);

// The weights of any other method.
void set_weights(Term& term, TermRecord& record, Team& team);

}  // namespace firebit
