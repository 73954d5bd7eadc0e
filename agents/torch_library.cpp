// Trained agents as torch.classes.lethe_agent.*: built into liblethe_agent.so, which torch.classes.load_library loads.
// The package's lethe.load wraps it; see docs/python.md.

#include <torch/custom_class.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/options.h"
#include "agents/policy.h"
#include "agents/sequence_options.h"
#include "configs/document.h"
#include "configs/run_folder.h"
#include "envs/plugin.h"
#include "memory/torch.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

/// What never changes of a loaded agent; states keep it alive.
struct LoadedPolicy {
  std::unique_ptr<RunOptions> options;
  std::unique_ptr<Policy> policy;
};

/// Per layer and row: [layers, n]; [0, n] where the core has no memories of steps.
template <class Out, class In>
Tensor LayerTable(const std::vector<std::vector<In>>& layers, int64_t rows, torch::Dtype dtype) {
  Tensor table = torch::zeros({static_cast<int64_t>(layers.size()), rows}, dtype);
  for (size_t l = 0; l < layers.size(); ++l)
    std::copy(layers[l].begin(), layers[l].end(), table.data_ptr<Out>() + static_cast<int64_t>(l) * rows);
  return table;
}

/// What n rows remember, and where they stand in an unroll. Threads: one at a time.
class AgentState : public torch::CustomClassHolder {
 public:
  AgentState(std::shared_ptr<const LoadedPolicy> loaded, memory::StatePtr memory)
      : loaded_(std::move(loaded)), memory_(std::move(memory)) {}

  /// observations [n, tokens] u8, episode_start [n] u8 -> [n, num_actions + 1] f32: logits, then the value.
  Tensor Step(const Tensor& observations, const Tensor& episode_start) {
    const int64_t unroll = loaded_->options->train.unroll_length;
    if (stepper_ != nullptr && taken_ == unroll) Settle();
    if (stepper_ == nullptr) stepper_ = std::make_unique<PolicyStepper>(*loaded_->policy, memory_, unroll);
    ++taken_;
    const Tensor head =
        stepper_->Step(observations.const_data_ptr<uint8_t>(), episode_start.const_data_ptr<uint8_t>()).clone();
    spans_ = LayerTable<double>(stepper_->memory().Spans(), rows(), torch::kDouble);
    living_ = LayerTable<int64_t>(stepper_->memory().Living(), rows(), torch::kLong);
    return head;
  }

  c10::intrusive_ptr<AgentState> Clone() {
    if (stepper_ != nullptr) Settle();
    auto copy = c10::make_intrusive<AgentState>(loaded_, memory_);
    copy->spans_ = spans_, copy->living_ = living_;
    return copy;
  }

  int64_t rows() const { return memory_->rows(); }
  Tensor spans() const { return spans_; }    ///< of the latest step, [layers, n] f64
  Tensor living() const { return living_; }  ///< memories it saw, [layers, n] i64

 private:
  /// Ends the unroll: what has expired goes.
  void Settle() {
    memory_ = stepper_->memory().Finish();
    stepper_ = nullptr;
    taken_ = 0;
  }

  std::shared_ptr<const LoadedPolicy> loaded_;
  memory::StatePtr memory_;  // before the present unroll
  std::unique_ptr<PolicyStepper> stepper_;
  int64_t taken_ = 0;
  Tensor spans_ = torch::zeros({0, 0}, torch::kDouble), living_ = torch::zeros({0, 0}, torch::kLong);
};

/// A trained run. Errors, as std::exceptions: what RunFolder, ReadRunOptions and LoadWeights throw; a run on a sequence
/// task.
class Agent : public torch::CustomClassHolder {
 public:
  Agent(const std::string& run, const std::string& checkpoint, const std::vector<std::string>& plugins)
      : loaded_(std::make_shared<LoadedPolicy>()) {
    for (const std::string& plugin : plugins) envs::LoadPlugin(plugin);
    const auto folder = configs::RunFolder::Open(run);
    auto document = configs::Document::FromFile(folder.ConfigPath());
    if (IsSequenceConfig(document))
      throw std::invalid_argument(run + " is a run on a sequence task; allowed: one that trained an agent");
    loaded_->options = ReadRunOptions(document);
    loaded_->policy = std::make_unique<Policy>(MakePolicyOptions(*loaded_->options));
    const configs::SafetensorsFile file = checkpoint.empty() ? folder.NewestGoodCheckpoint([](const std::string&) {})
                                                             : configs::SafetensorsFile(checkpoint);
    FlatParameters parameters(*loaded_->policy);
    parameters.Write(LoadWeights(file, LayoutOf(parameters)));
  }

  c10::intrusive_ptr<AgentState> Start(int64_t rows) const {
    return c10::make_intrusive<AgentState>(loaded_, loaded_->policy->core().Start(rows));
  }

  std::string env() const { return loaded_->options->env.id; }
  int64_t num_actions() const { return loaded_->policy->options().num_actions; }
  /// Of every token that a step takes: how many values it has.
  std::vector<int64_t> vocabularies() const {
    const auto& sizes = loaded_->policy->options().vocabularies;
    return {sizes.begin(), sizes.end()};
  }
  /// Whether the last of them is the action taken before, from 1 on, and 0 at an episode's start.
  bool sees_last_action() const { return loaded_->options->policy.last_action; }

 private:
  std::shared_ptr<LoadedPolicy> loaded_;
};

}  // namespace

TORCH_LIBRARY(lethe_agent, library) {
  library.class_<AgentState>("State")
      .def("step", &AgentState::Step)
      .def("clone", &AgentState::Clone)
      .def("rows", &AgentState::rows)
      .def("spans", &AgentState::spans)
      .def("living", &AgentState::living);
  library.class_<Agent>("Agent")
      .def(torch::init<const std::string&, const std::string&, const std::vector<std::string>&>())
      .def("start", &Agent::Start)
      .def("env", &Agent::env)
      .def("num_actions", &Agent::num_actions)
      .def("vocabularies", &Agent::vocabularies)
      .def("sees_last_action", &Agent::sees_last_action);
}

}  // namespace lethe::agents
