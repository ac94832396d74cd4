// Runs layers on the pictures of a pass.
#pragma once

#include "engine/layer.hpp"

namespace firebit {

// One layer at work: its record, its sources, and where its values go.
struct Work {
  const Kernels& kernels;
  const Layer& layer;
  Workspace& space;
  Team& team;
  std::size_t pictures;
  const std::vector<Values>& sources;  // of all layers; those of the input first
  std::uint8_t* out = nullptr;
  std::size_t out_stride = 0;

  // Bits before `post`, as nibble planes: `out` itself where there is no such pooling.
  std::uint8_t* units() const { return layer.post ? space.units.data() : out; }
  std::size_t units_stride() const {
    return layer.post ? quads(layer.units.channels) * layer.units.area() : out_stride;
  }
};

// The values of the layer, all pictures.
void run_layer(const Work& work);

// The sums of one picture, [channels][area] with `stride` from channel to channel, in space.total.
std::size_t run_sums(const Work& work, std::size_t picture);

// From channel to channel of a map of sums; kernels write whole slices of columns.
std::size_t map_stride(const Map& map, bool has_panel);
std::size_t total_stride(const Layer& layer);

// How much layers need of every part of a workspace.
struct Needs {
  std::size_t fired = 0, units = 0, fields = 0, raw = 0, total = 0, flat = 0;
  std::size_t panel = 0, look_up_sums = 0, tables = 0, sums = 0, nibbles = 0, line = 0;

  void include(const Layer& layer, std::size_t pictures);
  Workspace workspace(std::size_t workers) const;  // all but the values
};

}  // namespace firebit
