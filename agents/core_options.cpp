#include "agents/core_options.h"

#include <fmt/format.h>

#include "agents/read_options.h"
#include "configs/nearest.h"
#include "memory/core.h"

namespace lethe::agents {

namespace {

/// A core's options as options of the program.
class ProgramOptions : public memory::OptionVisitor {
 public:
  explicit ProgramOptions(configs::Options& options) : options_(options) {}

  void operator()(const char* name, int64_t& value, double lowest, double highest, const char* meaning) override {
    options_(name, value, configs::Range{lowest, highest}, meaning);
  }
  void operator()(const char* name, double& value, double lowest, double highest, const char* meaning) override {
    options_(name, value, configs::Range{lowest, highest}, meaning);
  }
  void operator()(const char* name, bool& value, const char* meaning) override {
    options_(name, value, configs::Any{}, meaning);
  }
  void operator()(const char* name, std::string& value, const std::vector<std::string>& allowed,
                  const char* meaning) override {
    options_(name, value, configs::OneOf{allowed}, meaning);
  }

 private:
  configs::Options& options_;
};

class OptionNames : public memory::OptionVisitor {
 public:
  void operator()(const char* name, int64_t&, double, double, const char*) override { found.emplace_back(name); }
  void operator()(const char* name, double&, double, double, const char*) override { found.emplace_back(name); }
  void operator()(const char* name, bool&, const char*) override { found.emplace_back(name); }
  void operator()(const char* name, std::string&, const std::vector<std::string>&, const char*) override {
    found.emplace_back(name);
  }

  std::vector<std::string> found;
};

}  // namespace

void CoreChoice::Set(const std::string& core) {
  options = memory::FindCore(core).make_options();
  name = core;
}

void CoreChoice::Visit(configs::Options& visit) {
  visit("core", name, configs::OneOf{memory::CoreNames()}, "kind of memory; decides which other options there are");
  ProgramOptions program(visit);
  options->Visit(program);
}

void ReadCoreName(const configs::Document& document, CoreChoice& core) {
  ReadChoice(document, "memory", "core", core.name, [&](const std::string& name) {
    try {
      core.Set(name);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(error.what() + configs::DidYouMean(name, memory::CoreNames()));
    }
  });
}

void CheckInitialSpan(const CoreChoice& core, double share_of_limit) {
  if (share_of_limit == 0) return;
  const auto made = core.options->Make();
  try {
    made->RestartSpans(share_of_limit);
  } catch (const std::exception& error) {
    throw std::invalid_argument(fmt::format("consolidate.initial_span: got {}; {}", share_of_limit, error.what()));
  }
}

std::vector<std::string> CoreOptionNames(const std::string& core) {
  OptionNames names;
  memory::FindCore(core).make_options()->Visit(names);
  return names.found;
}

}  // namespace lethe::agents
