#include "tools/bench_train.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agents/trainer.h"
#include "configs/nearest.h"
#include "tools/cpu_time.h"
#include "tools/device.h"
#include "tools/freed_memory.h"
#include "tools/matrix_rate.h"
#include "tools/progress_table.h"
#include "tools/run_config.h"
#include "tools/signals.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWarmUpSeconds = 2;
constexpr int64_t kSpanLimit = 256, kRamp = 8;

/// A line of the table: what is trained, and how.
struct Row {
  std::string core, mode = "a2c";
  int64_t remembered = 0;  ///< pinned living memories, or the window; 0: not for this core to say
  int64_t num_envs = 64, threads = 1;

  bool IsImpala() const { return mode == "impala"; }
};

struct Measurement {
  double living_memories = 0, steps_per_s = 0, steps_per_cpu_s = 0, flops_per_step = 0, matrix_gflops = 0;
  double share_envs = 0, share_acting = 0, share_learning = 0, share_waiting = 0;
  int64_t rss_bytes = 0;

  /// Arithmetic per second of CPU time against that of matrix products.
  double FractionOfLimit() const { return steps_per_cpu_s * flops_per_step / (matrix_gflops * 1e9); }
};

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// A memory of age a lives while a < span + ramp, so span = living + 1/2 - ramp keeps ages 1 .. living,
/// whatever the rounding. The spans never learn.
std::vector<std::string> PinnedSpans(int64_t living) {
  const int64_t ramp = std::min(kRamp, living);
  const double span = static_cast<double>(living - ramp) + 0.5;
  return {fmt::format("memory.span_limit={}", kSpanLimit), fmt::format("memory.ramp={}", ramp),
          fmt::format("memory.initial_span={}", span / kSpanLimit), "train.span_rate=0", "train.span_weight=0"};
}

/// What the command line says goes before what the row says.
bool IsOverridden(const std::string& assignment, const CommandLine& line) {
  const std::string key = assignment.substr(0, assignment.find('=') + 1);
  return std::any_of(line.overrides().begin(), line.overrides().end(),
                     [&](const std::string& word) { return word.starts_with(key); });
}

/// The largest number up to `most` that divides n: every actor has as many environments.
int64_t DivisorUpTo(int64_t most, int64_t n) {
  int64_t divisor = std::min(most, n);
  while (n % divisor != 0) --divisor;
  return divisor;
}

/// Corridors are so long that hardly an episode ends.
std::unique_ptr<agents::RunOptions> OptionsFor(const Row& row, const CommandLine& line) {
  std::vector<std::string> assignments = {"env.id=Corridor-v0",
                                          "env.length_min=5000",
                                          "env.length_max=5000",
                                          "memory.core=" + row.core,
                                          fmt::format("train.num_envs={}", row.num_envs),
                                          "train.max_steps=1e15",
                                          "log.interval_updates=1",
                                          "log.live_seconds=0",
                                          "log.checkpoint_interval_steps=1e15"};
  const int64_t workers =
      DivisorUpTo(row.IsImpala() ? std::max<int64_t>(row.threads / 2, 1) : row.threads, row.num_envs);
  for (const char* option : {"actors", "learner_threads"})
    assignments.push_back(fmt::format("train.{}={}", option, workers));
  if (row.IsImpala()) assignments.push_back("train.max_policy_lag=1");
  if (row.core == "expire_span") {
    const auto pinned = PinnedSpans(row.remembered);
    assignments.insert(assignments.end(), pinned.begin(), pinned.end());
  } else if (row.core == "transformer_xl") {
    assignments.push_back(fmt::format("memory.memory_length={}", row.remembered));
  }
  configs::Document document;
  for (const std::string& assignment : assignments)
    if (!IsOverridden(assignment, line)) document.Override(assignment);
  return ReadOptions(document, line);
}

/// Watches a training from its hooks: what happens between the end of the warm-up and the end.
struct Stopwatch {
  explicit Stopwatch(double measured_seconds) : seconds(measured_seconds) {}

  void Read(const agents::TrainingStatus& status) {
    if (Since(started) < kWarmUpSeconds) return;
    if (first_step == 0) {
      first_step = status.env_steps;
      begin = Clock::now(), begin_cpu = ProcessCpuSeconds();
      return;
    }
    last_step = status.env_steps;
    measured = Since(begin), measured_cpu = ProcessCpuSeconds() - begin_cpu;
    sum.living_memories += status.update.living.Mean();
    sum.share_envs += status.share_envs, sum.share_acting += status.share_acting;
    sum.share_learning += status.share_learning, sum.share_waiting += status.share_waiting;
    ++lines;
  }
  bool IsOver() const { return measured >= seconds || StopSignals::Requested(); }

  Measurement Result() const {
    Measurement m = sum;
    for (double* mean : {&m.living_memories, &m.share_envs, &m.share_acting, &m.share_learning, &m.share_waiting})
      *mean /= static_cast<double>(std::max<int64_t>(lines, 1));
    const auto steps = static_cast<double>(last_step - first_step);
    m.steps_per_s = steps / std::max(measured, 1e-9), m.steps_per_cpu_s = steps / std::max(measured_cpu, 1e-9);
    return m;
  }

  const double seconds;
  Clock::time_point started = Clock::now(), begin = {};
  int64_t first_step = 0, last_step = 0, lines = 0;
  double begin_cpu = 0, measured = 0, measured_cpu = 0;
  Measurement sum;
};

/// What the command line made of a row.
Row Described(Row row, const agents::RunOptions::Train& train) {
  row.mode = train.max_policy_lag == 0 ? "a2c" : "impala";
  const int64_t at_once =
      row.IsImpala() ? train.actors + train.learner_threads : std::max(train.actors, train.learner_threads);
  row.threads = std::min<int64_t>(at_once, std::max(1u, std::thread::hardware_concurrency()));
  row.num_envs = train.num_envs;
  return row;
}

