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
/// With a budget, the smaller of this pull and used / budget - 1: no more is forgotten than wanted.
class PriceControl {
 public:
  /// cost: the average to begin with; NaN: the first one that comes.
  PriceControl(const PriceRule& rule, double price, double cost) : rule_(rule), price_(price), cost_(cost) {}

  /// used, budget: memory in use and as much as is wanted; below the budget alpha falls, whatever the cost. 0: none.
  void Update(double now, double tolerance, double used = 0, double budget = 0) {
    cost_ = std::isnan(cost_) ? now : rule_.averaging * cost_ + (1 - rule_.averaging) * now;
    double pull = std::clamp((tolerance - cost_) / tolerance, -2.0, 1.0);
    if (budget > 0) pull = std::min(pull, used / budget - 1);
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
