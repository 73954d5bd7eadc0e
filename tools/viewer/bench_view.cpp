#include "tools/viewer/bench_view.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "agents/flat_parameters.h"
#include "configs/document.h"
#include "tools/median.h"
#include "tools/viewer/canvas.h"
#include "tools/viewer/describe.h"
#include "tools/viewer/draw.h"
#include "tools/viewer/player.h"
#include "tools/viewer/window.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWidth = 1280, kHeight = 800;
constexpr double kStepsPerSecond = 60;
constexpr int64_t kLength = 100'000;  // of the corridor: no episode ends meanwhile

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Fresh weights in an endless corridor: two layers of width 64 that remember `living` steps.
class FreshPlayer : public Player {
 public:
  explicit FreshPlayer(int64_t living) {
    configs::Document document;
    for (const std::string& assignment :
         {std::string("env.id=Corridor-v0"), fmt::format("env.length_min={}", kLength),
          fmt::format("env.length_max={}", kLength), std::string("memory.core=expire_span"),
          fmt::format("memory.span_limit={}", 2 * living), std::string("memory.ramp=1"),
          std::string("memory.initial_span=0.5")})
      document.Override(assignment);
    const std::shared_ptr<const agents::RunOptions> run = agents::ReadRunOptions(document);
    torch::manual_seed(1);
    agents::Policy policy(agents::MakePolicyOptions(*run));
    policy_ = std::make_shared<agents::FixedPolicy>(run, agents::FlatParameters(policy).Read(), 0);
  }

  std::unique_ptr<agents::PlayedEpisode> Begin(uint64_t seed, uint64_t number) override {
    auto env = agents::MakeEnvs(*policy_->options, 1, envs::Purpose::kEvaluate, number);
    std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
    env->Reset(observation.data());
    return std::make_unique<agents::PlayedEpisode>(std::move(env), policy_, seed, number);
  }
  const std::string& env_id() const override { return policy_->options->env.id; }
  std::string name() const override { return "fresh weights"; }
  bool has_policy() const override { return true; }
  uint64_t first_seed() const override { return 1; }

 private:
  std::shared_ptr<const agents::FixedPolicy> policy_;
};

/// Milliseconds of each part of a frame, medians.
struct FrameTime {
  double step, describe, draw;
  double sum() const { return step + describe + draw; }
};

FrameTime Measure(Session& session, double seconds) {
  Canvas canvas(kWidth, kHeight);
  Frame frame;
  Zones zones;
  std::vector<double> step, describe, draw;
  const auto begin = Clock::now();
  const auto timed = [](std::vector<double>& times, auto&& work) {
    const auto start = Clock::now();
    work();
    times.push_back(Since(start) * 1000);
  };
  while (Since(begin) < seconds) {
    timed(step, [&] { session.PlayStep(); });
    timed(describe, [&] { Describe(session, {}, frame); });
    timed(draw, [&] { Draw(frame, canvas, zones); });
  }
  return {Median(step), Median(describe), Median(draw)};
}

/// Frames a second that a window shows while the session plays at 60 steps a second; NaN without a display.
WindowPace MeasureWindow(Session& session, double seconds) {
  if (!HasDisplay()) return {};
  session.SetSpeed(kStepsPerSecond);
  WindowOptions options;
  options.width = kWidth, options.height = kHeight, options.scale = 1;
  options.seconds = seconds;
  return ShowInWindow(session, options);
}

}  // namespace

int BenchView(const CommandLine& line) {
  line.RequireAtMostWords(1);
  line.RequireNoOverrides("bench view");
  const double seconds = line.Number("seconds", 4, 0.1, 3600);
  const int64_t only = line.Integer("living", 0, 1, 100'000);
  const bool json = line.Has("json");
  if (!json)
    fmt::print("{}x{}, two layers, a step a frame; milliseconds, medians{}\n\n{:>8}{:>8}{:>10}{:>8}{:>8}{:>10}{}\n",
               kWidth, kHeight, HasDisplay() ? "" : "; no display: no window", "living", "step", "describe", "draw",
               "sum", "frames/s", HasDisplay() ? "   window frames/s at 60 steps/s, CPU" : "");
  for (const int64_t living : only > 0 ? std::vector<int64_t>{only} : std::vector<int64_t>{30, 300, 1000}) {
    std::vector<std::unique_ptr<Player>> players;
    players.push_back(std::make_unique<FreshPlayer>(living));
    Session session(std::move(players));
    for (int64_t i = 0; i < living; ++i) session.PlayStep();
    const FrameTime time = Measure(session, seconds);
    const WindowPace pace = MeasureWindow(session, seconds);
    if (json) {
      nlohmann::ordered_json row = {{"living", living},
                                    {"step_ms", time.step},
                                    {"describe_ms", time.describe},
                                    {"draw_ms", time.draw},
                                    {"frames_per_s", 1000 / time.sum()}};
      if (pace.seconds > 0)
        row["window_frames_per_s"] = pace.frames_per_s(), row["window_cpu"] = pace.cpu_seconds / pace.seconds;
      fmt::print("{}\n", row.dump());
      continue;
    }
    fmt::print("{:>8}{:>8.2f}{:>10.2f}{:>8.2f}{:>8.2f}{:>10.0f}", living, time.step, time.describe, time.draw,
               time.sum(), 1000 / time.sum());
    if (pace.seconds > 0)
      fmt::print("   {:>8.1f}, {:.0f} %", pace.frames_per_s(), 100 * pace.cpu_seconds / pace.seconds);
    fmt::print("\n");
  }
  return 0;
}

}  // namespace lethe::tools
