#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/options.h"
#include "configs/document.h"
#include "tools/command_line.h"

namespace lethe::tools {

/// The options of a document, `--device` and overrides of the command line included.
/// Errors: UserError, configs::OptionError.
std::unique_ptr<agents::RunOptions> ReadOptions(configs::Document document, const CommandLine& line);

/// The document with `--device` and overrides of the command line. If those name another memory.core than the file,
/// options of the file's core that the new one does not have are left out, and a line on stderr says which; options on
/// the command line stay strict.
configs::Document WithOverrides(configs::Document document, const CommandLine& line);

/// config.yaml of a run: build and machine as comments, then `options`, the YAML of every option. Reads back to the
/// same options.
std::string RunConfigText(const std::string& options);

/// What RunConfigText recorded of build and machine that is different now, one sentence each: reasons why going on
/// with the run will not be bit-exact.
std::vector<std::string> DifferencesOfBuild(const std::string& config_text);

/// Dotted names of the options whose values differ; both YAML of every option.
std::vector<std::string> DifferentOptions(const std::string& a, const std::string& b);

/// A run keeps its options when it goes on, except those that only say how long (`may_change`) and where, and what is
/// written: device and log.*. Errors: UserError naming the first of `changed` that may not change.
void CheckMayChangeOnResume(const std::vector<std::string>& changed, const std::vector<std::string>& may_change);

}  // namespace lethe::tools
