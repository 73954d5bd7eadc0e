#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "configs/document.h"
#include "configs/option.h"
#include "configs/range.h"

namespace lethe::configs {

/// The options of a program. One line per option binds name, member, allowed values and meaning; reading, checking,
/// help and the resolved file all come from that line:
///
///     struct TrainOptions {
///       double lr = 1e-3;
///       std::string optimizer = "adam";
///
///       template <class V>
///       void Visit(V& v) {
///         v("lr", lr, Range{0, 1}, "learning rate");
///         v("optimizer", optimizer, OneOf{{"adam", "rmsprop"}}, "how gradients become steps");
///       }
///     };
///
///     TrainOptions train;
///     Options options;
///     options.Section("train", train, "learning");
///     options.Read(Document::FromFile("corridor.yaml"));  // train: {lr: 0.01}
///
/// The value a member has when it is bound is the default. Options keeps pointers: the bound structs must outlive it.
/// Errors: OptionError for what the user wrote; std::logic_error for a wrong binding (name given twice or not of
/// [a-z0-9_], default not allowed, meaning of several lines).
class Options {
 public:
  /// Bind one option. Names are relative to the enclosing Section.
  void operator()(const char* name, bool& member, Any allowed, const char* meaning);
  void operator()(const char* name, int& member, const Range& allowed, const char* meaning);
  void operator()(const char* name, int& member, Any allowed, const char* meaning);
  void operator()(const char* name, int64_t& member, const Range& allowed, const char* meaning);
  void operator()(const char* name, int64_t& member, Any allowed, const char* meaning);
  void operator()(const char* name, double& member, const Range& allowed, const char* meaning);
  void operator()(const char* name, double& member, Any allowed, const char* meaning);
  void operator()(const char* name, std::string& member, const OneOf& allowed, const char* meaning);
  void operator()(const char* name, std::string& member, Any allowed, const char* meaning);

  /// Binds everything that `section` visits under `name.`. A section is anything with Visit(visitor), virtual or not,
  /// or a callable taking Options&. Sections nest; a name used again adds to the section of that name.
  template <class S>
  void Section(const char* name, S&& section, const char* meaning) {
    const size_t outer = BeginSection(name, meaning);
    if constexpr (requires { section.Visit(*this); }) {
      section.Visit(*this);
    } else {
      section(*this);
    }
    current_ = outer;
  }

  /// Assigns the values of the document; options it leaves out keep theirs. An error changes nothing, and names the
  /// place, the key, what was got, what is allowed, and the nearest valid name: unknown key, wrong type, value not
  /// allowed.
  void Read(const Document& document);

  /// Like Read, but leaves keys of others alone: for a first look at what decides which options there are, such as
  /// `env.id`.
  void ReadKnown(const Document& document);

  /// Every option with its present value and its meaning as a comment. Reading it back gives equal values, doubles bit
  /// for bit.
  std::string ToYaml() const;

  /// Table of all options for people: name, default, allowed values, meaning, by section.
  std::string Help() const;

 private:
  struct SectionInfo {
    std::string name;  // dotted; "" at the top
    std::string meaning;
    size_t parent;  // index into sections_; the top is its own parent
  };

  size_t BeginSection(const std::string& name, const std::string& meaning);
  void Bind(const std::string& name, Option::Target target, Option::Allowed allowed, const std::string& meaning);
  std::string CheckedFullName(const std::string& name, const std::string& meaning) const;
  void Assign(const Document& document, bool are_others_allowed);
  const Option* FindOption(const std::string& name) const;
  const SectionInfo* FindSection(const std::string& name) const;
  void CheckIsKnown(const Document::Entry& entry) const;
  std::string DidYouMeanKey(const std::string& key) const;
  std::vector<std::string> AllNames() const;

  std::vector<const Option*> OptionsOf(size_t section) const;
  std::vector<size_t> SubsectionsOf(size_t section) const;
  std::string YamlOf(size_t section, int depth) const;

  std::vector<Option> options_;
  std::vector<SectionInfo> sections_ = {{"", "", 0}};
  size_t current_ = 0;  // the section being bound
};

}  // namespace lethe::configs
