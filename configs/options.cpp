#include "configs/options.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "configs/nearest.h"
#include "configs/scalar.h"

namespace lethe::configs {
namespace {

bool IsName(const std::string& name) {
  const auto is_allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_allowed);
}

// "train.lr" is "train." and "lr".
std::string Leaf(const std::string& dotted) { return dotted.substr(dotted.rfind('.') + 1); }
std::string Parent(const std::string& dotted) { return dotted.substr(0, dotted.rfind('.') + 1); }

std::string NearestByLeaf(const std::string& leaf, const std::vector<std::string>& names) {
  std::vector<std::string> leaves;
  for (const std::string& name : names) leaves.push_back(Leaf(name));
  const auto found = std::find(leaves.begin(), leaves.end(), Nearest(leaf, leaves));
  return found == leaves.end() ? "" : names[found - leaves.begin()];
}

std::vector<std::string> Children(const std::string& parent, const std::vector<std::string>& names) {
  std::vector<std::string> children;
  for (const std::string& name : names) {
    if (Parent(name) == parent) children.push_back(Leaf(name));
  }
  return children;
}

[[noreturn]] void RefuseBinding(const std::string& name, const std::string& reason) {
  throw std::logic_error(fmt::format("option `{}`: {}", name, reason));
}

}  // namespace

void Options::operator()(const char* name, bool& member, Any allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, int& member, const Range& allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, int& member, Any allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, int64_t& member, const Range& allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, int64_t& member, Any allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, double& member, const Range& allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, double& member, Any allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, std::string& member, const OneOf& allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}
void Options::operator()(const char* name, std::string& member, Any allowed, const char* meaning) {
  Bind(name, &member, allowed, meaning);
}

void Options::Bind(const std::string& name, Option::Target target, Option::Allowed allowed,
                   const std::string& meaning) {
  Option option{CheckedFullName(name, meaning), target, std::move(allowed), meaning, current_, ""};
  option.default_text = option.ValueText();
  if (FindOption(option.name) || FindSection(option.name)) RefuseBinding(option.name, "the name is taken");
  const std::string refusal = option.WhyNotAllowed();
  if (!refusal.empty()) RefuseBinding(option.name, "its default is not allowed: " + refusal);
  options_.push_back(std::move(option));
}

std::string Options::CheckedFullName(const std::string& name, const std::string& meaning) const {
  const std::string& section = sections_[current_].name;
  const std::string full_name = section.empty() ? name : section + "." + name;
  if (!IsName(name)) RefuseBinding(full_name, "a name has letters a to z, digits and _");
  if (meaning.find('\n') != std::string::npos) RefuseBinding(full_name, "the meaning must be one line");
  return full_name;
}

size_t Options::BeginSection(const std::string& name, const std::string& meaning) {
  const std::string full_name = CheckedFullName(name, meaning);
  if (FindOption(full_name)) RefuseBinding(full_name, "the name is taken");
  const SectionInfo* known = FindSection(full_name);
  const size_t index = known ? known - sections_.data() : sections_.size();
  if (!known) sections_.push_back({full_name, meaning, current_});
  return std::exchange(current_, index);
}

void Options::Read(const Document& document) { Assign(document, false); }

void Options::ReadKnown(const Document& document) { Assign(document, true); }

void Options::Assign(const Document& document, bool are_others_allowed) {
  std::vector<std::pair<const Option*, Option::Value>> values;
  for (const Document::Entry& entry : document.entries()) {
    if (const Option* option = FindOption(entry.key)) {
      values.emplace_back(option, option->Parse(entry));
    } else if (!are_others_allowed) {
      CheckIsKnown(entry);
    }
  }
  for (const auto& [option, value] : values) option->Assign(value);
}

void Options::CheckIsKnown(const Document::Entry& entry) const {
  const SectionInfo* section = FindSection(entry.key);
  if (section && entry.is_section) return;
  if (section) {
    const std::vector<std::string> children = Children(entry.key + ".", AllNames());
    const std::string example = children.empty() ? "" : fmt::format(" ({}.{}=...)", entry.key, children[0]);
    throw OptionError(entry.where,
                      fmt::format("key `{}`: is a section, its options are set one by one{}", entry.key, example));
  }
  throw OptionError(entry.key_where,
                    fmt::format("key {}: unknown{}", InBackticks(entry.key), DidYouMeanKey(entry.key)));
}

// A misspelt name is near as a whole, though the letters of its section must not excuse more slips; a name in the wrong
// section is near in its last part. Else the names of the section it stands in are of help.
std::string Options::DidYouMeanKey(const std::string& key) const {
  const std::vector<std::string> names = AllNames();
  std::string nearest = Nearest(key, names, MaxEdits(Leaf(key)));
  if (nearest.empty()) nearest = NearestByLeaf(Leaf(key), names);
  if (!nearest.empty()) return fmt::format("; did you mean `{}`?", nearest);
  const std::vector<std::string> siblings = Children(Parent(key), names);
  if (!siblings.empty() && !Parent(key).empty()) return fmt::format("; known here: {}", fmt::join(siblings, ", "));
  return fmt::format("; known at the top: {}", fmt::join(Children("", names), ", "));
}

std::vector<std::string> Options::AllNames() const {
  std::vector<std::string> names;
  for (const Option& option : options_) names.push_back(option.name);
  for (const SectionInfo& section : sections_) {
    if (!section.name.empty()) names.push_back(section.name);
  }
  return names;
}

const Option* Options::FindOption(const std::string& name) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

const Options::SectionInfo* Options::FindSection(const std::string& name) const {
  const auto has_name = [&](const SectionInfo& section) { return !section.name.empty() && section.name == name; };
  const auto found = std::find_if(sections_.begin(), sections_.end(), has_name);
  return found == sections_.end() ? nullptr : &*found;
}

}  // namespace lethe::configs
