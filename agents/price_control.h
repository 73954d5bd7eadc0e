#pragma once

#include <algorithm>
#include <cmath>

namespace lethe::agents {

/// How a price follows what it costs.
struct PriceRule {
  double rate = 0.03;       ///< how fast
  double averaging = 0.95;  ///< of the cost
  double lowest = 1e-9, highest = 1;
};

/// Alpha, the price of memory: it rises while the cost of forgetting stays below a tolerance eps and falls when it does
/// not.
///   cost <- averaging cost + (1 - averaging) now
///   alpha <- alpha exp(rate clip((eps - cost) / eps, -2, 1)), kept in lowest .. highest
class PriceControl {
 public:
  /// cost: the average to begin with; NaN: the first one that comes.
  PriceControl(const PriceRule& rule, double price, double cost) : rule_(rule), price_(price), cost_(cost) {}

  void Update(double now, double tolerance) {
    cost_ = std::isnan(cost_) ? now : rule_.averaging * cost_ + (1 - rule_.averaging) * now;
    const double pull = std::clamp((tolerance - cost_) / tolerance, -2.0, 1.0);
    price_ = std::clamp(price_ * std::exp(rule_.rate * pull), rule_.lowest, rule_.highest);
  }

  double price() const { return price_; }
  double cost() const { return cost_; }
  void Restore(double price, double cost) { price_ = price, cost_ = cost; }

 private:
  PriceRule rule_;
  double price_, cost_;
};

}  // namespace lethe::agents
