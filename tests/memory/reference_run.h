#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/core.h"
#include "memory/torch.h"
#include "tests/memory/published_adam.h"
#include "tests/memory/published_model.h"
#include "tests/memory/reference_check.h"

namespace lethe::memory {

constexpr double kDoubleTolerance = 1e-9;
constexpr double kFloatTolerance = 1e-5;
constexpr double kFloatTrainTolerance = 1e-3;  // Adam divides by tiny gradients

inline std::string BlockOf(int64_t k) { return "block" + std::to_string(k) + "."; }
inline std::string LayerOf(size_t l) { return "layer" + std::to_string(l); }

/// The weights' gradients of each block, and their sum.
class GradientSum {
 public:
  template <class Model>
  void Add(Model& model) {
    last_.clear();
    for (const PublishedWeight& w : model.weights) last_.push_back(w.grad());
    for (size_t i = 0; i < last_.size(); ++i) {
      if (sum_.size() <= i) sum_.push_back(torch::zeros_like(last_[i]));
      sum_[i] += last_[i];
    }
    model.ZeroGradients();
  }
  void Check(ReferenceCheck& check, const PublishedWeights& weights) const {
    check.Gradients("grad_sum", sum_, weights);
    check.Gradients("grad_last", last_, weights);
  }

 private:
  std::vector<torch::Tensor> sum_, last_;
};

/// Runs the cases of one family of models. A family has:
///   Core, Passes, kFamily               the production class, what its ForwardTraced fills, which cases are its own
///   Options(case)                       the core's options
///   Prepare(core, case, block)          what a block needs before it
///   AuxPerSample, Aux(case, output)     the span loss, [B] and its scalar; undefined: none
///   CheckLayer(check, prefix, core, state before, after, layer, pass), CheckFinal(check, name, state, layer)
///   Kept(state, layer), MeanSpan(core, output, layer)  memories kept after a step of training; mean span after it
template <class Family>
struct ReferenceRun {
  using Model = PublishedModel<typename Family::Core>;

  /// One block of a `model` or `train` case: tokens in, losses out.
  struct Block {
    BlockOutput output;
    typename Family::Passes passes;
    torch::Tensor logits, loss, aux, objective;
  };

  static torch::Tensor Tokens(const ReferenceCase& c, int64_t k, int64_t shift) {
    const auto steps = c.Get<int64_t>("mem_sz");
    return c.Find("text").slice(1, k * steps + shift, (k + 1) * steps + shift);
  }

  static Block RunBlock(Model& model, const ReferenceCase& c, int64_t k, const StatePtr& state) {
    const torch::Tensor tokens = Tokens(c, k, 0);
    Family::Prepare(model.core, c, k);
    Block b;
    b.output = model.core.ForwardTraced(model.Embed(tokens), torch::zeros(tokens.sizes(), torch::kByte), state, 0, true,
                                        &b.passes);
    b.logits = model.Logits(b.output.y);
    b.loss = torch::cross_entropy_loss(b.logits.flatten(0, 1), Tokens(c, k, 1).flatten());
    b.aux = Family::Aux(c, b.output);
    b.objective = b.aux.defined() ? b.loss + b.aux : b.loss;
    return b;
  }

  /// The same block step by step.
  static torch::Tensor StepLogits(const Model& model, const ReferenceCase& c, int64_t k, const StatePtr& state) {
    const torch::NoGradGuard no_grad;
    const torch::Tensor x = model.Embed(Tokens(c, k, 0));
    const std::vector<uint8_t> no_start(static_cast<size_t>(x.size(0)), 0);
    const auto stepper = model.core.Begin(state, x.size(1));
    std::vector<torch::Tensor> logits;
    for (int64_t t = 0; t < x.size(1); ++t)
      logits.push_back(model.Logits(stepper->Step(x.select(1, t).contiguous(), no_start.data())));
    return torch::stack(logits, 1);
  }

