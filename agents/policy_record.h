#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "agents/episode.h"

namespace lethe::agents {

/// A policy's way through one episode, and what its memory saw at any step of it.
///
/// Tracing what a step sees takes two to four times as long as the step, so nothing is traced until somebody asks: then
/// the step's unroll is stepped again from the state before it. Who asks for one step after the other, either way, gets
/// the whole unroll traced; and in the live one, that of the newest step, further steps as they come. Half of the bytes
/// is for states, half for what was traced.
class PolicyRecord {
 public:
  /// steps: of the episode, owned by the caller, who adds to them.
  PolicyRecord(std::shared_ptr<const FixedPolicy> fixed, const std::deque<EpisodeStep>& steps, int64_t bytes);

  const FixedPolicy& fixed() const { return *fixed_; }
  /// Logits of the newest step, then its value.
  const std::vector<float>& head() const { return head_; }

  /// Looks at the newest step of the episode, and notes there what comes of it.
  void Look(EpisodeStep& newest);
  /// As PlayedEpisode::MemoriesAt, for memories that are made of steps.
  const std::vector<LayerMemories>& MemoriesAt(int64_t step);
  int64_t BytesPerMemory() const;

 private:
  /// What some steps of one unroll saw.
  struct Stretch {
    int64_t first = 0, most = 0;  // at most so many steps
    std::vector<std::vector<LayerMemories>> seen;
    bool Contains(int64_t step) const { return step >= first && step < end(); }
    const std::vector<LayerMemories>& At(int64_t step) const { return seen[static_cast<size_t>(step - first)]; }
    int64_t end() const { return first + static_cast<int64_t>(seen.size()); }
    bool IsFull() const { return static_cast<int64_t>(seen.size()) == most; }
  };

  int64_t NumSteps() const { return static_cast<int64_t>(steps_.size()); }
  std::unique_ptr<PolicyStepper> Begin(const memory::StatePtr& state) const;
  /// stretch: null, or where to add what the step sees.
  torch::Tensor Step(PolicyStepper& stepper, int64_t step, Stretch* stretch);
  void NextUnroll();
  /// Every second one.
  void DropKeyframes();
  /// The state before the unroll that begins at a step.
  memory::StatePtr StateBefore(int64_t begin);
  /// A whole unroll, or as many steps as there is room for if they see what this one sees.
  int64_t StepsToTrace(int64_t step) const;
  /// Puts a stretch of at most so many steps, this one among them, in front.
  void Trace(int64_t step, int64_t most);
  /// Those that were not asked for the longest, but for the last one that was.
  void DropStretches();

  const std::shared_ptr<const FixedPolicy> fixed_;
  const Policy& policy_;
  const std::deque<EpisodeStep>& steps_;
  const int64_t unroll_, most_bytes_;
  const double reach_;
  int64_t heads_ = 1;
  std::vector<float> head_;

  int64_t begin_ = 0;                       // of the live unroll
  memory::StatePtr state_;                  // before it
  std::unique_ptr<PolicyStepper> stepper_;  // in it

  std::vector<memory::StatePtr> keyframes_;  // before unrolls 0, every_, 2 * every_, ...
  int64_t every_ = 1, keyframe_bytes_ = 0;

  std::list<Stretch> stretches_;  // asked for last comes first
  Stretch* open_ = nullptr;       // one of them that the next step is added to; null: the next step is not traced
  int64_t stretch_bytes_ = 0;
  int64_t asked_ = -2;  // the step that was asked for last
};

}  // namespace lethe::agents
