#include "tools/progress.h"

#include <stdlib.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace lethe::tools {
namespace {

ProgressLine Corridor() {
  ProgressLine line;
  line.phase = "learn";
  line.env_steps = 1'140'000;
  line.total_steps = 2'000'000;
  line.seconds = 125;
  line.eta_seconds = 92;
  line.steps_per_s = 41'200;
  line.share_envs = 0.12;
  line.share_acting = 0.38;
  line.share_learning = 0.45;
  line.share_waiting = 0.05;
  line.score = 0.982;
  line.curriculum = 142;
  line.curriculum_name = "length to";
  line.living_memories = {8.3, 7.6};
  line.never_forgetting = 17;
  line.memory_bytes = 1'234'567;
  line.losses = {{"policy", -0.0131}, {"value", 0.0214}, {"entropy", 0.61}};
  return line;
}

std::string Joined(const std::vector<std::string>& rows) {
  std::string text;
  for (const std::string& row : rows) text += row + '\n';
  return text;
}

/// What Progress sends to a file while `body` uses it.
template <typename Function>
std::string Output(bool is_terminal, Function body) {
  std::FILE* file = std::tmpfile();
  Progress progress(file, is_terminal);
  body(progress);
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

TEST(Progress, TableIsReadable) {
  EXPECT_EQ(Joined(FormatTable(Corridor(), {0.1, 0.5, 0.982}, false)),
            " learn       ━━━━━━━━━━━━━━━━━━━━━━━━━━────────────────────   57 %     1:32 left\n"
            " steps   1.14 M of 2.00 M   41,200 steps/s                           2:05 so far\n"
            " score   0.982   ▁▄█                                               length to 142\n"
            " living  layer 1  ━━━━━━━━━━━╸────────────  8.3 of 17.0 (49 %)\n"
            "         layer 2  ━━━━━━━━━━╸─────────────  7.6 of 17.0 (45 %)           1.23 MB\n"
            " time    ██▓▓▓▓▓▓▓▒▒▒▒▒▒▒▒░  envs 12 %  acting 38 %  learning 45 %  waiting 5 %\n"
            " loss    policy -0.0131   value 0.0214   entropy 0.61\n");
}

TEST(Progress, ColoursChangeNothingThatIsVisible) {
  const auto plain = FormatTable(Corridor(), {0, 1}, false), coloured = FormatTable(Corridor(), {0, 1}, true);
  ASSERT_EQ(plain.size(), coloured.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].find('\x1b'), std::string::npos);
    EXPECT_EQ(VisibleWidth(plain[i]), VisibleWidth(coloured[i]));
  }
}

