#include "envs/level.h"

namespace lethe::envs {

Json ParseLevel(const std::string& level_json, const Spec& spec) {
  Json record = Json::parse(level_json, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) throw std::invalid_argument("a level record has to be a JSON object");
  RequireEqual({{"env", spec.family}, {"version", spec.version}},
               {{"env", Field(record, "env")}, {"version", Field(record, "version")}});
  Field(record, "params");
  return record;
}

void RequireEqual(const Json& expected, const Json& got, const std::string& except) {
  for (const auto& [name, value] : expected.items()) {
    const Json& other = Field(got, name.c_str());
    if (name == except || other == value) continue;
    throw std::invalid_argument(fmt::format("{} is {}; this batch has {}", name, other.dump(), value.dump()));
  }
}

}  // namespace lethe::envs
