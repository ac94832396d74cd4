// Convolutions of pixels by rows of five weights in Winograd's way: which, their weights, their panels and sums.
#pragma once

#include "engine/gather.hpp"
#include "engine/sum.hpp"
#include "engine/term.hpp"

namespace firebit {

// Whether a term that reads bytes, whose shape is set, can be computed so, exactly.
bool fits_winograd(const Term& term, const Weights& weights);

// Where pairs of rows lie in a panel, and how large that is.
void set_winograd_panel(Term& term);

Matrix winograd_matrix(const Term& term, const std::int16_t* weights);

// Slices of one picture have a panel together, at the place of the first: [points][planes][rows][tiles of a row][2],
// a plane of two channels, or of one and the row below.
void fill_winograd(const Kernels& kernels, const Term& term, const Values& fields, const Tile& tile, std::uint8_t* panel);

void add_winograd(const Kernels& kernels, const Term& term, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
                  std::int32_t* sums, std::size_t stride, bool begins);

// The bits of a layer of one such term: nibbles, `stride` from quad to quad, from output `outputs.first` on.
void step_winograd(const Kernels& kernels, const Layer& layer, const Tile& tile, const std::uint8_t* panel, Outputs outputs,
                   std::uint8_t* nibbles, std::size_t stride);

// Limits of sums, as they are compared with 16 times these: sums are below 2²⁷.
std::vector<std::int32_t> winograd_limits(const std::vector<std::int32_t>& limits);

}  // namespace firebit
