// All kernels of an instruction set from its vocabulary.
#pragma once

#include "generic/compiler.hpp"
#include "generic/hamming.hpp"
#include "generic/lookup.hpp"
#include "generic/nearest.hpp"
#include "generic/panel.hpp"
#include "generic/pooling.hpp"
#include "generic/quads.hpp"
#include "generic/sums.hpp"
#include "generic/winograd.hpp"
#include "kernels.hpp"

namespace firebit::generic {

template <class Simd>
Kernels kernels(const char* name) {
  return {name,
          Simd::wide_best,
          Simd::counts_best,
          Simd::saturates,
          hamming<Simd>,
          scan<Simd>,
          fill_bytes<Simd>,
          fill_pairs<Simd>,
          fill_quads<Simd>,
          fill_lines<Simd>,
          look_up<Simd>,
          look_up_signs<Simd>,
          look_up_bits<Simd>,
          look_up_sums<Simd>,
          sum_tables<Simd>,
          multiply<Simd>,
          winograd_kernels<Simd>().transform,
          winograd_kernels<Simd>().sums,
          winograd_kernels<Simd>().bits,
          multiply_bytes<Simd>,
          count_ones<Simd>,
          wide_look_up<Simd>(),
          add_rows<Simd>,
          dot16<Simd>,
          add_bits<Simd>,
          pool_sums<Simd>,
          pool_bits<Simd>,
          step<Simd, false>,
          step<Simd, true>};
}

}  // namespace firebit::generic
