// The published algorithm in tensor operators, against the vectors and against the production memory in published mode.

#include "memory/published_expire_span.h"

#include <gtest/gtest.h>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"
#include "tests/memory/memory_case.h"
#include "tests/memory/published_expire_span_options.h"
#include "tests/memory/reference_check.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

void RunModelCase(const ReferenceCase& c) {
  ReferenceCheck check(c, 1e-9);
  PublishedModel<ExpireSpan> model(c, PublishedExpireSpanOptions(c), torch::kDouble);
  const PublishedExpireSpan published(model.core);
  PublishedState state = published.Start(c.batch());
  const int64_t steps = model.core.position_keys().size(2);
  const double scale =
      c.Get<double>("expire_span_loss") / (c.Get<double>("expire_span_ramp") * c.Get<double>("mem_sz"));
  Tensor objective = torch::zeros({}, torch::kDouble);
  for (int64_t k = 0; k < c.blocks(); ++k) {
    const std::string block = "block" + std::to_string(k) + ".";
    const Tensor text = c.Find("text").slice(1, k * steps, (k + 1) * steps + 1);
    const auto output = published.Forward(model.Embed(text.slice(1, 0, steps)), state);
    const Tensor logits = model.Logits(output.y), aux = output.ramp_sum * scale;
    const Tensor loss = torch::cross_entropy_loss(logits.flatten(0, 1), text.slice(1, 1).flatten());
    check.Close(block + "logits", logits);
    check.Close(block + "aux_per_sample", aux);
    check.Close(block + "objective", loss + aux.mean());
    objective = objective + loss + aux.mean();
    state = output.state;
    for (size_t l = 0; l < state.layers.size(); ++l) {
      check.Close(block + "layer" + std::to_string(l) + ".cache_after", state.layers[l].hidden);
      check.Equal(block + "layer" + std::to_string(l) + ".distance_after", state.layers[l].distance);
    }
  }
  objective.backward();
  std::vector<Tensor> gradients;
  for (const PublishedWeight& w : model.weights) gradients.push_back(w.grad());
  check.Gradients("grad_sum", gradients, model.weights);
}

TEST(ReferencePublishedExpireSpan, Model) {
  const auto cases = ReferencePairs(ReferenceFamily::kExpireSpan, "model", "f64");
  if (cases.empty()) GTEST_SKIP() << "no Expire-Span case of kind model in " << ReferenceFolder();
  for (const ReferencePair& pair : cases) RunModelCase(pair.given);
}

/// Spans from dead to wide, so that rows forget at different times and whole blocks leave.
TEST(PublishedExpireSpan, EqualsTheProductionMemoryInPublishedMode) {
  for (const bool pre_norm : {false, true}) {
    ExpireSpanOptions options = SmallOptions();
    options.published = true, options.pre_norm = pre_norm, options.span_pre_division = 1.5;
    const ExpireSpan core = RandomMemory(options, 3);
    const PublishedExpireSpan published(core);
    const Blocks blocks = RandomBlocks(9, 3, 6, core.dim(), 0, 5);
    PublishedState state = published.Start(3);
    StatePtr ours = core.Start(3);
    bool dropped = false;
    for (size_t k = 0; k < blocks.x.size(); ++k) {
      const Tensor x = blocks.x[k].clone().requires_grad_(true), y = blocks.x[k].clone().requires_grad_(true);
      const auto got = published.Forward(x, state);
      const BlockOutput want = core.Forward(y, blocks.starts[k], ours, 0, true);
      ExpectClose(got.y, want.y, 1e-12, "y");
      ExpectClose(got.ramp_sum, want.ramp_sum, 1e-12, "ramp_sum");
      (got.y.square().sum() + got.ramp_sum.sum()).backward();
      (want.y.square().sum() + want.ramp_sum.sum()).backward();
      ExpectClose(x.grad(), y.grad(), 1e-11, "gradient of x");
      for (size_t l = 0; l < state.layers.size(); ++l) {
        const Bank& bank = AsBankedState(want.state).banks()[l];
        EXPECT_EQ(got.state.layers[l].hidden.size(1), bank.longest);
        dropped = dropped || bank.longest < state.layers[l].hidden.size(1) + 6;
      }
      state = got.state, ours = want.state;
    }
    EXPECT_TRUE(dropped);
  }
}

TEST(PublishedExpireSpan, NamesWhatDoesNotFit) {
  ExpireSpanOptions options = SmallOptions();
  const ExpireSpan core(options);
  const PublishedExpireSpan published(core);
  EXPECT_NE(ErrorText([&] {
              published.Forward(torch::zeros({2, 5, 12}), published.Start(2));
            }).find("x must be [B, 6, 12], got [2, 5, 12]"),
            std::string::npos);
  EXPECT_NE(ErrorText([&] {
              published.Forward(torch::zeros({2, 6, 12}), published.Start(3));
            }).find("2 layers and 2 rows"),
            std::string::npos);
  options.gates = true;
  const ExpireSpan gated(options);
  EXPECT_NE(ErrorText([&] { PublishedExpireSpan{gated}; }).find("no gates"), std::string::npos);
}

}  // namespace
}  // namespace lethe::memory
