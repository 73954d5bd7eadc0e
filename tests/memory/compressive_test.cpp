// The compressive memory against its definition in plain loops, and its reconstruction loss.

#include "memory/compressive.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

CompressiveOptions Small() {
  CompressiveOptions o;
  o.layers = 1, o.dim = 6, o.heads = 1, o.head_dim = 4, o.ffn = 5, o.memory_length = 5, o.slots = 2, o.rate = 3;
  return o;
}

Compressive Make(const CompressiveOptions& options, uint64_t seed) {
  torch::manual_seed(seed);
  Compressive core(options);
  core.to(torch::kDouble);
  const torch::NoGradGuard no_grad;
  for (Tensor& p : core.parameters()) p += 0.1 * torch::randn(p.sizes(), torch::kDouble);
  return core;
}

Tensor NoStarts(int64_t rows, int64_t steps) { return torch::zeros({rows, steps}, torch::kByte); }

/// What step s of an episode reads, by the definition. episode [S, H]: all its steps.
Tensor ReadByDefinition(const Compressive& core, const Tensor& episode, int64_t s) {
  const CompressiveOptions& o = core.options();
  const TransformerLayer& layer = core.layers()[0];
  const int64_t L = o.memory_length, C = o.slots, c = o.rate, D = o.head_dim;
  const Tensor q = layer.query.matmul(episode[s]);
  std::vector<Tensor> memories;
  std::vector<int64_t> places;
  for (int64_t group = 0; group * c <= s - L; ++group) {  // its first step is age L or older
    const int64_t newer = (s - L) / c - group;            // groups in sight that are newer
    if (newer > C) continue;
    memories.push_back(episode.slice(0, group * c, (group + 1) * c).mean(0));
    places.push_back(C - newer);
  }
  for (int64_t age = std::min(L, s); age >= 1; --age)
    memories.push_back(episode[s - age]), places.push_back(C + 1 + L - age);
  if (memories.empty()) return torch::zeros({o.dim}, torch::kDouble);
  std::vector<Tensor> scores, values;
  for (size_t i = 0; i < memories.size(); ++i) {
    const Tensor kv = layer.key_value.matmul(memories[i]);
    scores.push_back(q.dot(kv.slice(0, 0, D) + core.position_keys()[0].select(1, places[i])) /
                     std::sqrt(static_cast<double>(D)));
    values.push_back(kv.slice(0, D));
  }
  return layer.out.matmul(torch::softmax(torch::stack(scores), 0).matmul(torch::stack(values)));
}

TEST(Compressive, ReadsWhatTheDefinitionSays) {
  const torch::NoGradGuard no_grad;
  const Compressive core = Make(Small(), 1);
  torch::manual_seed(2);
  const Tensor x = torch::randn({2, 40, 6}, torch::kDouble);
  Tensor starts = NoStarts(2, 40);
  starts[1][11] = 1, starts[1][13] = 1;
  StatePtr state = core.Start(2);
  std::vector<Tensor> read;
  int64_t from = 0;
  for (const int64_t steps : {7, 1, 12, 4, 16}) {
    std::vector<Compressive::LayerPass> passes;
    state =
        core.ForwardTraced(x.slice(1, from, from + steps), starts.slice(1, from, from + steps), state, 0, true, &passes)
            .state;
    read.push_back(passes[0].attention);
    from += steps;
  }
  const Tensor all = torch::cat(read, 1);
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t t = 0; t < 40; ++t) {
      const int64_t begin = row == 0 || t < 11 ? 0 : t < 13 ? 11 : 13;
      ExpectClose(all[row][t], ReadByDefinition(core, x[row].slice(0, begin), t - begin), 1e-12,
                  "row " + std::to_string(row) + " step " + std::to_string(t));
    }
}

