#include "tools/inspect.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "agents/flat_parameters.h"
#include "agents/inspection.h"
#include "agents/sequence_evaluation.h"
#include "agents/sequence_shards.h"
#include "configs/atomic_file.h"
#include "configs/run_folder.h"
#include "tools/device.h"
#include "tools/inspection_text.h"
#include "tools/user_error.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Shows a text as a character model of RUN remembers it: every character shaded by its span, the mean of living
memories per layer, and, at a point, which characters are still remembered there. The newest good checkpoint reads the
text once, from its start, remembering nothing before it.

TEXT is the text itself; without it, the first bytes of the run's test split. In a terminal spans are shades of grey;
elsewhere digits 0 to 9 under the text, on the same logarithmic scale (0: forgotten at once, 9: the longest).

Examples:
  lethe inspect runs/charlm_small
  lethe inspect runs/charlm_small "ROMEO: I dreamt a dream to-night." --at 20
  lethe inspect runs/charlm_small --file speech.txt --html spans.html)";

const std::vector<Flag> kFlags = {
    {"file", "FILE", "the text to read, instead of TEXT"},
    {"length", "N", "bytes to read at most; default 1600"},
    {"layer", "N", "layer whose spans shade the text, from 1; default: the one that remembers most"},
    {"at", "N", "a byte of the text, from 0: mark what is still remembered there"},
    {"html", "FILE", "also write a page with every layer"},
    {"checkpoint", "FILE", "these weights instead of the newest checkpoint's"},
};

void Note(const std::string& text) { std::fputs(("lethe: warning: " + text + "\n").c_str(), stderr); }

bool ColoursWanted() {
  const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) != 0 && term != nullptr && std::string(term) != "dumb" &&
         (no_color == nullptr || *no_color == '\0');
}

/// The first bytes of the test split: row 0 of a stream of one row.
std::string TestText(const agents::SequenceOptions& options, int64_t length) {
  envs::sequence::StreamOptions stream;
  stream.split = envs::sequence::Split::kTest;
  stream.steps = length;
  stream.seed = static_cast<uint64_t>(options.seed);
  const auto source = envs::sequence::Find(options.task.id).make_stream(*options.task.params, stream);
  agents::SequenceBlock block(1, length);
  source->Next(block.out());
  const auto size = std::ranges::count(block.padding, 0);
  return {block.tokens.begin(), block.tokens.begin() + size};
}

std::string TextOf(const CommandLine& line, const agents::SequenceOptions& options, int64_t length) {
  const bool has_words = line.words().size() > 1;
  if (has_words && line.Has("file")) throw UserError("inspect takes TEXT or --file, not both");
  if (!has_words && !line.Has("file")) return AsUserError([&] { return TestText(options, length); });
  const std::string text =
      has_words ? line.words()[1] : AsUserError([&] { return configs::ReadWholeFile(line.Text("file")); });
  return text.substr(0, static_cast<size_t>(length));
}

InspectionView ViewOf(const CommandLine& line, const agents::Inspection& inspection) {
  InspectionView view;
  const auto layers = static_cast<int64_t>(inspection.spans.size()),
             bytes = static_cast<int64_t>(inspection.text.size());
  const auto most = std::max_element(inspection.living.begin(), inspection.living.end()) - inspection.living.begin();
  view.layer = static_cast<size_t>(line.Integer("layer", most + 1, 1, layers) - 1);
  view.at = line.Has("at") ? line.Integer("at", 0, 0, bytes - 1) : -1;
  view.colours = ColoursWanted();
  return view;
}

int RunInspect(const CommandLine& line) {
  line.RequireAtMostWords(2);
  line.RequireNoOverrides("inspect");
  if (line.words().empty()) throw UserError("inspect needs a run: inspect RUN [TEXT]");
  const std::string run = line.words()[0];
  const auto document =
      configs::Document::FromFile(AsUserError([&] { return configs::RunFolder::Open(run).ConfigPath(); }));
  if (!agents::IsSequenceConfig(document))
    throw UserError(run + " trained an agent; inspect reads runs of a character model (CharLM-v0)");
  const auto options = AsUserError([&] { return agents::ReadSequenceOptions(document); });
  if (options->task.id != "CharLM-v0")
    throw UserError(fmt::format("{} is a run on {}; inspect reads text: CharLM-v0", run, options->task.id));
  const int64_t length = line.Integer("length", 1600, 2, 10'000'000);
  const std::string text = TextOf(line, *options, length);
  options->device = "cpu";
  const auto weights =
      AsUserError([&] { return agents::SequenceWeights(OpenWeights(line.Text("checkpoint", run), Note), *options); });
  const auto model =
      agents::MakeSequenceModel(*options, agents::OpenStream(*options, envs::sequence::Split::kTest)->spec());
  agents::FlatParameters(*model).Write(weights);
  const auto inspection =
      AsUserError([&] { return agents::Inspect(*model, text, options->train.block, options->memory.options->Ramp()); });
  const InspectionView view = ViewOf(line, inspection);
  fmt::print("{}", FormatInspection(inspection, view));
  if (!line.Has("html")) return 0;
  AsUserError([&] { configs::WriteFileAtomically(line.Text("html"), InspectionHtml(inspection, view)); });
  fmt::print("page       {}\n", line.Text("html"));
  return 0;
}

}  // namespace

Command InspectCommand() {
  return {
      "inspect", "RUN [TEXT] [flags]", "what a language model remembers of a text, and for how long", kDetails, kFlags,
      RunInspect};
}

}  // namespace lethe::tools
