#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/tools/viewer/display.h"
#include "tests/tools/viewer/twin.h"

namespace lethe::tests {

/// One display for the tests of a program, a folder and a window for each.
class WindowFixture : public testing::Test {
 protected:
  static void TearDownTestSuite() { shared_.reset(); }

  static bool CanShow() { return Display::CanStart(); }
  static const Display& display() {
    if (!shared_) shared_ = std::make_unique<Display>();
    return *shared_;
  }

  /// Starts the program in the test's folder and waits for its window, the mouse being elsewhere.
  void Open(const std::vector<std::string>& words, const std::function<void()>& before = {}) {
    display().Do({"mousemove", "1599", "999"});
    window_.reset();
    program_ = std::make_unique<Program>(folder_.path(), words, [&, here = display().Here()] {
      here();
      if (before) before();
    });
    window_.emplace(display(), " - lethe$");
  }

  /// Polls until the window shows what the twin draws, the line of the weights' age aside.
  void ExpectShows(Twin& twin, const std::string& after) {
    if (HasFailure()) return;  // one wait for what does not come is enough
    Image wanted, shown;
    const bool same = Eventually([&] {
      wanted = WithoutStatus(twin.Draw());
      shown = WithoutStatus(window_->Grab());
      return shown == wanted || program_->HasEnded();
    });
    EXPECT_TRUE(same) << "after " << after;
    EXPECT_TRUE(Same(shown, wanted)) << "after " << after;
  }

  void ExpectEnded(int exit_code) {
    EXPECT_TRUE(Eventually([&] { return program_->HasEnded(); }));
    if (!program_->HasEnded()) program_->Send(SIGKILL);
    const Ended ended = program_->Wait();
    EXPECT_EQ(ended.exit_code, exit_code) << ended.err;
    EXPECT_EQ(ended.err, "");
    program_.reset();
  }
  void ExpectQuits() {
    window_->Key("q");
    ExpectEnded(0);
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Program> program_;
  std::optional<ShownWindow> window_;

 private:
  static inline std::unique_ptr<Display> shared_;
};

}  // namespace lethe::tests
