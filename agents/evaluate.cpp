#include "agents/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agents/flat_parameters.h"
#include "agents/worker_pool.h"

namespace lethe::agents {

namespace {

/// Sums of one thread's rows.
struct Tally {
  std::vector<double> scores;
  NamedMetrics metrics;
  std::vector<double> living, living_max, resident, cue, other;
  double earlier = 0;
  int64_t steps = 0, cue_steps = 0;
};

/// One thread's share: rows that each play a number of episodes.
class Players {
 public:
  Players(const RunOptions& run, const std::vector<float>& parameters, uint64_t first_row, std::vector<int64_t> quotas)
      : run_(run),
        quotas_(std::move(quotas)),
        rows_(static_cast<int64_t>(quotas_.size())),
        envs_(MakeEnvs(run, rows_, envs::Purpose::kEvaluate, first_row)),
        policy_(MakePolicyOptions(run)),
        sampler_(static_cast<uint64_t>(run.seed), envs::Purpose::kEvaluate, first_row) {
    policy_.to(torch::Device(run.device));
    FlatParameters(policy_).Write(parameters);
    const auto& names = envs_->spec().metric_names;
    for (const std::string& name : names) tally_.metrics.emplace_back(name, 0);
    score_metric_ =
        static_cast<size_t>(std::find(names.begin(), names.end(), envs_->spec().score_metric) - names.begin());
  }

  Tally Play(const EvaluationOptions& options) {
    const auto rows = static_cast<size_t>(rows_);
    observations_.resize(rows * static_cast<size_t>(envs_->num_tokens()));
    start_.assign(rows, 1), last_.assign(rows, 0), actions_.resize(rows), cues_.resize(rows);
    rewards_.resize(rows), terminated_.resize(rows), truncated_.resize(rows);
    done_.assign(rows, 0), age_.assign(rows, 0);
    envs_->Reset(observations_.data());
    memory::StatePtr memory = policy_.core().Start(rows_);
    while (!Finished()) {
      if (options.stop && options.stop()) throw Interrupted();
      PolicyStepper stepper(policy_, memory, run_.train.unroll_length);
      const auto banked = memory->resident();
      for (int64_t t = 0; t < run_.train.unroll_length && !Finished(); ++t) Step(stepper, banked, t, options.choice);
      memory = stepper.memory().Finish();
    }
    return std::move(tally_);
  }

 private:
  bool Finished() const {
    for (size_t row = 0; row < quotas_.size(); ++row)
      if (done_[row] < quotas_[row]) return false;
    return true;
  }

  void Step(PolicyStepper& stepper, const std::vector<int64_t>& banked, int64_t t, Choice choice) {
    const torch::Tensor head = stepper.Step(observations_.data(), start_.data());
    sampler_.Sample(head.const_data_ptr<float>(), rows_, envs_->spec().num_actions, step_++, choice, actions_.data());
    envs_->Cues(cues_.data());
    Count(stepper.memory(), banked, t);
    envs_->Step(actions_.data(),
                {observations_.data(), rewards_.data(), terminated_.data(), truncated_.data(), start_.data()});
    for (size_t row = 0; row < quotas_.size(); ++row) {
      age_[row] = start_[row] != 0 ? 0 : age_[row] + 1;
      last_[row] = terminated_[row] | truncated_[row];
      if (last_[row] == 0 || done_[row] >= quotas_[row]) continue;
      const auto metrics = envs_->EpisodeMetrics(static_cast<int>(row));
      for (size_t i = 0; i < tally_.metrics.size(); ++i) tally_.metrics[i].second += metrics[i];
      tally_.scores.push_back(metrics[score_metric_]);
      ++done_[row];
    }
  }

  void Count(const memory::Stepper& memory, const std::vector<int64_t>& banked, int64_t t) {
    const auto living = memory.Living();
    const auto spans = memory.Spans();
    const size_t layers = living.size();
    for (auto* sums : {&tally_.living, &tally_.living_max, &tally_.resident, &tally_.cue, &tally_.other})
      sums->resize(layers);
    for (size_t row = 0; row < quotas_.size(); ++row) {
      if (last_[row] != 0 || done_[row] >= quotas_[row]) continue;
      ++tally_.steps;
      tally_.earlier += static_cast<double>(age_[row]);
      tally_.cue_steps += cues_[row];
      for (size_t l = 0; l < layers; ++l) {
        tally_.living[l] += living[l][row];
        tally_.living_max[l] = std::max(tally_.living_max[l], static_cast<double>(living[l][row]));
        tally_.resident[l] += static_cast<double>(banked[l]) / static_cast<double>(rows_) + static_cast<double>(t);
        if (!spans.empty()) (cues_[row] != 0 ? tally_.cue : tally_.other)[l] += spans[l][row];
      }
    }
  }

