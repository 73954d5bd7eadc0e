// The compressive memory in published mode against numbers computed by the paper's official implementation.

#include <gtest/gtest.h>

#include "memory/compressive.h"
#include "memory/torch.h"
#include "tests/memory/reference_run.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

const CompressiveState::Layer& LayerState(const StatePtr& state, size_t layer) {
  return static_cast<const CompressiveState&>(*state).layers()[layer];
}

struct CompressiveFamily {
  using Core = Compressive;
  using Passes = std::vector<Compressive::LayerPass>;
  static constexpr ReferenceFamily kFamily = ReferenceFamily::kCompressive;

  static CompressiveOptions Options(const ReferenceCase& c) {
    CompressiveOptions o;
    SetPublishedOptions(c, o);
    o.memory_length = c.Get<int64_t>("attn_lim");
    o.rate = c.Get<int64_t>("compress_rate");
    o.slots = c.Get<int64_t>("compress_size") / o.rate;
    return o;
  }
  static void Prepare(Compressive&, const ReferenceCase&, int64_t) {}
  static Tensor AuxPerSample(const ReferenceCase&, const BlockOutput&) { return {}; }
  static Tensor Aux(const ReferenceCase&, const BlockOutput&) { return {}; }
  static void CheckLayer(ReferenceCheck& check, const std::string& prefix, const Compressive&, const StatePtr&,
                         const StatePtr& after, size_t layer, const Compressive::LayerPass& pass) {
    check.Close(prefix + "attn", pass.weights);
    check.Close(prefix + "cache_after", LayerState(after, layer).steps);
    // Behind whole groups the oldest of our C + 1 slots is out of sight; the published memory has dropped it.
    check.Close(prefix + "compressed_after", LayerState(after, layer).slots.slice(1, 1));
  }
  static int64_t Kept(const StatePtr& state, size_t layer) { return LayerState(state, layer).steps.size(1); }
  static double MeanSpan(const Compressive& core, const BlockOutput&, size_t) {
    return static_cast<double>(core.options().memory_length);
  }
  static void CheckFinal(ReferenceCheck& check, const std::string& layer_name, const StatePtr& state, size_t layer) {
    check.Close("final_cache." + layer_name, LayerState(state, layer).steps);
    if (check.Has("final_compressed." + layer_name))
      check.Close("final_compressed." + layer_name, LayerState(state, layer).slots.slice(1, 1));
  }
};

using Run = ReferenceRun<CompressiveFamily>;

TEST(ReferenceCompressive, Float64) { Run::InFloat64(); }
TEST(ReferenceCompressive, Float32) { Run::InFloat32(); }

}  // namespace
}  // namespace lethe::memory