TEST(Progress, TableFitsIntoEightyColumns) {
  ProgressLine line = Corridor();
  line.env_steps = 999'499'999'999;
  line.total_steps = 999'499'999'999;
  line.seconds = line.eta_seconds = 99 * 3600 + 3599;
  line.share_envs = line.share_acting = line.share_learning = line.share_waiting = 0.25;
  line.steps_per_s = 9'999'999;
  line.losses.insert(line.losses.end(), 10, {"another_loss", -1.23e-10});
  for (const size_t layers : {1, 6, 7, 48}) {
    line.living_memories.assign(layers, 131'072);
    line.never_forgetting = 131'072;
    const auto rows = FormatTable(line, std::vector<double>(5000, 0.5), true);
    EXPECT_LE(rows.size(), 24u);
    for (const std::string& row : rows) EXPECT_LE(VisibleWidth(row), 80) << row;
  }
}

TEST(Progress, UnknownNumbersAreNotInvented) {
  ProgressLine line;
  line.phase = "learn";
  EXPECT_EQ(Joined(FormatTable(line, {}, false)),
            " learn       ──────────────────────────────────────────────      -\n"
            " steps   0   - steps/s                                               0:00 so far\n"
            " score   -\n");
  EXPECT_EQ(FormatPlain(line).find("nan"), std::string::npos);
}

TEST(Progress, BarFollowsTheNearerOfStepsAndTime) {
  ProgressLine line;
  EXPECT_TRUE(std::isnan(ShareDone(line)));
  line.seconds = 60;
  line.total_seconds = 300;
  EXPECT_DOUBLE_EQ(ShareDone(line), 0.2);
  EXPECT_DOUBLE_EQ(SecondsLeft(line), 240);
  line.env_steps = 50;
  line.total_steps = 100;
  EXPECT_DOUBLE_EQ(ShareDone(line), 0.5);
  EXPECT_DOUBLE_EQ(SecondsLeft(line), 60);
  line.env_steps = 150;
  EXPECT_DOUBLE_EQ(ShareDone(line), 1);
  line.eta_seconds = 7;
  EXPECT_DOUBLE_EQ(SecondsLeft(line), 7);
}

TEST(Progress, FormatsCountsDurationsAndBytes) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(9999), "9,999");
  EXPECT_EQ(FormatCount(10'000), "10.0 k");
  EXPECT_EQ(FormatCount(999'499), "999 k");
  EXPECT_EQ(FormatCount(999'500), "1.00 M");
  EXPECT_EQ(FormatCount(kUnknown), "-");
  EXPECT_EQ(FormatDuration(0), "0:00");
  EXPECT_EQ(FormatDuration(59.6), "1:00");
  EXPECT_EQ(FormatDuration(3725), "1:02:05");
  EXPECT_EQ(FormatDuration(-3), "0:00");
  EXPECT_EQ(FormatDuration(kUnknown), "-");
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(1'234'567), "1.23 MB");
  EXPECT_EQ(FormatBytes(5e15), "5000 TB");
}

TEST(Progress, BarsAndCurvesKeepTheirWidth) {
  EXPECT_EQ(FormatBar(0, 4), "────");
  EXPECT_EQ(FormatBar(0.375, 4), "━╸──");
  EXPECT_EQ(FormatBar(1, 4), "━━━━");
  EXPECT_EQ(FormatBar(1.7, 4), "━━━━");
  EXPECT_EQ(FormatCurve({}, 8), "");
  EXPECT_EQ(FormatCurve({kUnknown}, 8), "");
  EXPECT_EQ(FormatCurve({3, 3}, 8), "▅▅");
  EXPECT_EQ(FormatCurve({0, 0, 1, 1}, 2), "▁█");
  EXPECT_EQ(VisibleWidth(FormatCurve(std::vector<double>(1000, 1.0), 32)), 32);
  EXPECT_EQ(VisibleWidth("\x1b[1m━╸\x1b[0m x"), 4);
}

TEST(Progress, LogGetsOneHeaderAndAlignedLines) {
  const std::string text = Output(false, [](Progress& progress) {
    progress.Update(Corridor());
    progress.Note("checkpoint written");
    progress.Update(Corridor());
    progress.Done();
  });
  EXPECT_EQ(text, FormatPlainHeader() + '\n' + FormatPlain(Corridor()) + "\ncheckpoint written\n" +
                      FormatPlain(Corridor()) + '\n');
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(FormatPlainHeader().find("losses"), FormatPlain(Corridor()).find("policy="));
}

TEST(Progress, TerminalIsRedrawnInPlace) {
  ::setenv("NO_COLOR", "1", 1);
  const std::string table = Joined(FormatTable(Corridor(), {0.982}, false));
  const std::string again = Joined(FormatTable(Corridor(), {0.982, 0.982}, false));
  const std::string no_wrap = "\x1b[?7l", wrap = "\x1b[?7h", up = "\x1b[7A\r\x1b[J";
  const std::string text = Output(true, [](Progress& progress) {
    progress.Update(Corridor());
    progress.Note("note");
    progress.Update(Corridor());
    progress.Done();
    progress.Note("below");
  });
  ::unsetenv("NO_COLOR");
  EXPECT_EQ(text, no_wrap + table + wrap +                      // first update
                      up + "note\n" + no_wrap + table + wrap +  // note
                      up + no_wrap + again + wrap +             // second update
                      "below\n");
}

TEST(Progress, NewPhaseLeavesTheOldTableStanding) {
  const std::string text = Output(true, [](Progress& progress) {
    ProgressLine line = Corridor();
    progress.Update(line);
    line.phase = "consolidate";
    progress.Update(line);
  });
  EXPECT_EQ(text.find("\x1b[J"), std::string::npos);
  EXPECT_NE(text.find("learn"), std::string::npos);
  EXPECT_NE(text.find("consolidate"), std::string::npos);
}

}  // namespace
}  // namespace lethe::tools
