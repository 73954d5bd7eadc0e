// The only file that knows yaml-cpp. It listens to the parser's events instead of building nodes: an alias is refused
// before it is resolved (walking a node that contains itself overflows the stack), every value has its position, and
// nothing is converted behind our back. yaml-cpp 0.7 reads 010 as 8, takes the first of two equal keys, ends the text
// silently at a byte 4, and accepts a quote that is never closed.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "configs/document.h"
#include "configs/nearest.h"
#include "configs/scalar.h"
#include "configs/source_text.h"

namespace lethe::configs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNoAliases = "aliases (*name) are not supported; a text that begins with * needs quotes";

/// Turns the parser's events into entries, and refuses what is not a mapping of plain values.
class EntryReader : public YAML::EventHandler {
 public:
  EntryReader(SourceText& source, std::vector<Document::Entry>& entries) : source_(source), entries_(entries) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Refuse(mark, "a second document starts here, expected one per file");
  }
  void OnDocumentEnd() override {}

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Refuse(mark, kNoAliases); }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    if (levels_.empty()) Refuse(mark, "expected `key: value` lines, got a list");
    if (IsAtKey()) Refuse(mark, "a key must be a plain word");
    Refuse(mark, InValue("got a list, expected one value"));
  }
  void OnSequenceEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    if (levels_.empty()) return;  // nothing but comments
    if (IsAtKey()) Refuse(mark, "a key is missing");
    const bool is_colon_glued = levels_.back().key.find(':') != std::string::npos;
    const char* hint =
        is_colon_glued ? "a space must follow the colon" : "write \"\" for an empty text, {} for an empty section";
    throw OptionError(levels_.back().key_where, InValue(fmt::format("has no value; {}", hint)));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    const bool is_quoted = tag == "!";
    if (is_quoted) RefuseOpenQuote(mark);
    if (text.find('\0') != std::string::npos) Refuse(mark, "a text must not contain the character 0");
    if (levels_.empty()) Refuse(mark, fmt::format("expected `key: value` lines, got {}", InBackticks(text)));
    if (IsAtKey()) return StartKey(mark, text);
    AddEntry(mark).text = text;
    entries_.back().is_quoted = is_quoted;
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (levels_.size() >= Document::kMaxDepth)
      Refuse(mark, fmt::format("nested deeper than {} levels", Document::kMaxDepth));
    if (levels_.empty()) return levels_.push_back({});
    if (IsAtKey()) Refuse(mark, "a key must be a plain word");
    const std::string prefix = FullKey() + ".";
    AddEntry(mark).is_section = true;
    levels_.push_back({prefix, "", ""});
  }
  void OnMapEnd() override { levels_.pop_back(); }

 private:
  // One mapping that is being read.
  struct Level {
    std::string prefix;  // "train."
    std::string key;     // whose value comes next; "" while a key is expected
    std::string key_where;
  };

  std::string At(const YAML::Mark& mark) { return source_.At(static_cast<size_t>(mark.pos)); }
  [[noreturn]] void Refuse(const YAML::Mark& mark, const std::string& reason) { throw OptionError(At(mark), reason); }

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Refuse(mark, "anchors (&name) are not supported");
  }

  // Untagged values get "?" if plain and "!" if quoted from the parser; a lone ! in the text gives "!" too.
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    const auto offset = static_cast<size_t>(mark.pos);
    const bool is_written = offset < source_.text().size() && source_.text()[offset] == '!';
    if (is_written || (tag != "?" && tag != "!" && !tag.empty())) Refuse(mark, "tags (!name) are not supported");
  }

  void RefuseOpenQuote(const YAML::Mark& mark) {
    const auto start = static_cast<size_t>(mark.pos);
    const char quote = source_.text()[start];
    const bool is_block = quote != '"' && quote != '\'';  // | or >
    if (!is_block && !IsQuoteClosed(source_.text(), start))
      Refuse(mark, fmt::format("the quote {} is never closed", quote));
  }

  bool IsAtKey() const { return levels_.back().key.empty(); }
  std::string FullKey() const { return levels_.back().prefix + levels_.back().key; }
  std::string InValue(const std::string& reason) const {
    return fmt::format("key {}: {}", InBackticks(FullKey()), reason);
  }

  void StartKey(const YAML::Mark& mark, const std::string& key) {
    if (key.empty()) Refuse(mark, "a key is missing");
    Level& level = levels_.back();
    level.key = key;
    level.key_where = At(mark);
    if (const size_t dot = key.find('.'); dot != std::string::npos) {
      const std::string hint =
          fmt::format("write `{}:` and below it, indented, `{}: ...`", key.substr(0, dot), key.substr(dot + 1));
      Refuse(mark, InValue("unknown; dotted names are for the command line, in a file " + hint));
    }
    const auto [first, is_new] = first_where_.emplace(FullKey(), level.key_where);
    if (!is_new) Refuse(mark, InValue(fmt::format("given twice, first at {}", first->second)));
  }

  Document::Entry& AddEntry(const YAML::Mark& mark) {
    Document::Entry entry;
    entry.key = FullKey();
    entry.key_where = levels_.back().key_where;
    entry.where = At(mark);
    levels_.back().key.clear();
    entries_.push_back(entry);
    return entries_.back();
  }

  SourceText& source_;
  std::vector<Document::Entry>& entries_;
  std::vector<Level> levels_;
  std::map<std::string, std::string> first_where_;
  int documents_ = 0;
};