  static void CheckBlock(ReferenceCheck& check, const ReferenceCase& c, int64_t k, const Model& model,
                         const StatePtr& before, const Block& b) {
    const std::string block = BlockOf(k);
    for (size_t l = 0; l < b.passes.size(); ++l) {
      const std::string prefix = block + LayerOf(l) + ".";
      Family::CheckLayer(check, prefix, model.core, before, b.output.state, l, b.passes[l]);
      check.Close(prefix + "attn_out", b.passes[l].attention);
      check.Close(prefix + "layer_out", b.passes[l].y);
    }
    check.Close(block + "logits", b.logits), check.Close(block + "logits", StepLogits(model, c, k, before));
    check.Close(block + "loss", b.loss);
    if (check.Has(block + "aux_per_sample")) check.Close(block + "aux_per_sample", Family::AuxPerSample(c, b.output));
    if (check.Has(block + "aux")) check.Close(block + "aux", b.aux);
    if (check.Has(block + "objective")) check.Close(block + "objective", b.objective);
  }

  static void RunModel(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
    const ReferenceCase& c = pair.given;
    ReferenceCheck check(pair.expected, tolerance);
    Model model(c, Family::Options(c), dtype);
    GradientSum gradients;
    StatePtr state = model.core.Start(c.batch());
    for (int64_t k = 0; k < c.blocks(); ++k) {
      const Block b = RunBlock(model, c, k, state);
      b.objective.backward();
      gradients.Add(model);
      CheckBlock(check, c, k, model, state, b);
      state = b.output.state;
    }
    gradients.Check(check, model.weights);
    check.ExpectAllSeen();
  }

  static void RunTrain(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
    const ReferenceCase& c = pair.given;
    ReferenceCheck check(pair.expected, tolerance);
    Model model(c, Family::Options(c), dtype);
    PublishedAdam adam(model.Parameters(), c);
    const int64_t steps = c.blocks(), layers = model.core.options().layers;
    const auto per_step = [&] { return torch::zeros({steps}, torch::kDouble); };
    torch::Tensor loss = per_step(), aux = per_step(), rate = per_step(), norm = per_step();
    torch::Tensor kept = torch::zeros({steps, layers}, torch::kLong),
                  mean_span = torch::zeros({steps, layers}, torch::kDouble);
    StatePtr state = model.core.Start(c.batch());
    for (int64_t k = 0; k < steps; ++k) {
      const Block b = RunBlock(model, c, k, state);
      model.ZeroGradients();
      b.objective.backward();
      const auto [rate_now, norm_now] = adam.Step();
      model.core.ClampParameters();
      loss[k] = b.loss.detach(), rate[k] = rate_now, norm[k] = norm_now;
      if (b.aux.defined()) aux[k] = b.aux.detach();
      for (int64_t l = 0; l < layers; ++l) {
        kept[k][l] = Family::Kept(b.output.state, static_cast<size_t>(l));
        mean_span[k][l] = Family::MeanSpan(model.core, b.output, static_cast<size_t>(l));
      }
      state = b.output.state;
    }
    check.Close("step.loss", loss), check.Close("step.lr", rate), check.Close("step.grad_norm", norm),
        check.Equal("step.mem_len", kept);
    if (check.Has("step.aux")) check.Close("step.aux", aux);
    if (check.Has("step.mean_span")) check.Close("step.mean_span", mean_span);
    for (const PublishedWeight& w : model.weights) check.Close("final." + w.name, w.value());
    for (size_t l = 0; l < static_cast<size_t>(layers); ++l) Family::CheckFinal(check, LayerOf(l), state, l);
    check.ExpectAllSeen();
  }

  using Runner = void (*)(const ReferencePair&, torch::Dtype, double);

  /// All cases of the family and of one kind; how many there were.
  static size_t All(const char* kind, const char* format, Runner run, torch::Dtype dtype, double tolerance) {
    const auto cases = ReferencePairs(Family::kFamily, kind, format);
    for (const ReferencePair& pair : cases) EXPECT_NO_THROW(run(pair, dtype, tolerance)) << pair.given.name();
    return cases.size();
  }
  static void InFloat64() {
    const size_t models = All("model", "f64", RunModel, torch::kDouble, kDoubleTolerance);
    const size_t trains = All("train", "f64", RunTrain, torch::kDouble, kDoubleTolerance);
    if (models + trains == 0) GTEST_SKIP() << "no such case in " << ReferenceFolder();
  }
  static void InFloat32() {
    const size_t models = All("model", "f32", RunModel, torch::kFloat, kFloatTolerance);
    const size_t trains = All("train", "f32", RunTrain, torch::kFloat, kFloatTrainTolerance);
    if (models + trains == 0) GTEST_SKIP() << "no such case in " << ReferenceFolder();
  }
};

}  // namespace lethe::memory
