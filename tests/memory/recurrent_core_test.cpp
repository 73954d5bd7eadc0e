// GRU and LSTM against LibTorch's own, and their fast blocks against plain steps.

#include <gtest/gtest.h>
#include <torch/nn/modules/rnn.h>

#include "memory/gru.h"
#include "memory/lstm.h"
#include "memory/torch.h"
#include "tests/memory/close.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

constexpr int64_t kDim = 7, kRows = 3, kSteps = 11;

template <class CoreType, class Options>
CoreType Make(int64_t layers, uint64_t seed) {
  torch::manual_seed(seed);
  Options options;
  options.dim = kDim, options.layers = layers;
  CoreType core(options);
  core.to(torch::kDouble);
  return core;
}

Tensor NoStarts() { return torch::zeros({kRows, kSteps}, torch::kByte); }
Tensor Input() { return torch::randn({kRows, kSteps, kDim}, torch::kDouble); }

TEST(RecurrentCore, GruIsTorchsGru) {
  const torch::NoGradGuard no_grad;
  const Gru core = Make<Gru, GruOptions>(2, 1);
  torch::nn::GRU theirs(torch::nn::GRUOptions(kDim, kDim).num_layers(2).batch_first(true));
  theirs->to(torch::kDouble);
  auto weights = theirs->named_parameters();
  for (size_t l = 0; l < 2; ++l) {
    const std::string end = "_l" + std::to_string(l);
    const RecurrentCore::Layer& layer = core.layers()[l];
    weights["weight_ih" + end].copy_(layer.input), weights["weight_hh" + end].copy_(layer.hidden);
    weights["bias_ih" + end].copy_(layer.input_bias);
    weights["bias_hh" + end].zero_().slice(0, 2 * kDim).copy_(layer.hidden_bias);
  }
  const Tensor x = Input();
  ExpectClose(core.Forward(x, NoStarts(), core.Start(kRows)).y, std::get<0>(theirs->forward(x)), 1e-13, "y");
}

TEST(RecurrentCore, LstmIsTorchsLstm) {
  const torch::NoGradGuard no_grad;
  const Lstm core = Make<Lstm, LstmOptions>(2, 2);
  torch::nn::LSTM theirs(torch::nn::LSTMOptions(kDim, kDim).num_layers(2).batch_first(true));
  theirs->to(torch::kDouble);
  auto weights = theirs->named_parameters();
  // Ours i, f, o, g; theirs i, f, g, o.
  const auto theirs_order = [](const Tensor& x) {
    const auto gates = x.chunk(4, 0);
    return torch::cat({gates[0], gates[1], gates[3], gates[2]});
  };
  for (size_t l = 0; l < 2; ++l) {
    const std::string end = "_l" + std::to_string(l);
    const RecurrentCore::Layer& layer = core.layers()[l];
    weights["weight_ih" + end].copy_(theirs_order(layer.input)),
        weights["weight_hh" + end].copy_(theirs_order(layer.hidden));
    weights["bias_ih" + end].copy_(theirs_order(layer.input_bias)), weights["bias_hh" + end].zero_();
  }
  const Tensor x = Input();
  ExpectClose(core.Forward(x, NoStarts(), core.Start(kRows)).y, std::get<0>(theirs->forward(x)), 1e-13, "y");
}

/// Values and gradients of a block, by Run or by RunPlain.
std::vector<Tensor> Differentiate(const RecurrentCore& core, bool plain) {
  torch::manual_seed(3);
  const RecurrentCore::Layer& layer = core.layers()[0];
  const int64_t gates = layer.input.size(0);
  const Tensor inputs = torch::randn({kSteps, kRows, gates}, torch::kDouble).requires_grad_(true);
  const Tensor keep = (torch::rand({kSteps, kRows, 1}) > 0.2).to(torch::kDouble);
  std::vector<Tensor> before, leaves = {inputs, layer.hidden};
  const size_t carried = gates == 4 * kDim ? 2 : 1;
  for (size_t i = 0; i < carried; ++i)
    before.push_back(torch::randn({kRows, kDim}, torch::kDouble).requires_grad_(true)), leaves.push_back(before.back());
  if (layer.hidden_bias.defined()) leaves.push_back(layer.hidden_bias);
  const auto all = plain ? core.RunPlain(layer, inputs, keep, before) : core.Run(layer, inputs, keep, before);
  const auto gradients = torch::autograd::grad({(all[0] * torch::randn(all[0].sizes(), torch::kDouble)).sum()}, leaves);
  std::vector<Tensor> result = all;
  result.insert(result.end(), gradients.begin(), gradients.end());
  return result;
}

void ExpectFastEqualsPlain(const RecurrentCore& core) {
  const auto fast = Differentiate(core, false), plain = Differentiate(core, true);
  ASSERT_EQ(fast.size(), plain.size());
  for (size_t i = 0; i < fast.size(); ++i) ExpectClose(fast[i], plain[i], 1e-12, "tensor " + std::to_string(i));
}

TEST(RecurrentCore, FastGruEqualsPlainSteps) { ExpectFastEqualsPlain(Make<Gru, GruOptions>(1, 4)); }
TEST(RecurrentCore, FastLstmEqualsPlainSteps) { ExpectFastEqualsPlain(Make<Lstm, LstmOptions>(1, 5)); }

TEST(RecurrentCore, ForgetGatesStartOpen) {
  const Lstm core = Make<Lstm, LstmOptions>(1, 6);
  const Tensor bias = core.layers()[0].input_bias;
  EXPECT_TRUE((bias.slice(0, kDim, 2 * kDim) == 1).all().item<bool>());
  EXPECT_FALSE((bias.slice(0, 0, kDim) == 1).any().item<bool>());
}

}  // namespace
}  // namespace lethe::memory
