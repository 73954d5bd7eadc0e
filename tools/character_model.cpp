#include "tools/character_model.h"

#include <algorithm>

#include "memory/banked_transformer.h"
#include "memory/live_bytes.h"
#include "tools/steady_memory.h"

namespace lethe::tools {

using torch::Tensor;

namespace {

constexpr int64_t kBytes = 256;         // values of a character
constexpr double kForwardBackward = 3;  // backward is two products for each of forward's
constexpr double kSpanLoss = 1e-6;

double Mean(const memory::LivingStats& living) {
  double sum = 0;
  for (const double layer : living.sum) sum += layer;
  return living.sum.empty() ? 0 : sum / static_cast<double>(living.steps) / static_cast<double>(living.sum.size());
}

}  // namespace

CharacterModel::CharacterModel(const CharacterSetting& setting) : setting_(setting) {
  torch::manual_seed(1);
  setting_.core.options->block = setting.block;
  core_ = MakeCore();
  core_->to(setting.dtype);
  const auto like = torch::TensorOptions().dtype(setting.dtype);
  const int64_t dim = core_->dim();
  embedding_ = model_.register_parameter("embedding", torch::randn({kBytes, dim}).to(like));
  output_ = model_.register_parameter("output", (0.05 * torch::randn({kBytes, dim})).to(like));
  output_bias_ = model_.register_parameter("output_bias", torch::zeros({kBytes}, like));
  model_.register_module("memory", core_);
  text_ = torch::randint(kBytes, {setting.rows(), setting.block + 1}, torch::kLong);
  no_starts_ = torch::zeros({setting.rows(), setting.block}, torch::kByte);

  parameters_ = std::make_unique<agents::FlatParameters>(model_);
  values_ = parameters_->Read();
  agents::OptimizerOptions adam;
  adam.learning_rate = 1e-4;
  optimizer_ =
      std::make_unique<agents::Optimizer>(adam, values_.size(), agents::RateScale(*parameters_, /*span_rate=*/0));
  forward_ = setting.published ? ForwardOfPublished() : ForwardOfCore();
}

CharacterModel::~CharacterModel() = default;

std::shared_ptr<memory::Core> CharacterModel::MakeCore() const {
  const auto* spans = dynamic_cast<const memory::ExpireSpanOptions*>(setting_.core.options.get());
  if (spans == nullptr) return setting_.core.options->Make();
  const double largest = *std::max_element(setting_.span_fraction.begin(), setting_.span_fraction.end());
  std::vector<double> scale = setting_.span_fraction;
  for (double& s : scale) s /= largest;
  const bool even = *std::min_element(scale.begin(), scale.end()) == 1;
  const auto core = even ? std::make_shared<memory::ExpireSpan>(*spans) : std::make_shared<RowSpans>(*spans, scale);
  PinSpans(*core, largest);
  return core;
}

CharacterModel::Forward CharacterModel::ForwardOfCore() {
  const memory::StatePtr state = SteadyState(*core_, setting_.rows(), setting_.block);
  if (auto* rows = dynamic_cast<RowSpans*>(core_.get())) rows->SetCounts(Reach(*rows, setting_.rows()));
  resident_bytes_ = state->bytes();
  return [this, state](const Tensor& x) {
    const memory::BlockOutput block = core_->Forward(x, no_starts_, state, 0, true);
    return Block{block.y, block.ramp_sum, Mean(block.living)};
  };
}

CharacterModel::Forward CharacterModel::ForwardOfPublished() {
  const auto& core = dynamic_cast<const memory::ExpireSpan&>(*core_);
  const double largest = *std::max_element(setting_.span_fraction.begin(), setting_.span_fraction.end());
  std::vector<double> scale = setting_.span_fraction;
  for (double& s : scale) s /= largest;
  const auto published = std::make_shared<PublishedRowSpans>(core, scale);
  const auto state = std::make_shared<memory::PublishedState>(SteadyPublishedState(core, setting_.rows()));
  resident_bytes_ = state->bytes();
  const double living = Reach(core, setting_.rows()).to(torch::kDouble).mean().item<double>();
  return [published, state, living](const Tensor& x) {
    const auto block = published->Forward(x, *state);
    return Block{block.y, block.ramp_sum, living};
  };
}

Tensor CharacterModel::Loss() {
  const Block block = forward_(torch::embedding(embedding_, text_.slice(1, 0, setting_.block)));
  living_ = block.living;
  const Tensor logits = torch::linear(block.y, output_, output_bias_).flatten(0, 1).to(torch::kFloat);
  const Tensor loss = torch::cross_entropy_loss(logits, text_.slice(1, 1).flatten());
  return block.ramp_sum.defined() ? loss + kSpanLoss * block.ramp_sum.mean() : loss;
}

int64_t CharacterModel::CountSavedBytes() {
  const memory::LiveBytes live;
  const Tensor loss = Loss();
  return live.bytes();
}

void CharacterModel::Update() {
  gradient_.assign(values_.size(), 0.0F);
  const auto gradients =
      torch::autograd::grad({Loss()}, parameters_->tensors(), {}, false, false, /*allow_unused=*/true);
  agents::AddFlat(*parameters_, gradients, gradient_);
  optimizer_->Step(values_, gradient_, 0);
  parameters_->Write(values_);
}

double CharacterModel::FlopsPerCharacter() const {
  const double output = 2.0 * kBytes * static_cast<double>(core_->dim());
  const auto* banked = dynamic_cast<const memory::BankedTransformer*>(core_.get());
  if (banked == nullptr) {
    const memory::Flops flops = core_->CountFlops(setting_.block, living_);
    return kForwardBackward * (flops.step + flops.bank + output);
  }
  const double dim = static_cast<double>(banked->dim()), width = static_cast<double>(banked->layers()[0].query.size(0));
  const double layers = static_cast<double>(banked->layers().size());
  const double attention = 4 * living_ * width, bank = 4 * living_ * dim * width / static_cast<double>(setting_.block);
  return kForwardBackward * (banked->stack().LinearFlops() + layers * (attention + bank) + output);
}

}  // namespace lethe::tools
