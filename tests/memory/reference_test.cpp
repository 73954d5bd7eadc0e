// The production memory, in published mode, against numbers computed by the paper's official implementation.
// tests/data/reference holds three cases; LETHE_REFERENCE_DIR names another folder with files of the same format, of any
// sizes. Everything a file holds is compared, and ExpectAllSeen says so.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/memory/reference_check.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

constexpr double kDoubleTolerance = 1e-9;
constexpr double kFloatTolerance = 1e-5;
constexpr double kFloatTrainTolerance = 1e-3;  // Adam divides by tiny gradients

/// alpha / (R M): turns sums of remaining spans into the published span loss.
double SpanLossScale(const ReferenceCase& c) {
  return c.Get<double>("expire_span_loss") / (c.Get<double>("expire_span_ramp") * c.Get<double>("mem_sz"));
}

std::string Block(int64_t k) { return "block" + std::to_string(k) + "."; }
std::string LayerOf(size_t l) { return "layer" + std::to_string(l); }

/// The weights' gradients of each block, and their sum.
class GradientSum {
 public:
  void Add(PublishedModel& model) {
    last_.clear();
    for (const PublishedWeight& w : model.weights) last_.push_back(w.grad());
    for (size_t i = 0; i < last_.size(); ++i) {
      if (sum_.size() <= i) sum_.push_back(torch::zeros_like(last_[i]));
      sum_[i] += last_[i];
    }
    model.ZeroGradients();
  }
  void Check(ReferenceCheck& check, const PublishedModel& model) const {
    check.Gradients("grad_sum", sum_, model.weights);
    check.Gradients("grad_last", last_, model.weights);
  }

 private:
  std::vector<Tensor> sum_, last_;
};

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

void RunAttention(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
  const ReferenceCase& c = pair.given;
  ReferenceCheck check(pair.expected, tolerance);
  PublishedModel model(c, dtype);
  GradientSum gradients;
  StatePtr state = model.core.Start(c.batch());
  for (int64_t k = 0; k < c.blocks(); ++k) {
    const BankedState& before = AsBankedState(state);
    const Tensor x = c.Find("inputs")[k].to(dtype).requires_grad_(true);
    BankedTransformer::LayerPasses passes;
    const BlockOutput block = model.core.ForwardTraced(x, torch::zeros({x.size(0), x.size(1)}, torch::kByte), state, 0, false, &passes);
    const Tensor aux = block.ramp_sum * SpanLossScale(c);
    const Tensor objective = (passes[0].attention * c.Find("grad_outputs")[k].to(dtype)).sum() + aux.mean();
    objective.backward();
    gradients.Add(model);
    CheckLayer(check, Block(k), model.core, before, 0, passes[0]);
    check.Close(Block(k) + "out", passes[0].attention);
    check.Close(Block(k) + "aux", aux);
    check.Close(Block(k) + "objective", objective);
    check.Close(Block(k) + "grad_input", x.grad());
    state = KeepAll(before, x);
  }
  gradients.Check(check, model);
  check.ExpectAllSeen();
}

/// One block of a `model` or `train` case: tokens in, loss and span loss out.
struct ModelBlock {
  BlockOutput output;
  BankedTransformer::LayerPasses passes;
  Tensor logits, loss, aux_per_sample, aux, objective;
};

ModelBlock RunBlock(PublishedModel& model, const ReferenceCase& c, int64_t k, const StatePtr& state) {
  const int64_t steps = model.core.position_keys().size(2);
  const Tensor text = c.Find("text"), tokens = text.slice(1, k * steps, (k + 1) * steps);
  const Tensor targets = text.slice(1, k * steps + 1, (k + 1) * steps + 1);
  if (c.Has("noise")) model.core.SetShortening(c.Find("noise")[k].item<double>());
  ModelBlock b;
  b.output = model.core.ForwardTraced(model.Embed(tokens), torch::zeros(tokens.sizes(), torch::kByte), state, 0, true, &b.passes);
  b.logits = model.Logits(b.output.y);
  b.loss = torch::nn::functional::cross_entropy(b.logits.flatten(0, 1), targets.flatten());
  b.aux_per_sample = b.output.ramp_sum * SpanLossScale(c);
  b.aux = b.aux_per_sample.mean();
  b.objective = b.loss + b.aux;
  return b;
}

