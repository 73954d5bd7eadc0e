// Transformer-XL and Adaptive-Span in published mode against numbers computed by the paper's official implementation.

#include <gtest/gtest.h>

#include "memory/adaptive_span.h"
#include "memory/torch.h"
#include "memory/transformer_xl.h"
#include "tests/memory/reference_banks.h"
#include "tests/memory/reference_run.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

/// What both share: a cache of states, and no loss of a sample's own.
struct WindowFamily {
  using Passes = BankedTransformer::LayerPasses;

  template <class CoreType>
  static void Prepare(CoreType&, const ReferenceCase&, int64_t) {}
  static Tensor AuxPerSample(const ReferenceCase&, const BlockOutput&) { return {}; }
  static int64_t Kept(const StatePtr& state, size_t layer) { return AsBankedState(state).banks()[layer].longest; }
  static void CheckFinal(ReferenceCheck& check, const std::string& layer_name, const StatePtr& state, size_t layer) {
    check.Close("final_cache." + layer_name, KeptHidden(state, layer));
  }
};

struct TransformerXlFamily : WindowFamily {
  using Core = TransformerXl;
  static constexpr ReferenceFamily kFamily = ReferenceFamily::kTransformerXl;

  static TransformerXlOptions Options(const ReferenceCase& c) {
    TransformerXlOptions o;
    SetPublishedOptions(c, o);
    o.memory_length = c.Get<int64_t>("attn_lim");
    return o;
  }
  static Tensor Aux(const ReferenceCase&, const BlockOutput&) { return {}; }
  static void CheckLayer(ReferenceCheck& check, const std::string& prefix, const TransformerXl& core, const StatePtr&,
                         const StatePtr& after, size_t layer, const BankedTransformer::LayerPass& pass) {
    check.Close(prefix + "attn", WindowWeights(pass.detail.weights, core.options().memory_length));
    check.Close(prefix + "cache_after", KeptHidden(after, layer));
  }
  static double MeanSpan(const TransformerXl& core, const BlockOutput&, size_t) {
    return static_cast<double>(core.options().memory_length);
  }
};

struct AdaptiveSpanFamily : WindowFamily {
  using Core = AdaptiveSpan;
  static constexpr ReferenceFamily kFamily = ReferenceFamily::kAdaptiveSpan;

  static AdaptiveSpanOptions Options(const ReferenceCase& c) {
    AdaptiveSpanOptions o;
    SetPublishedOptions(c, o);
    o.span_limit = c.Get<int64_t>("attn_lim");
    o.ramp = c.Get<double>("adapt_span_len");
    o.span_loss = c.Get<double>("adapt_span_loss");
    o.trim_step = c.Get<int64_t>("adapt_span_trim_step");
    o.per_layer = c.Get<bool>("adapt_span_layer");
    o.cache = c.Get<bool>("adapt_span_cache");
    return o;
  }
  static Tensor Aux(const ReferenceCase&, const BlockOutput& output) { return output.aux_loss; }
  static void CheckLayer(ReferenceCheck& check, const std::string& prefix, const AdaptiveSpan& core, const StatePtr&,
                         const StatePtr& after, size_t l, const BankedTransformer::LayerPass& pass) {
    const TransformerLayer& layer = core.layers()[l];
    const int64_t window = core.options().span_limit - core.Trim(layer);
    const Tensor distance = torch::arange(window, 0, -1, torch::kDouble);
    const Tensor mask = MaskOf(core.HeadSpans(layer).unsqueeze(1) - distance, core.options().ramp);  // [K, W]
    check.Close(prefix + "mask", mask.slice(0, 0, layer.span_ratio.size(0)));
    check.Close(prefix + "attn", WindowWeights(pass.detail.weights, window));
    check.Close(prefix + "cache_after", KeptHidden(after, l));
  }
  static Tensor MeanSpan(const AdaptiveSpan& core, const BlockOutput&, size_t layer) {
    return core.layers()[layer].span_ratio.detach().to(torch::kDouble).mean() * core.options().span_limit;
  }
};

using Xl = ReferenceRun<TransformerXlFamily>;
using Adaptive = ReferenceRun<AdaptiveSpanFamily>;

TEST(ReferenceTransformerXl, Float64) { Xl::InFloat64(); }
TEST(ReferenceTransformerXl, Float32) { Xl::InFloat32(); }
TEST(ReferenceAdaptiveSpan, Float64) { Adaptive::InFloat64(); }
TEST(ReferenceAdaptiveSpan, Float32) { Adaptive::InFloat32(); }

}  // namespace
}  // namespace lethe::memory
