#include "agents/phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "configs/nearest.h"

namespace lethe::agents {

namespace {

const std::vector<std::string>& Names() {  // in the order of the enumeration
  static const std::vector<std::string> names = {"clone", "learn", "consolidate"};
  return names;
}

}  // namespace

std::string PhaseName(Phase phase) { return phase == Phase::kDone ? "done" : Names()[static_cast<size_t>(phase)]; }

std::vector<Phase> ParsePhases(const std::string& names) {
  std::vector<Phase> phases;
  std::istringstream words(names);
  for (std::string word; words >> word;) {
    const auto found = std::find(Names().begin(), Names().end(), word);
    if (found == Names().end())
      throw std::invalid_argument(fmt::format("phases: got `{}`, allowed: any of {}, separated by spaces{}", word,
                                              fmt::join(Names(), ", "), configs::DidYouMean(word, Names())));
    phases.push_back(static_cast<Phase>(found - Names().begin()));
  }
  return phases;
}

}  // namespace lethe::agents