/// What a layer keeps for the next block.
Tensor KeptHidden(const BankedState& state, size_t layer) {
  const Tensor& hidden = state.banks()[layer].hidden;
  return hidden.view({state.rows(), -1, hidden.size(1)});
}

void CheckBlock(ReferenceCheck& check, int64_t k, const PublishedModel& model, const BankedState& before, const ModelBlock& b) {
  const BankedState& after = AsBankedState(b.output.state);
  for (size_t l = 0; l < b.passes.size(); ++l) {
    const std::string prefix = Block(k) + LayerOf(l) + ".";
    CheckLayer(check, prefix, model.core, before, l, b.passes[l]);
    check.Close(prefix + "attn_out", b.passes[l].attention);
    check.Close(prefix + "layer_out", b.passes[l].y);
    check.Close(prefix + "cache_after", KeptHidden(after, l));
    check.Equal(prefix + "distance_after", Distances(after, after.banks()[l], 0));
  }
  check.Close(Block(k) + "logits", b.logits);
  check.Close(Block(k) + "loss", b.loss);
  check.Close(Block(k) + "aux_per_sample", b.aux_per_sample);
  check.Close(Block(k) + "aux", b.aux);
  check.Close(Block(k) + "objective", b.objective);
}

/// The same block step by step.
Tensor StepLogits(const PublishedModel& model, const ReferenceCase& c, int64_t k, const StatePtr& state) {
  const torch::NoGradGuard no_grad;
  const int64_t steps = model.core.position_keys().size(2);
  const Tensor x = model.Embed(c.Find("text").slice(1, k * steps, (k + 1) * steps));
  const std::vector<uint8_t> no_start(static_cast<size_t>(x.size(0)), 0);
  const auto stepper = model.core.Begin(state, steps);
  std::vector<Tensor> logits;
  for (int64_t t = 0; t < steps; ++t) logits.push_back(model.Logits(stepper->Step(x.select(1, t).contiguous(), no_start.data())));
  return torch::stack(logits, 1);
}

void RunModel(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
  const ReferenceCase& c = pair.given;
  ReferenceCheck check(pair.expected, tolerance);
  PublishedModel model(c, dtype);
  GradientSum gradients;
  StatePtr state = model.core.Start(c.batch());
  for (int64_t k = 0; k < c.blocks(); ++k) {
    const ModelBlock b = RunBlock(model, c, k, state);
    b.objective.backward();
    gradients.Add(model);
    CheckBlock(check, k, model, AsBankedState(state), b);
    check.Close(Block(k) + "logits", StepLogits(model, c, k, state));
    state = b.output.state;
  }
  gradients.Check(check, model);
  check.ExpectAllSeen();
}

/// Adam (0.9, 0.999, 1e-8) with a warm-up and clipping by the norm of all gradients.
class PublishedAdam {
 public:
  PublishedAdam(std::vector<Tensor> parameters, const ReferenceCase& c)
      : parameters_(std::move(parameters)), rate_(c.Get<double>("lr")), warmup_(c.Get<double>("lr_warmup")), clip_(c.Get<double>("grad_clip")) {
    for (const Tensor& p : parameters_) mean_.push_back(torch::zeros_like(p)), square_.push_back(torch::zeros_like(p));
  }
  /// Takes one step; gives the learning rate and the norm before clipping.
  std::pair<double, double> Step() {
    const torch::NoGradGuard no_grad;
    ++step_;
    const double rate = rate_ * std::min(1.0, static_cast<double>(step_) / warmup_), norm = Norm();
    const double scale = clip_ > 0 ? std::min(1.0, clip_ / (norm + 1e-6)) : 1;
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].grad().defined()) Update(i, parameters_[i].grad() * scale, rate);
    return {rate, norm};
  }

 private:
  double Norm() const {
    double sum = 0;
    for (const Tensor& p : parameters_)
      if (p.grad().defined()) sum += p.grad().to(torch::kDouble).square().sum().item<double>();
    return std::sqrt(sum);
  }
  void Update(size_t i, const Tensor& gradient, double rate) {
    mean_[i] = 0.9 * mean_[i] + 0.1 * gradient;
    square_[i] = 0.999 * square_[i] + 0.001 * gradient * gradient;
    const double mean_bias = 1 - std::pow(0.9, step_), square_bias = 1 - std::pow(0.999, step_);
    parameters_[i] -= rate * (mean_[i] / mean_bias) / ((square_[i] / square_bias).sqrt() + 1e-8);
  }

  std::vector<Tensor> parameters_, mean_, square_;
  const double rate_, warmup_, clip_;
  int step_ = 0;
};