[[noreturn]] void RefuseUnreadable(SourceText& source, const YAML::ParserException& error) {
  const size_t offset = error.mark.is_null() ? 0 : static_cast<size_t>(error.mark.pos);
  // An alias without an anchor is the parser's own error, for instance `files: *.txt`.
  const bool is_alias = offset < source.text().size() && source.text()[offset] == '*';
  if (is_alias) throw OptionError(source.At(offset), kNoAliases);
  const char* hint = "look at the indentation, and at text with `:` or `#`, which needs quotes";
  throw OptionError(source.At(offset), fmt::format("not readable as YAML: {} ({})", error.msg, hint));
}

void ParseEvents(SourceText& source, std::vector<Document::Entry>& entries) {
  std::istringstream stream{std::string(source.text())};
  EntryReader reader(source, entries);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const YAML::ParserException& error) {
    RefuseUnreadable(source, error);
  }
}

// "; did you mean ...?" with a file of the same folder.
std::string DidYouMeanFile(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
    files.push_back((folder / file.path().filename()).string());
  }
  std::sort(files.begin(), files.end());
  return DidYouMean(path, files);
}

// At most one byte more than allowed, so that a device or a huge file does not fill the memory.
std::string ReadFile(const std::string& path) {
  if (path.empty()) throw OptionError("command line", "the name of a file is empty");
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw OptionError(path, "is a directory, expected a YAML file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file && errno == ENOENT) throw OptionError(path, "no such file" + DidYouMeanFile(path));
  if (!file) throw OptionError(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  std::string text(Document::kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw OptionError(path, "cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

}  // namespace

Document Document::FromFile(const std::string& path) { return FromText(ReadFile(path), path); }

Document Document::FromText(const std::string& text, const std::string& name) {
  if (text.size() > kMaxBytes)
    throw OptionError(name, fmt::format("is larger than {} bytes, the most that is read", kMaxBytes));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some editors write it; yaml-cpp would not count it
  std::string_view content = text;
  if (content.starts_with(kByteOrderMark)) content.remove_prefix(kByteOrderMark.size());

  SourceText source(content, name);
  CheckCharacters(source);
  CheckNoDirectives(source);  // yaml-cpp skips unknown ones without a word
  Document document;
  ParseEvents(source, document.entries_);
  return document;
}

}  // namespace lethe::configs
