#pragma once

#include <string>
#include <vector>

namespace lethe::envs {

// What the code knows of an environment, as Markdown that also reads well in a terminal: `lethe envs ID` prints it, and
// docs/envs holds the pages of all families.

/// Purpose, rules, variants of the family with their scores, actions, observation, metrics and options of `id`.
/// Errors: std::invalid_argument for an unknown id.
std::string Page(const std::string& id);

struct PageFile {
  std::string name;  ///< "key_door.md"
  std::string text;
};

/// The pages of all families, each by its first id, and before them README.md, the table of all ids.
std::vector<PageFile> PageFiles();

/// "KeyDoor" as "key_door", "TMaze" as "tmaze": how files about a family are named.
std::string SnakeCase(const std::string& family);

}  // namespace lethe::envs