void RunTrain(const ReferencePair& pair, torch::Dtype dtype, double tolerance) {
  const ReferenceCase& c = pair.given;
  ReferenceCheck check(pair.expected, tolerance);
  PublishedModel model(c, dtype);
  PublishedAdam adam(model.Parameters(), c);
  const int64_t steps = c.blocks(), layers = model.core.options().layers;
  const auto per_step = [&] { return torch::zeros({steps}, torch::kDouble); };
  Tensor loss = per_step(), aux = per_step(), rate = per_step(), norm = per_step();
  Tensor kept = torch::zeros({steps, layers}, torch::kLong), mean_span = torch::zeros({steps, layers}, torch::kDouble);
  StatePtr state = model.core.Start(c.batch());
  for (int64_t k = 0; k < steps; ++k) {
    const ModelBlock b = RunBlock(model, c, k, state);
    model.ZeroGradients();
    b.objective.backward();
    const auto [rate_now, norm_now] = adam.Step();
    loss[k] = b.loss.detach(), aux[k] = b.aux.detach(), rate[k] = rate_now, norm[k] = norm_now;
    for (int64_t l = 0; l < layers; ++l) {
      kept[k][l] = AsBankedState(b.output.state).banks()[static_cast<size_t>(l)].longest;
      mean_span[k][l] = b.output.spans[static_cast<size_t>(l)].mean();
    }
    state = b.output.state;
  }
  check.Close("step.loss", loss), check.Close("step.aux", aux), check.Close("step.lr", rate);
  check.Close("step.grad_norm", norm), check.Close("step.mean_span", mean_span), check.Equal("step.mem_len", kept);
  for (const PublishedWeight& w : model.weights) check.Close("final." + w.name, w.value());
  const BankedState& last = AsBankedState(state);
  for (size_t l = 0; l < last.banks().size(); ++l) {
    check.Close("final_cache." + LayerOf(l), KeptHidden(last, l));
    check.Equal("final_distance." + LayerOf(l), Distances(last, last.banks()[l], 0));
  }
  check.ExpectAllSeen();
}

using Runner = void (*)(const ReferencePair&, torch::Dtype, double);

void RunAll(const char* kind, const char* format, Runner run, torch::Dtype dtype, double tolerance) {
  const auto cases = ExpireSpanCases(kind, format);
  if (cases.empty()) GTEST_SKIP() << "no Expire-Span case of kind " << kind << " in " << ReferenceFolder();
  for (const ReferencePair& pair : cases) ASSERT_NO_THROW(run(pair, dtype, tolerance)) << pair.given.name();
}

TEST(ReferenceExpireSpan, FolderHasCases) {
  size_t cases = 0;
  for (const char* kind : {"attn", "model", "train"}) cases += ExpireSpanCases(kind, "f64").size();
  EXPECT_GT(cases, 0u) << "no *.f64.safetensors of an Expire-Span case in " << ReferenceFolder();
}

TEST(ReferenceExpireSpan, Attention) { RunAll("attn", "f64", RunAttention, torch::kDouble, kDoubleTolerance); }
TEST(ReferenceExpireSpan, Model) { RunAll("model", "f64", RunModel, torch::kDouble, kDoubleTolerance); }
TEST(ReferenceExpireSpan, Train) { RunAll("train", "f64", RunTrain, torch::kDouble, kDoubleTolerance); }
TEST(ReferenceExpireSpan, AttentionInFloat32) { RunAll("attn", "f32", RunAttention, torch::kFloat, kFloatTolerance); }
TEST(ReferenceExpireSpan, ModelInFloat32) { RunAll("model", "f32", RunModel, torch::kFloat, kFloatTolerance); }
TEST(ReferenceExpireSpan, TrainInFloat32) { RunAll("train", "f32", RunTrain, torch::kFloat, kFloatTrainTolerance); }

TEST(ReferenceOtherCores, AreNotHereYet) {
  std::string names;
  for (const ReferenceCase& c : ReferenceCases("f64"))
    if (!c.IsExpireSpan()) names += " " + c.name();
  if (!names.empty()) GTEST_SKIP() << "no core for:" << names;
}

}  // namespace
}  // namespace lethe::memory
