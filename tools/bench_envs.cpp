#include "tools/bench_envs.h"

#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "envs/registry.h"
#include "tools/progress_table.h"
#include "tools/signals.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 7;
constexpr int kActionVectors = 61;  // so many that no branch predictor learns them by heart
constexpr int kStepsPerLook = 16;   // at the clock

struct Setting {
  const envs::Entry& entry;
  int batch = 0;
  int threads = 0;
  double seconds = 0;  // of one measurement
};

/// One thread's environments, with everything that stepping them touches.
class Worker {
 public:
  Worker(const Setting& setting, int index)
      : rows_(static_cast<size_t>(setting.batch)),
        batch_(setting.entry.make_batch(
            *setting.entry.make_params(),
            {.size = setting.batch, .seed = 1, .first_index = static_cast<uint64_t>(index) * rows_})),
        observations_(rows_ * static_cast<size_t>(batch_->num_tokens())),
        rewards_(rows_),
        terminated_(rows_),
        truncated_(rows_),
        episode_start_(rows_),
        actions_(kActionVectors * rows_) {
    envs::Stream random(7, envs::Purpose::kTrain, static_cast<uint32_t>(index), 0);
    for (uint8_t& action : actions_)
      action = static_cast<uint8_t>(random.Below(static_cast<uint32_t>(batch_->spec().num_actions)));
    batch_->Reset(observations_.data());
  }

  void Step() {
    const uint8_t* actions = &actions_[static_cast<size_t>(step_++ % kActionVectors) * rows_];
    batch_->Step(actions,
                 {observations_.data(), rewards_.data(), terminated_.data(), truncated_.data(), episode_start_.data()});
  }

  /// The bytes of the observations of a step, and nothing else.
  void WriteFloor() {
    std::memset(observations_.data(), static_cast<int>(step_++ & 7), observations_.size());
    asm volatile("" : : "r"(observations_.data()) : "memory");
  }

 private:
  const size_t rows_;
  const std::unique_ptr<envs::EnvBatch> batch_;
  std::vector<uint8_t> observations_;
  std::vector<float> rewards_;
  std::vector<uint8_t> terminated_, truncated_, episode_start_, actions_;
  int64_t step_ = 0;
};

/// Environment steps per second while every worker does `work` on a thread of its own.
template <class Work>
double Rate(std::vector<std::unique_ptr<Worker>>& workers, const Setting& setting, Work&& work) {
  std::vector<double> rates(workers.size());
  std::barrier start(static_cast<std::ptrdiff_t>(workers.size()));
  const auto run = [&](size_t k) {
    start.arrive_and_wait();
    const auto begin = Clock::now();
    int64_t steps = 0;
    double seconds = 0;
    while (seconds < setting.seconds) {
      for (int i = 0; i < kStepsPerLook; ++i) work(*workers[k]);
      steps += kStepsPerLook;
      seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    rates[k] = static_cast<double>(steps * setting.batch) / seconds;
  };
  std::vector<std::jthread> threads;
  for (size_t k = 1; k < workers.size(); ++k) threads.emplace_back(run, k);
  run(0);
  threads.clear();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRepeats / 2, values.end());
  return values[kRepeats / 2];
}

struct Measurement {
  double steps_per_s = 0;
  double floor_steps_per_s = 0;
};

Measurement Measure(const Setting& setting) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int k = 0; k < setting.threads; ++k) workers.push_back(std::make_unique<Worker>(setting, k));
  std::vector<double> rates, floors;
  for (int i = 0; i < kRepeats && !StopSignals::Requested(); ++i) {
    floors.push_back(Rate(workers, setting, [](Worker& worker) { worker.WriteFloor(); }));
    rates.push_back(Rate(workers, setting, [](Worker& worker) { worker.Step(); }));
  }
  if (rates.size() < kRepeats) return {};
  return {Median(rates), Median(floors)};
}

std::string ToJson(const Setting& setting, const Measurement& m) {
  nlohmann::ordered_json json;
  json["env"] = setting.entry.id;
  json["threads"] = setting.threads;
  json["batch"] = setting.batch;
  json["steps_per_s"] = m.steps_per_s;
  json["floor_steps_per_s"] = m.floor_steps_per_s;
  return json.dump();
}

std::string ToText(const Setting& setting, const Measurement& m) {
  return fmt::format("{:<26}{:>8}{:>8}{:>12}{:>14.1f}{:>14}{:>10.3f}", setting.entry.id, setting.threads, setting.batch,
                     FormatCount(m.steps_per_s), 1e9 * setting.threads / m.steps_per_s,
                     FormatCount(m.floor_steps_per_s), m.steps_per_s / m.floor_steps_per_s);
}

std::vector<std::string> IdsToMeasure(const CommandLine& line) {
  if (line.words().size() > 1) return {line.words().begin() + 1, line.words().end()};
  std::set<std::string> families;
  std::vector<std::string> ids;
  for (const std::string& id : envs::Ids())
    if (families.insert(envs::Find(id).family).second) ids.push_back(id);
  return ids;
}

std::vector<int> ThreadCounts(const CommandLine& line) {
  if (line.Has("threads")) return {static_cast<int>(line.Integer("threads", 1, 1, 1024))};
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return cores > 1 ? std::vector<int>{1, cores} : std::vector<int>{1};
}

}  // namespace

int BenchEnvs(const CommandLine& line) {
  line.RequireNoOverrides("bench envs");
  const int batch = static_cast<int>(line.Integer("batch", 1024, 1, 1 << 24));
  const double seconds = line.Number("seconds", 2.1, 0.001, 1e6) / kRepeats;
  const auto ids = IdsToMeasure(line);
  for (const std::string& id : ids) AsUserError([&] { envs::Find(id); });
  const StopSignals signals;
  const bool json = line.Has("json");
  if (!json)
    fmt::print("{:<26}{:>8}{:>8}{:>12}{:>14}{:>14}{:>10}\n", "environment", "threads", "batch", "steps/s",
               "ns/step/core", "floor steps/s", "of floor");
  for (const std::string& id : ids) {
    for (const int threads : ThreadCounts(line)) {
      const Setting setting{envs::Find(id), batch, threads, seconds};
      const Measurement measurement = Measure(setting);
      if (StopSignals::Requested()) return 128 + StopSignals::Received();
      fmt::print("{}\n", json ? ToJson(setting, measurement) : ToText(setting, measurement));
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace lethe::tools
