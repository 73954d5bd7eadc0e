#include "tools/matrix_rate.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "memory/torch.h"
#include "tools/cpu_time.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSize = 512;
constexpr double kOperations = 2.0 * kSize * kSize * kSize;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double WallSeconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

/// Seconds per product on this thread, by the clock `now`. At least one after the first, which only warms up.
double SecondsPerProduct(double seconds, double (*now)(), torch::Dtype dtype = torch::kFloat) {
  at::set_num_threads(1);
  const c10::InferenceMode no_gradients;
  const torch::Tensor a = torch::rand({kSize, kSize}).to(dtype), b = torch::rand({kSize, kSize}).to(dtype);
  torch::Tensor c = torch::mm(a, b);
  std::vector<double> times;
  const auto start = Clock::now();
  do {
    const double product = now();
    torch::mm_out(c, a, b);
    times.push_back(now() - product);
  } while (Since(start) < seconds);
  return Median(std::move(times));
}

}  // namespace

double MeasureMatrixRate(int threads, double seconds) {
  std::vector<double> per_product(static_cast<size_t>(threads));
  std::vector<std::jthread> workers;
  for (double& result : per_product)
    workers.emplace_back([&result, seconds] { result = SecondsPerProduct(seconds, WallSeconds); });
  workers.clear();  // waits for them
  double rate = 0;
  for (const double time : per_product) rate += kOperations / time;
  return rate;
}

std::string ArithmeticText(double operations, double seconds, int threads) {
  if (operations <= 0) return "";
  const double limit = MeasureMatrixRate(threads, 0.05), achieved = operations / seconds;
  return fmt::format("; {:.1f} GFLOP/s, {:.2f} of what plain matrix products reach here", achieved / 1e9,
                     achieved / limit);
}

double MeasureMatrixRatePerCpuSecond(double seconds, bool bfloat16) {
  const int threads = at::get_num_threads();
  const double time = SecondsPerProduct(seconds, ThreadCpuSeconds, bfloat16 ? torch::kBFloat16 : torch::kFloat);
  at::set_num_threads(threads);
  return kOperations / time;
}

}  // namespace lethe::tools
