// `lethe inspect`: a trained character model shows what it remembers of a text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "configs/atomic_file.h"
#include "tests/agents/tiny_sequence.h"
#include "tests/tools/program.h"
#include "tools/inspection_text.h"

namespace lethe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::RunLethe;
using tests::TemporaryFolder;

/// Three letters in two layers: forgotten at once, in between, longest.
agents::Inspection ThreeLetters() {
  agents::Inspection i;
  i.text = "a<c";
  i.ramp = 1;
  i.spans = {{0, 0, 0}, {0, 9, 99}};
  i.bits = {1, 3};
  i.living = {0, 1.5};
  i.living_max = {0, 2};
  return i;
}

TEST(InspectionText, PlainTextHasDigitsUnderTheText) {
  tools::InspectionView view;
  view.layer = 1, view.at = 2;
  const std::string text = tools::FormatInspection(ThreeLetters(), view);
  EXPECT_THAT(text, testing::StartsWith("a<c\n059\n ^@\n"));
  EXPECT_THAT(text,
              AllOf(HasSubstr("2.000 bits per byte"), HasSubstr("layer 2         1.5       2"), HasSubstr("shown")));
  EXPECT_THAT(text, HasSubstr("at byte 2 `c` live of 2 earlier bytes"));
}

TEST(InspectionText, ColoursAreBackgrounds) {
  tools::InspectionView view;
  view.layer = 1, view.colours = true;
  const std::string text = tools::FormatInspection(ThreeLetters(), view);
  EXPECT_THAT(
      text, AllOf(HasSubstr("\x1b[48;5;232;38;5;231ma"), HasSubstr("\x1b[48;5;255;38;5;16mc"), Not(HasSubstr("059"))));
}

TEST(InspectionText, HtmlEscapesAndShowsEveryLayer) {
  const std::string html = tools::InspectionHtml(ThreeLetters(), {});
  EXPECT_THAT(html, AllOf(HasSubstr("Layer 1"), HasSubstr("Layer 2"), HasSubstr(">&lt;</span>"),
                          HasSubstr("span 99.0, 3.00 bits"), Not(HasSubstr(">a<c"))));
}

TEST(Inspect, ShowsARunAndRefusesOthers) {
  const TemporaryFolder folder;
  std::ofstream(folder / "config.yaml")
      << "memory: {dim: 16, heads: 2, ffn: 32, span_limit: 64}\n"
         "train: {batch: 4, block: 24, max_updates: 5}\nevaluate: {interval_updates: 1000}\n"
      << "task:\n  id: CharLM-v0\n  path: " << agents::WriteText(folder / "text.txt") << "\n";
  ASSERT_EQ(RunLethe(folder.path(), {"train-sequence", "config.yaml", "--run-dir", "run", "--quiet"}).exit_code, 0);
  const auto shown =
      RunLethe(folder.path(), {"inspect", "run", "the quick brown fox", "--at", "8", "--html", "page.html"});
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("the quick brown fox\n"), HasSubstr("19 bytes"), HasSubstr("layer 2"),
                               HasSubstr("at byte 8 `k`")));
  EXPECT_THAT(configs::ReadWholeFile(folder / "page.html"), HasSubstr("Layer 1"));
  const auto split = RunLethe(folder.path(), {"inspect", "run", "--length", "100"});
  EXPECT_EQ(split.exit_code, 0) << split.err;
  EXPECT_THAT(split.out, HasSubstr("100 bytes"));
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"inspect"}, "inspect needs a run"},
      {{"inspect", "nowhere"}, "nowhere"},
      {{"inspect", "run", ""}, "it is empty"},
      {{"inspect", "run", "some text", "--at", "9"}, "0..8"},
      {{"inspect", "run", "text", "--file", "text.txt"}, "not both"},
      {{"inspect", "run", "--file", "none.txt"}, "none.txt"},
      {{"inspect", "run", "text", "--layer", "3"}, "1..2"},
  };
  for (const auto& [words, message] : wrong) {
    const auto ended = RunLethe(folder.path(), words);
    EXPECT_EQ(ended.exit_code, 2) << message;
    EXPECT_THAT(ended.err, HasSubstr(message));
  }
}

}  // namespace
}  // namespace lethe
