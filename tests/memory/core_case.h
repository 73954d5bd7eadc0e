#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "memory/core.h"
#include "memory/registry.h"
#include "memory/torch.h"

namespace lethe::memory {

using OptionValue = std::variant<bool, double, std::string>;
using OptionValues = std::map<std::string, OptionValue>;

/// Sets the options of these names that a core has, whichever core it is.
class SetOptions : public OptionVisitor {
 public:
  explicit SetOptions(const OptionValues& values) : values_(values) {}
  void operator()(const char* name, int64_t& value, double, double, const char*) override {
    if (const auto* x = Find<double>(name)) value = static_cast<int64_t>(*x);
  }
  void operator()(const char* name, double& value, double, double, const char*) override {
    if (const auto* x = Find<double>(name)) value = *x;
  }
  void operator()(const char* name, bool& value, const char*) override {
    if (const auto* x = Find<bool>(name)) value = *x;
  }
  void operator()(const char* name, std::string& value, const std::vector<std::string>&, const char*) override {
    if (const auto* x = Find<std::string>(name)) value = *x;
  }
  size_t set() const { return set_; }  ///< options found

 private:
  template <class T>
  const T* Find(const char* name) {
    const auto found = values_.find(name);
    if (found == values_.end()) return nullptr;
    ++set_;
    return &std::get<T>(found->second);
  }
  const OptionValues& values_;
  size_t set_ = 0;
};

/// Sizes so small that memories expire within a few blocks and finite differences take no time. heads * head_dim is
/// not dim. Options that a core does not have are passed over.
inline const OptionValues& SmallSizes() {
  static const OptionValues sizes = {{"dim", 6.0},           {"layers", 2.0},    {"heads", 2.0}, {"head_dim", 4.0},
                                     {"ffn", 5.0},           {"positions", 4.0}, {"ramp", 3.0},  {"span_limit", 7.0},
                                     {"memory_length", 6.0}, {"slots", 2.0},     {"rate", 2.0},  {"width", 6.0},
                                     {"initial_ratio", 0.43}};
  return sizes;
}

/// One way to set a core's options; those whose options a core lacks are not run with it.
struct CoreVariant {
  std::string name;
  OptionValues values;
  bool draws = false;  ///< training draws random numbers
};

inline std::vector<CoreVariant> VariantsOf(const CoreInfo& info) {
  const std::vector<CoreVariant> all = {
      {"as it is", {}},
      {"pre-norm", {{"pre_norm", true}}},
      {"gates", {{"gates", true}}},
      {"pre-norm and gates", {{"pre_norm", true}, {"gates", true}}},
      {"rotary", {{"position", std::string("rotary")}}},
      {"as many positions as it likes", {{"positions", 0.0}}},
      {"heads that divide dim", {{"head_dim", 0.0}, {"heads", 3.0}}},
      {"one span per layer", {{"per_layer", true}}},
      {"convolution", {{"compression", std::string("convolution")}}},
      {"behind a GRU", {{"front", std::string("gru")}}},
      {"behind an LSTM", {{"front", std::string("lstm")}}},
      {"dropout", {{"dropout", 0.4}}, true},
      {"layer drop", {{"layer_drop", 0.4}}, true},
      {"spans on a logarithmic scale", {{"span_scale", std::string("logarithmic")}, {"initial_span", 0.8}}},
      {"random shortening", {{"random_shortening", true}}, true},
  };
  std::vector<CoreVariant> mine;
  for (const CoreVariant& variant : all) {
    const auto options = info.make_options();
    SetOptions set(variant.values);
    options->Visit(set);
    if (set.set() == variant.values.size()) mine.push_back(variant);
  }
  return mine;
}

inline std::unique_ptr<CoreOptions> SmallCoreOptions(const CoreInfo& info, const OptionValues& changes) {
  auto options = info.make_options();
  options->block = 5;
  SetOptions sizes(SmallSizes()), set(changes);
  options->Visit(sizes), options->Visit(set);
  return options;
}

/// A core whose parameters are off their starting values, so that nothing is zero or alike by chance.
inline std::shared_ptr<Core> SmallCore(const CoreInfo& info, const OptionValues& changes, uint64_t seed,
                                       torch::Dtype dtype = torch::kDouble) {
  torch::manual_seed(seed);
  const std::shared_ptr<Core> core = SmallCoreOptions(info, changes)->Make();
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& p : core->parameters()) p += 0.15 * torch::randn(p.sizes());
  core->ClampParameters();
  core->to(dtype);
  return core;
}

struct CoreBlock {
  torch::Tensor x;       ///< [B, T, D]
  torch::Tensor starts;  ///< [B, T] u8
};

inline CoreBlock RandomBlock(const Core& core, int64_t rows, int64_t steps, double start_probability, uint64_t seed,
                             torch::Dtype dtype = torch::kDouble) {
  torch::manual_seed(seed);
  return {torch::randn({rows, steps, core.dim()}, torch::kDouble).to(dtype),
          (torch::rand({rows, steps}) < start_probability).to(torch::kByte)};
}

/// A state after a few blocks of random life.
inline StatePtr LivedState(const Core& core, int64_t rows, uint64_t seed, torch::Dtype dtype = torch::kDouble) {
  const torch::NoGradGuard no_grad;
  StatePtr state = core.Start(rows);
  for (uint64_t k = 0; k < 4; ++k) {
    const CoreBlock block = RandomBlock(core, rows, 7, 0.04, seed * 100 + k, dtype);
    state = core.Forward(block.x, block.starts, state, 0, true).state;
  }
  return state;
}

/// One unroll taken step by step.
struct CoreSteps {
  torch::Tensor y;                             ///< [B, T, D]
  std::vector<double> living_sum, living_max;  ///< per layer, of cores that count
  StatePtr state;
};

inline CoreSteps TakeCoreSteps(Stepper& stepper, const CoreBlock& block) {
  CoreSteps steps;
  std::vector<torch::Tensor> y;
  for (int64_t t = 0; t < block.x.size(1); ++t) {
    const torch::Tensor start = block.starts.select(1, t).contiguous();
    y.push_back(stepper.Step(block.x.select(1, t).contiguous(), start.const_data_ptr<uint8_t>()).clone());
    const auto living = stepper.Living();
    steps.living_sum.resize(living.size()), steps.living_max.resize(living.size());
    for (size_t l = 0; l < living.size(); ++l)
      for (const int32_t n : living[l])
        steps.living_sum[l] += n, steps.living_max[l] = std::max<double>(steps.living_max[l], n);
  }
  steps.y = torch::stack(y, 1);
  steps.state = stepper.Finish();
  return steps;
}

}  // namespace lethe::memory
