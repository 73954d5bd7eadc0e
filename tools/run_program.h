#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lethe::tools {

struct ProgramOutcome {
  bool succeeded = false;
  std::string printed;  ///< on both streams; why it did not start, if it did not
};

/// Runs a program and waits for it. words: its name or path, then its arguments, as they are: no shell reads them.
ProgramOutcome RunProgram(std::vector<std::string> words);

/// Of what a program printed.
std::string LastLine(std::string text);

/// Where this program's file is; empty where the system does not say.
std::filesystem::path OwnPath();

}  // namespace lethe::tools
