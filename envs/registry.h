#pragma once

#include <string>
#include <vector>

#include "envs/registration.h"

namespace lethe::envs {

// All environments that this program knows: those linked into it, and those of plug-ins (envs/plugin.h).

/// All ids, grouped by family, each family in the order of its file.
std::vector<std::string> Ids();

/// Errors: std::invalid_argument with the nearest id.
const Entry& Find(const std::string& id);

/// The first entry of a family, for level records, which name no variant. Errors: std::invalid_argument.
const Entry& FindFamily(const std::string& family, int version);

/// Adds an entry. Errors: std::invalid_argument if the id is taken.
/// Threads: not while another thread asks for entries; environments are added while the program starts.
void Add(Entry entry);

}  // namespace lethe::envs