TEST(Compressive, AStateHoldsTheLastStepsAndTheGroupsBeforeThem) {
  const torch::NoGradGuard no_grad;
  const Compressive core = Make(Small(), 3);
  const Tensor x = torch::randn({1, 17, 6}, torch::kDouble);
  const StatePtr state = core.Forward(x, NoStarts(1, 17), core.Start(1), 0, true).state;
  const auto& layer = static_cast<const CompressiveState&>(*state).layers()[0];
  ExpectClose(layer.steps[0], x[0].slice(0, 12, 17), 1e-14, "steps 12 to 16");
  const auto group = [&](int64_t k) { return x[0].slice(0, 3 * k, 3 * k + 3).mean(0); };
  ExpectClose(layer.slots[0], torch::stack({group(1), group(2), group(3)}), 1e-14,
              "step 16 saw steps 11 to 15, and groups 1 to 3");
  EXPECT_EQ(state->resident(), std::vector<int64_t>{5 + 3});
}

TEST(Compressive, ConvolutionStartsAsTheMean) {
  CompressiveOptions options = Small();
  torch::manual_seed(4);
  const Compressive mean(options);
  options.compression = "convolution";
  torch::manual_seed(4);
  const Compressive convolution(options);
  const Tensor x = torch::randn({2, 20, 6});
  ExpectClose(convolution.Forward(x, NoStarts(2, 20), convolution.Start(2)).y,
              mean.Forward(x, NoStarts(2, 20), mean.Start(2)).y, 1e-6, "y");
}

CompressiveOptions Reconstructing() {
  CompressiveOptions options = Small();
  options.heads = 2, options.pre_norm = true, options.compression = "convolution", options.reconstruction_weight = 0.5;
  return options;
}

TEST(Compressive, ReconstructionTrainsTheCompressionAlone) {
  const Compressive core = Make(Reconstructing(), 5);
  const Tensor x = torch::randn({3, 20, 6}, torch::kDouble).requires_grad_(true);
  Tensor starts = NoStarts(3, 20);
  starts[1][9] = 1;
  const auto loss = [&] { return core.Forward(x, starts, core.Start(3)).aux_loss; };
  loss().backward();
  EXPECT_FALSE(x.grad().defined());
  for (const auto& parameter : core.named_parameters())
    EXPECT_EQ(parameter->grad().defined() && parameter->grad().abs().max().item<double>() > 0,
              parameter.key() == "layers.0.compression")
        << parameter.key();
  const torch::NoGradGuard no_grad;
  Tensor weight = core.compression()[0];
  const Tensor toward = torch::randn(weight.sizes(), torch::kDouble), before = weight.clone();
  weight.copy_(before + 1e-6 * toward);
  const double above = loss().item<double>();
  weight.copy_(before - 1e-6 * toward);
  const double below = loss().item<double>();
  EXPECT_NEAR((weight.grad() * toward).sum().item<double>(), (above - below) / 2e-6, 1e-8);
}

TEST(Compressive, ReconstructionLossFallsAsItIsTrained) {
  const Compressive core = Make(Reconstructing(), 6);
  torch::optim::Adam adam({core.compression()[0]}, torch::optim::AdamOptions(0.01));
  const Tensor x = torch::randn({4, 30, 6}, torch::kDouble);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    adam.zero_grad();
    const Tensor loss = core.Forward(x, NoStarts(4, 30), core.Start(4)).aux_loss;
    loss.backward();
    adam.step();
    last = loss.item<double>();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, 0.8 * first);
}

TEST(Compressive, OptionsThatDoNotFitEachOtherAreRefused) {
  CompressiveOptions options = Small();
  options.rate = 6;
  EXPECT_EQ(ErrorText([&] { options.Check(); }), "memory option `memory_length`: got 5, allowed: at least rate = 6");
  options = Small();
  options.reconstruction_weight = 1;
  EXPECT_EQ(
      ErrorText([&] { options.Check(); }),
      "memory option `reconstruction_weight`: got 1, allowed: 0 with compression: mean, which has nothing to train");
}

}  // namespace
}  // namespace lethe::memory