  const RunOptions& run_;
  const std::vector<int64_t> quotas_;  // episodes of each row
  const int64_t rows_;
  const std::unique_ptr<envs::EnvBatch> envs_;
  Policy policy_;
  const ActionSampler sampler_;
  size_t score_metric_ = 0;
  int64_t step_ = 0;
  std::vector<uint8_t> observations_, start_, last_, actions_, cues_, terminated_, truncated_;
  std::vector<float> rewards_;
  std::vector<int64_t> done_, age_;
  Tally tally_;
};

/// Interval of the mean of scores, 95 %.
std::pair<double, double> Interval(const std::vector<double>& scores, double mean) {
  const double n = static_cast<double>(scores.size()), z = 1.959964;
  const bool binary = std::all_of(scores.begin(), scores.end(), [](double s) { return s == 0 || s == 1; });
  if (binary) {  // Wilson's interval does not collapse at 0 and 1
    const double centre = (mean + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * std::sqrt(mean * (1 - mean) / n + z * z / (4 * n * n));
    return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
  }
  double square = 0;
  for (const double s : scores) square += (s - mean) * (s - mean);
  const double half = z * std::sqrt(square / std::max(1.0, n - 1) / n);
  return {mean - half, mean + half};
}

void Divide(std::vector<double>& sums, double n) {
  for (double& x : sums) x = n > 0 ? x / n : 0;
}

}  // namespace

Evaluation Evaluate(const RunOptions& run, const std::vector<float>& parameters, const EvaluationOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t rows = std::min(options.rows, options.episodes);
  const int threads = static_cast<int>(std::min<int64_t>(options.threads, rows));
  std::vector<Tally> tallies(static_cast<size_t>(threads));
  WorkerPool pool(threads);
  pool.Run(threads, [&](int k) {
    const int64_t first = rows * k / threads, end = rows * (k + 1) / threads;
    std::vector<int64_t> quotas;
    for (int64_t row = first; row < end; ++row)
      quotas.push_back(options.episodes / rows + (row < options.episodes % rows));
    tallies[static_cast<size_t>(k)] = Players(run, parameters, static_cast<uint64_t>(first), quotas).Play(options);
  });
  Evaluation result;
  result.sees_last_action = run.policy.last_action;
  Tally all = std::move(tallies[0]);
  for (size_t k = 1; k < tallies.size(); ++k) {
    const Tally& t = tallies[k];
    all.scores.insert(all.scores.end(), t.scores.begin(), t.scores.end());
    for (size_t i = 0; i < all.metrics.size(); ++i) all.metrics[i].second += t.metrics[i].second;
    for (size_t l = 0; l < all.living.size(); ++l) {
      all.living[l] += t.living[l], all.resident[l] += t.resident[l], all.cue[l] += t.cue[l],
          all.other[l] += t.other[l];
      all.living_max[l] = std::max(all.living_max[l], t.living_max[l]);
    }
    all.earlier += t.earlier, all.steps += t.steps, all.cue_steps += t.cue_steps;
  }
  result.episodes = static_cast<int64_t>(all.scores.size());
  for (const double s : all.scores) result.score += s / static_cast<double>(all.scores.size());
  std::tie(result.score_low, result.score_high) = Interval(all.scores, result.score);
  for (const auto& [name, sum] : all.metrics)
    result.metrics.emplace_back(name, sum / static_cast<double>(all.scores.size()));
  const double steps = static_cast<double>(all.steps);
  Divide(all.living, steps), Divide(all.resident, steps), Divide(all.cue, static_cast<double>(all.cue_steps));
  Divide(all.other, static_cast<double>(all.steps - all.cue_steps));
  result.living = all.living, result.living_max = all.living_max, result.resident = all.resident;
  result.span_cue = all.cue, result.span_other = all.other;
  result.never_forgetting = all.earlier / std::max(steps, 1.0);
  result.env_steps = all.steps;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::string ToJson(const Evaluation& e) {
  nlohmann::ordered_json json;
  json["episodes"] = e.episodes;
  json["score"] = e.score;
  json["score_ci"] = {e.score_low, e.score_high};
  for (const auto& [name, mean] : e.metrics) json["metrics"][name] = mean;
  json["living_memories"] = e.living;
  json["living_memories_max"] = e.living_max;
  json["resident_memories"] = e.resident;
  json["never_forgetting"] = e.never_forgetting;
  json["span_cue"] = e.span_cue;
  json["span_other"] = e.span_other;
  json["sees_last_action"] = e.sees_last_action;
  json["steps_per_s"] = static_cast<double>(e.env_steps) / std::max(e.seconds, 1e-9);
  return json.dump();
}

}  // namespace lethe::agents
