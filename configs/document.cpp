#include "configs/document.h"

#include "configs/scalar.h"
#include "configs/utf8.h"

namespace lethe::configs {

void Document::Override(const std::string& assignment) {
  const std::string where = "command line: " + EscapeControls(assignment);
  if (FindInvalidUtf8(assignment)) throw OptionError("command line", "an argument is not valid UTF-8");
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) throw OptionError(where, "expected key=value, for example seed=7");
  const std::string key = assignment.substr(0, equals);
  if (key.empty()) throw OptionError(where, "no key before `=`, expected key=value, for example seed=7");

  Entry entry{key, where, where, assignment.substr(equals + 1)};
  entry.is_override = true;
  for (Entry& known : entries_) {
    if (known.key != key) continue;
    if (known.is_override) throw OptionError(where, "key " + InBackticks(key) + " is given twice on the command line");
    known = entry;
    return;
  }
  entries_.push_back(entry);
}

bool Document::RemoveFromFile(const std::string& dotted_key) {
  return std::erase_if(entries_, [&](const Entry& entry) {
           return entry.key == dotted_key && !entry.is_section && !entry.is_override;
         }) > 0;
}

const Document::Entry* Document::FindEntry(const std::string& dotted_key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == dotted_key) return &entry;
  }
  return nullptr;
}

std::optional<std::string> Document::Find(const std::string& dotted_key) const {
  const Entry* entry = FindEntry(dotted_key);
  if (entry == nullptr || entry->is_section) return std::nullopt;
  return entry->text;
}

std::string Document::Where(const std::string& dotted_key) const {
  const Entry* entry = FindEntry(dotted_key);
  return entry == nullptr ? "" : entry->where;
}

}  // namespace lethe::configs
