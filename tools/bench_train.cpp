#include "tools/bench_train.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agents/trainer.h"
#include "tools/device.h"
#include "tools/matrix_rate.h"
#include "tools/progress_table.h"
#include "tools/run_config.h"
#include "tools/signals.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWarmUpSeconds = 2;
constexpr int64_t kSpanLimit = 256, kRamp = 8;

struct Measurement {
  std::string core, mode;
  int threads = 0;
  double living_memories = 0, steps_per_s = 0, flops_per_step = 0, matrix_gflops = 0, fraction_of_limit = 0;
  int64_t rss_bytes = 0;
};

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// A memory of age a lives while a < span + ramp, so span = living + 1/2 - ramp keeps ages 1 .. living,
/// whatever the rounding. Corridors are so long that hardly an episode ends, and the spans never learn.
std::unique_ptr<agents::RunOptions> OptionsFor(int64_t living, const CommandLine& line) {
  configs::Document document;
  const int64_t ramp = std::min(kRamp, living);
  const double span = static_cast<double>(living - ramp) + 0.5;
  for (const std::string& assignment :
       {std::string("env.id=Corridor-v0"), std::string("env.length_min=5000"), std::string("env.length_max=5000"),
        fmt::format("memory.span_limit={}", kSpanLimit), fmt::format("memory.ramp={}", ramp),
        fmt::format("memory.initial_span={}", span / kSpanLimit), std::string("train.span_rate=0"),
        std::string("train.span_weight=0"), std::string("train.max_steps=1e15"), std::string("log.interval_updates=1"),
        std::string("log.live_seconds=0"), std::string("log.checkpoint_interval_steps=1e15")})
    document.Override(assignment);
  return ReadOptions(document, line);
}

double MeanLiving(const memory::LivingStats& living) {
  double sum = 0;
  for (const double layer : living.sum) sum += layer;
  return sum / static_cast<double>(std::max<int64_t>(living.steps, 1)) /
         static_cast<double>(std::max<size_t>(living.sum.size(), 1));
}

/// Watches a training from its hooks: what happens between the end of the warm-up and the end.
struct Stopwatch {
  double seconds = 0;
  Clock::time_point started = Clock::now(), begin = {};
  int64_t first_step = 0, last_step = 0;
  double living = 0;
  int64_t lines = 0;
  double measured = 0;

  void Read(const agents::TrainingStatus& status) {
    if (Since(started) < kWarmUpSeconds) return;
    if (first_step == 0) {
      first_step = status.env_steps;
      begin = Clock::now();
      return;
    }
    last_step = status.env_steps;
    measured = Since(begin);
    living += MeanLiving(status.update.living);
    ++lines;
  }
  bool IsOver() const { return measured >= seconds || StopSignals::Requested(); }
};

Measurement Measure(int64_t living, const CommandLine& line) {
  const auto options = OptionsFor(living, line);
  RequireDevice(options->device);
  Measurement m;
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  m.threads = std::min(cores, static_cast<int>(std::max(options->train.actors, options->train.learner_threads)));
  m.matrix_gflops = MeasureMatrixRate(m.threads, 0.3) / 1e9;
  Stopwatch watch;
  watch.seconds = line.Number("seconds", 8, 0.1, 1e6);
  agents::TrainerHooks hooks;
  hooks.log = [&](const agents::TrainingStatus& status) { watch.Read(status); };
  hooks.stop = [&] { return watch.IsOver(); };
  agents::Trainer(*options, std::move(hooks)).Train();
  m.rss_bytes = ResidentBytes();
  m.core = "expire_span";
  m.mode = options->train.max_policy_lag == 0 ? "a2c" : "impala";
  m.living_memories = watch.living / static_cast<double>(std::max<int64_t>(watch.lines, 1));
  m.steps_per_s = static_cast<double>(watch.last_step - watch.first_step) / std::max(watch.measured, 1e-9);
  m.flops_per_step = agents::FlopsPerStep(agents::Policy(agents::MakePolicyOptions(*options)),
                                          options->train.unroll_length, m.living_memories);
  m.fraction_of_limit = m.steps_per_s * m.flops_per_step / (m.matrix_gflops * 1e9);
  return m;
}

std::string ToJson(const Measurement& m) {
  nlohmann::ordered_json json;
  json["core"] = m.core;
  json["mode"] = m.mode;
  json["threads"] = m.threads;
  json["living_memories"] = m.living_memories;
  json["steps_per_s"] = m.steps_per_s;
  json["flops_per_step"] = m.flops_per_step;
  json["matrix_gflops"] = m.matrix_gflops;
  json["fraction_of_limit"] = m.fraction_of_limit;
  json["rss_bytes"] = m.rss_bytes;
  return json.dump();
}

std::string ToText(const Measurement& m) {
  return fmt::format("{:<13}{:<8}{:>7}{:>10.1f}{:>12}{:>14.2f}{:>16.1f}{:>10.2f}{:>10}", m.core, m.mode, m.threads,
                     m.living_memories, FormatCount(m.steps_per_s), m.flops_per_step / 1e6, m.matrix_gflops,
                     m.fraction_of_limit, FormatBytes(static_cast<double>(m.rss_bytes)));
}

}  // namespace

int BenchTrain(const CommandLine& line) {
  line.RequireAtMostWords(1);
  std::vector<int64_t> rows = {8, 32, 190};
  if (line.Has("living")) rows = {line.Integer("living", 32, 1, 245)};
  const StopSignals signals;
  const bool json = line.Has("json");
  if (!json)
    fmt::print("{:<13}{:<8}{:>7}{:>10}{:>12}{:>14}{:>16}{:>10}{:>10}\n", "core", "mode", "threads", "living", "steps/s",
               "MFLOP/step", "matrix GFLOP/s", "of limit", "memory");
  for (const int64_t living : rows) {
    const Measurement measurement = Measure(living, line);
    if (StopSignals::Requested()) return 128 + StopSignals::Received();
    fmt::print("{}\n", json ? ToJson(measurement) : ToText(measurement));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace lethe::tools
