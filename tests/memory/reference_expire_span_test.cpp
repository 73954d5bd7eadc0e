// Expire-Span in published mode against numbers computed by the paper's official implementation.
// tests/data/reference holds a case of each kind; LETHE_REFERENCE_DIR names another folder with files of the same
// format, of any sizes. Everything a file holds is compared, and ExpectAllSeen says so.

#include <gtest/gtest.h>

#include "memory/expire_span.h"
#include "memory/torch.h"
#include "tests/memory/published_expire_span_options.h"
#include "tests/memory/reference_banks.h"
#include "tests/memory/reference_run.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

struct ExpireSpanFamily {
  using Core = ExpireSpan;
  using Passes = BankedTransformer::LayerPasses;
  static constexpr ReferenceFamily kFamily = ReferenceFamily::kExpireSpan;

  static ExpireSpanOptions Options(const ReferenceCase& c) { return PublishedExpireSpanOptions(c); }
  static void Prepare(ExpireSpan& core, const ReferenceCase& c, int64_t k) {
    if (c.Has("noise")) core.SetShortening(c.Find("noise")[k].item<double>());
  }
  /// alpha / (R M) turns sums of remaining spans into the published span loss.
  static Tensor AuxPerSample(const ReferenceCase& c, const BlockOutput& output) {
    return output.ramp_sum *
           (c.Get<double>("expire_span_loss") / (c.Get<double>("expire_span_ramp") * c.Get<double>("mem_sz")));
  }
  static Tensor Aux(const ReferenceCase& c, const BlockOutput& output) { return AuxPerSample(c, output).mean(); }
  static void CheckLook(ReferenceCheck& check, const std::string& prefix, const ExpireSpan& core,
                        const StatePtr& before, size_t layer, const BankedTransformer::LayerPass& pass) {
    const int64_t steps = pass.span.size(1);
    const BankedState& state = AsBankedState(before);
    const Tensor distance = Distances(state, state.banks()[layer], steps);
    const Tensor span = torch::cat({pass.bank_span.view({pass.span.size(0), -1}), pass.span}, 1);
    Noise evaluation(0);
    const AttentionConstants constants = core.Constants(evaluation);
    const Tensor query = torch::arange(steps, torch::kDouble).view({1, steps, 1});
    check.Equal(prefix + "distance", distance);
    check.Close(prefix + "span", span);
    check.Close(prefix + "mask",
                MaskOf((span.detach().clamp_max(constants.shorten) - distance).unsqueeze(1) - query, constants.ramp));
    check.Close(prefix + "attn", pass.detail.weights);
  }
  static void CheckLayer(ReferenceCheck& check, const std::string& prefix, const ExpireSpan& core,
                         const StatePtr& before, const StatePtr& after, size_t layer,
                         const BankedTransformer::LayerPass& pass) {
    CheckLook(check, prefix, core, before, layer, pass);
    check.Close(prefix + "cache_after", KeptHidden(after, layer));
    check.Equal(prefix + "distance_after", Distances(AsBankedState(after), AsBankedState(after).banks()[layer], 0));
  }
  static int64_t Kept(const StatePtr& state, size_t layer) { return AsBankedState(state).banks()[layer].longest; }
  static Tensor MeanSpan(const ExpireSpan&, const BlockOutput& output, size_t layer) {
    return output.spans[layer].mean();
  }
  static void CheckFinal(ReferenceCheck& check, const std::string& layer_name, const StatePtr& state, size_t layer) {
    check.Close("final_cache." + layer_name, KeptHidden(state, layer));
    check.Equal("final_distance." + layer_name,
                Distances(AsBankedState(state), AsBankedState(state).banks()[layer], 0));
  }
};

using Run = ReferenceRun<ExpireSpanFamily>;

/// The state that also remembers the block: nothing is removed.
StatePtr KeepAll(const BankedState& before, const Tensor& x) {
  const Bank& bank = before.banks()[0];
  std::vector<KeptRow> all(static_cast<size_t>(x.size(0)));
  for (size_t row = 0; row < all.size(); ++row) {
    for (int64_t i = 0; i < bank.longest; ++i) all[row].banked.push_back(static_cast<int64_t>(row) * bank.longest + i);
    for (int64_t t = 0; t < x.size(1); ++t) all[row].steps.push_back(t);
  }
  std::vector<Bank> banks{Repack(bank, x.detach(), before.clock(), all)};
  return std::make_shared<BankedState>(std::move(banks), before.clock() + x.size(1));
}

/// One attention module without the layer around it.
void RunAttention(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
  const ReferenceCase& c = pair.given;
  ReferenceCheck check(pair.expected, tolerance);
  Run::Model model(c, ExpireSpanFamily::Options(c), dtype);
  GradientSum gradients;
  StatePtr state = model.core.Start(c.batch());
  for (int64_t k = 0; k < c.blocks(); ++k) {
    const Tensor x = c.Find("inputs")[k].to(dtype).requires_grad_(true);
    BankedTransformer::LayerPasses passes;
    const BlockOutput block =
        model.core.ForwardTraced(x, torch::zeros({x.size(0), x.size(1)}, torch::kByte), state, 0, false, &passes);
    const Tensor aux = ExpireSpanFamily::AuxPerSample(c, block);
    const Tensor objective = (passes[0].attention * c.Find("grad_outputs")[k].to(dtype)).sum() + aux.mean();
    objective.backward();
    gradients.Add(model);
    ExpireSpanFamily::CheckLook(check, BlockOf(k), model.core, state, 0, passes[0]);
    check.Close(BlockOf(k) + "out", passes[0].attention);
    check.Close(BlockOf(k) + "aux", aux);
    check.Close(BlockOf(k) + "objective", objective);
    check.Close(BlockOf(k) + "grad_input", x.grad());
    state = KeepAll(AsBankedState(state), x);
  }
  gradients.Check(check, model.weights);
  check.ExpectAllSeen();
}

TEST(ReferenceExpireSpan, Attention) { Run::All("attn", "f64", RunAttention, torch::kDouble, kDoubleTolerance); }
TEST(ReferenceExpireSpan, Float64) { Run::InFloat64(); }
TEST(ReferenceExpireSpan, AttentionInFloat32) { Run::All("attn", "f32", RunAttention, torch::kFloat, kFloatTolerance); }
TEST(ReferenceExpireSpan, Float32) { Run::InFloat32(); }

/// Nothing in the folder is passed over: attention alone exists for Expire-Span only.
TEST(ReferenceFolder, EveryCaseIsOfAKnownKind) {
  size_t cases = 0;
  for (const char* format : {"f64", "f32"})
    for (const ReferenceCase& c : ReferenceCases(format)) {
      const bool attention = c.kind() == "attn" && c.family() == ReferenceFamily::kExpireSpan;
      EXPECT_TRUE(attention || c.kind() == "model" || c.kind() == "train") << c.name() << " is of kind " << c.kind();
      ++cases;
    }
  EXPECT_GT(cases, 0u) << "no *.safetensors in " << ReferenceFolder();
}

}  // namespace
}  // namespace lethe::memory
