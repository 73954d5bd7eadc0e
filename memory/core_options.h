#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lethe::memory {

class Core;

/// Whoever reads options, prints or saves them implements this; a core tells each of its options in one line. The value
/// a member has when it is visited is the default. Numbers lie in lowest..highest, words are one of `allowed`.
class OptionVisitor {
 public:
  virtual ~OptionVisitor() = default;
  virtual void operator()(const char* name, int64_t& value, double lowest, double highest, const char* meaning) = 0;
  virtual void operator()(const char* name, double& value, double lowest, double highest, const char* meaning) = 0;
  virtual void operator()(const char* name, bool& value, const char* meaning) = 0;
  virtual void operator()(const char* name, std::string& value, const std::vector<std::string>& allowed,
                          const char* meaning) = 0;
};

/// What decides a core. Every core derives its own struct, with a default for every member.
struct CoreOptions {
  int64_t dim = 64;    ///< [H] width of the stream
  int64_t block = 32;  ///< [T] steps of a block or unroll, as the program uses them; not an option of its own

  virtual ~CoreOptions() = default;
  /// Tells every option that a user may set.
  virtual void Visit(OptionVisitor& visit) { visit("dim", dim, 1, 8192, "width of the stream"); }
  /// Errors: std::invalid_argument naming the option, its value and what is allowed.
  virtual void Check() const = 0;
  /// A core of these options with fresh parameters (torch::manual_seed decides them). Errors: as Check.
  virtual std::shared_ptr<Core> Make() const = 0;
  /// [R] steps over which memories fade out; 0 for cores that predict no spans: nothing can be charged there.
  virtual double Ramp() const { return 0; }
  /// Memories that no charge on spans gets rid of, once an episode is long enough.
  virtual double LeastMemories() const { return 0; }
  /// Places between layers where a core calls a Between; 0 for cores that refuse one.
  virtual int64_t Gaps() const { return 0; }
  /// Whether Core::StretchSpans and SharpenSpans work.
  virtual bool CanStretchSpans() const { return false; }
};

}  // namespace lethe::memory
