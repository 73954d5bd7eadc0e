#include "tools/bench.h"

#include <fmt/format.h>

#include "configs/nearest.h"
#include "tools/bench_envs.h"
#include "tools/bench_train.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(lethe bench envs [ID ...]   steps environments with random actions, observations written, episodes started anew. Every
                            thread owns a batch. `floor` is the rate at which the same bytes of observations can be
                            written by memset. Medians of 7 measurements. Without IDs: the first of each family.
lethe bench train           trains on Corridor-v0 without writing anything and tells environment steps per second of
                            wall time, sampled and learnt. Spans are pinned, so that every layer holds 8, 32 and 190
                            living memories in turn. The arithmetic of a step is counted; `of limit` is its rate as a
                            share of what plain float32 matrix products reach on the same threads right before.

Examples:
  lethe bench envs
  lethe bench envs Corridor-v0 --batch 4096 --threads 1 --json
  lethe bench train --seconds 30 --json train.num_envs=128)";

const std::vector<Flag> kFlags = {
    {"seconds", "S", "measured time of a row; train: 8, after 2 of warm-up; envs: 2.1, in 7 measurements"},
    {"batch", "N", "envs: environments that a thread steps together; default 1024"},
    {"threads", "N", "envs: only so many threads; default: a row for 1, and one for every core"},
    {"living", "N", "train: only this number of living memories per layer, 1..245"},
    {"json", "", "print one JSON object per line"},
};

int RunBench(const CommandLine& line) {
  const std::string what = line.words().empty() ? "" : line.words()[0];
  const bool is_train = what == "train";
  if (!is_train && what != "envs") {
    const std::string near = configs::DidYouMean(what, {"envs", "train"});
    throw UserError("bench needs the name of a benchmark; allowed: envs, train" + near);
  }
  for (const char* flag : {"batch", "threads", "living"})
    if (line.Has(flag) && is_train != (std::string(flag) == "living"))
      throw UserError(fmt::format("--{} does not belong to `lethe bench {}`", flag, what));
  return is_train ? BenchTrain(line) : BenchEnvs(line);
}

}  // namespace

Command BenchCommand() {
  return {"bench",
          "envs [ID ...] [flags] | train [key=value ...] [flags]",
          "speed, against what the machine can do",
          kDetails,
          kFlags,
          RunBench};
}

}  // namespace lethe::tools
