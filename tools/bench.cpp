#include "tools/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "configs/nearest.h"
#include "tools/bench_envs.h"
#include "tools/bench_memory.h"
#include "tools/bench_train.h"
#include "tools/viewer/bench_view.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(lethe bench envs [ID ...]   steps environments with random actions, observations written, episodes started anew. Every
                            thread owns a batch. `floor` is the rate at which the same bytes of observations can be
                            written by memset. Medians of 7 measurements. Without IDs: the first of each family.
lethe bench train           trains on Corridor-v0 without writing anything and tells environment steps per second,
                            sampled and learnt, of wall time and of CPU time over all threads. Rows: Expire-Span with
                            spans pinned, so that every layer holds 8, 32 and 190 living memories; one thread; IMPALA
                            with half of the threads acting; Transformer-XL remembering 32, 128 and 512 steps; GRU and
                            LSTM with 64 and 256 environments; no memory. The arithmetic of a step is counted; `of` is
                            its rate per second of CPU time as a share of GFLOP/s, what float32 matrix products reach on
                            one thread before and after. `envs, act, learn, wait`: of the time that actors spend in each
                            and that the learner spends, the share. --core NAME: only rows of this core.
lethe bench memory [ROWS ...]
                            trains a character model on noise, from a state in which memories have long lived and died:
                            4 layers, width 256, 4 heads, blocks of 256, 8 rows, span limit 4096, ramp 64. Rows:
                              spans     all spans at 10, 50 and 100 % of the limit; Transformer-XL with all of it
                              uneven    one row of eight at 100 %, the others at 10 %
                              long      sixteen times the limit with as many living memories
                              bfloat16  half the bits
                              step      microseconds of a step while acting, with 8, 32 and 190 living memories; in
                                        tensor operators too
                            `published` is the published algorithm, operator by operator, in a process of its own with
                            the C library's allocator (--published measures it alone); `kept`: with freed memory kept
                            by the program, as ours always is. Characters are per second of CPU time; `saved` is
                            what forward adds for backward. Arithmetic is counted over living memories; `of` is its
                            share of what matrix products reach in between. Default: all rows.
                            --core NAME measures another core, with its options as memory.key=value.
lethe bench view            milliseconds of a viewer's frame of 1280x800 with 30, 300 and 1,000 living memories in each
                            of two layers: a step with its attention, describing, drawing. Where there is a display, a
                            window plays at 60 steps a second too: frames per second and share of a core.

Examples:
  lethe bench envs
  lethe bench envs Corridor-v0 --batch 4096 --threads 1 --json
  lethe bench train --seconds 30 --json train.num_envs=128
  lethe bench memory spans uneven
  lethe bench memory --core gru memory.dim=512)";

const std::vector<Flag> kFlags = {
    {"seconds", "S", "measured time of a row; train: 8, after 2 of warm-up; envs: 2.1, in 7 parts; memory, view: 4"},
    {"batch", "N", "envs: environments that a thread steps together, default 1024; memory: rows, default 8"},
    {"threads", "N", "envs: only so many threads, default: a row for 1, and one for every core; memory: default 1"},
    {"living", "N", "train, view: only this number of living memories per layer, 1..245 or 1..100000"},
    {"core", "NAME", "memory: kind of memory, default expire_span; train: only its rows"},
    {"block", "N", "memory: characters of a row in one update, default 256"},
    {"published", "", "memory: only the published algorithm, with the C library's allocator"},
    {"json", "", "print one JSON object per line"},
};

/// A benchmark and the flags that not all of them have.
struct Benchmark {
  std::string name;
  std::vector<std::string> flags;
  int (*run)(const CommandLine&);
};

const std::vector<Benchmark>& Benchmarks() {
  static const std::vector<Benchmark> all = {
      {"envs", {"batch", "threads"}, BenchEnvs},
      {"memory", {"batch", "threads", "core", "block", "published"}, BenchMemory},
      {"train", {"living", "core"}, BenchTrain},
      {"view", {"living"}, BenchView}};
  return all;
}

int RunBench(const CommandLine& line) {
  const std::string what = line.words().empty() ? "" : line.words()[0];
  std::vector<std::string> names;
  for (const Benchmark& benchmark : Benchmarks()) {
    names.push_back(benchmark.name);
    if (benchmark.name != what) continue;
    for (const char* flag : {"batch", "threads", "living", "core", "block"})
      if (line.Has(flag) && std::find(benchmark.flags.begin(), benchmark.flags.end(), flag) == benchmark.flags.end())
        throw UserError(fmt::format("--{} does not belong to `lethe bench {}`", flag, what));
    return benchmark.run(line);
  }
  throw UserError(fmt::format("bench needs the name of a benchmark; allowed: {}{}", fmt::join(names, ", "),
                              configs::DidYouMean(what, names)));
}

}  // namespace

Command BenchCommand() {
  return {"bench",
          "envs [ID ...] | memory [ROWS ...] | train [key=value ...] | view [flags]",
          "speed, against what the machine can do",
          kDetails,
          kFlags,
          RunBench};
}

}  // namespace lethe::tools
