#include "tools/level_options.h"

#include "configs/document.h"
#include "configs/options.h"
#include "tools/user_error.h"

namespace lethe::tools {

LevelOptions::LevelOptions(const std::string& id, const std::vector<std::string>& overrides)
    : entry(AsUserError([&]() -> const envs::Entry& { return envs::Find(id); })), params(entry.make_params()) {
  configs::Document document;
  for (const std::string& assignment : overrides) document.Override(assignment);
  configs::Options options;
  options("seed", seed, configs::Range{0, 9e15}, "of the levels");
  params->Visit(options);
  options.Read(document);
}

std::unique_ptr<envs::EnvBatch> LevelOptions::MakeBatch(envs::Purpose purpose) const {
  return AsUserError(
      [&] { return entry.make_batch(*params, {.size = 1, .seed = static_cast<uint64_t>(seed), .purpose = purpose}); });
}

}  // namespace lethe::tools