Measurement Measure(const agents::RunOptions& options, double seconds) {
  ReturnFreedMemory();  // what the row before had is not this one's
  KeepFreedMemory();
  const double before = MeasureMatrixRatePerCpuSecond(0.2);
  Stopwatch watch(seconds);
  agents::TrainerHooks hooks;
  hooks.log = [&](const agents::TrainingStatus& status) { watch.Read(status); };
  hooks.stop = [&] { return watch.IsOver(); };
  agents::Trainer(options, std::move(hooks)).Train();
  Measurement m = watch.Result();
  m.rss_bytes = ResidentBytes();
  m.matrix_gflops = (before + MeasureMatrixRatePerCpuSecond(0.2)) / 2e9;
  m.flops_per_step = agents::FlopsPerStep(agents::Policy(agents::MakePolicyOptions(options)),
                                          options.train.unroll_length, m.living_memories);
  return m;
}

std::string ToJson(const Row& row, const Measurement& m) {
  nlohmann::ordered_json json;
  json["core"] = row.core;
  json["mode"] = row.mode;
  json["threads"] = row.threads;
  json["num_envs"] = row.num_envs;
  json["living_memories"] = m.living_memories;
  json["steps_per_s"] = m.steps_per_s;
  json["steps_per_cpu_s"] = m.steps_per_cpu_s;
  json["fraction_of_limit"] = m.FractionOfLimit();
  json["flops_per_step"] = m.flops_per_step;
  json["matrix_gflops"] = m.matrix_gflops;
  json["share_envs"] = m.share_envs;
  json["share_acting"] = m.share_acting;
  json["share_learning"] = m.share_learning;
  json["share_waiting"] = m.share_waiting;
  json["rss_bytes"] = m.rss_bytes;
  return json.dump();
}

std::string ToText(const Row& row, const Measurement& m) {
  return fmt::format(
      "{:<15}{:<7}{:>7}{:>6}{:>8.1f}{:>10}{:>11}{:>8.2f}{:>8.1f}{:>6.2f}{:>9}   {:>3.0f}{:>5.0f}{:>5.0f}{:>5.0f}",
      row.core, row.mode, row.threads, row.num_envs, m.living_memories, FormatCount(m.steps_per_s),
      FormatCount(m.steps_per_cpu_s), m.flops_per_step / 1e6, m.matrix_gflops, m.FractionOfLimit(),
      FormatBytes(static_cast<double>(m.rss_bytes)), 100 * m.share_envs, 100 * m.share_acting, 100 * m.share_learning,
      100 * m.share_waiting);
}

constexpr const char* kHeader =
    "core           mode   threads  envs  living   steps/s  per CPU-s   MFLOP GFLOP/s    of   memory  envs  act learn "
    "wait, %";

std::vector<Row> RowsOf(const CommandLine& line) {
  if (IsOverridden("memory.core=", line))
    throw UserError("bench train: memory.core is what the rows are; --core NAME picks some");
  if (line.Has("living") && line.Text("core", "expire_span") != "expire_span")
    throw UserError("--living: living memories are those of expire_span, which --core leaves out");
  const auto all = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  const Row expire_span{"expire_span", "a2c", 32, 64, all};
  const auto with = [](Row row, auto change) {
    change(row);
    return row;
  };
  std::vector<Row> rows;
  if (line.Has("living")) {
    rows.push_back(with(expire_span, [&](Row& r) { r.remembered = line.Integer("living", 32, 1, 245); }));
  } else {
    for (const int64_t living : {8, 32, 190}) rows.push_back(with(expire_span, [&](Row& r) { r.remembered = living; }));
    if (all > 1) rows.push_back(with(expire_span, [](Row& r) { r.threads = 1; }));
    rows.push_back(with(expire_span, [](Row& r) { r.mode = "impala"; }));
    for (const int64_t window : {32, 128, 512}) rows.push_back({"transformer_xl", "a2c", window, 64, all});
    for (const char* core : {"gru", "lstm"})
      for (const int64_t envs : {64, 256}) rows.push_back({core, "a2c", 0, envs, all});
    rows.push_back({"none", "a2c", 0, 64, all});
  }
  if (line.Has("core")) {
    const std::string core = line.Text("core");
    std::vector<std::string> names;
    for (const Row& row : rows)
      if (names.empty() || names.back() != row.core) names.push_back(row.core);
    std::erase_if(rows, [&](const Row& row) { return row.core != core; });
    if (rows.empty())
      throw UserError(fmt::format("--core: no rows of `{}`; allowed: {}{}", core, fmt::join(names, ", "),
                                  configs::DidYouMean(core, names)));
  }
  return rows;
}

}  // namespace

int BenchTrain(const CommandLine& line) {
  line.RequireAtMostWords(1);
  std::vector<Row> rows = RowsOf(line);
  const double seconds = line.Number("seconds", 8, 0.1, 1e6);
  std::vector<std::unique_ptr<agents::RunOptions>> options;
  for (Row& row : rows) {  // what does not fit is better known before the first minute
    options.push_back(OptionsFor(row, line));
    RequireDevice(options.back()->device);
    row = Described(row, options.back()->train);
  }
  const StopSignals signals;
  const bool json = line.Has("json");
  if (!json) fmt::print("{}\n", kHeader);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Measurement measurement = Measure(*options[i], seconds);
    if (StopSignals::Requested()) return 128 + StopSignals::Received();
    fmt::print("{}\n", json ? ToJson(rows[i], measurement) : ToText(rows[i], measurement));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace lethe::tools
