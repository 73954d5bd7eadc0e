#include <gmock/gmock.h>

#include "tests/tools/launcher_folder.h"

namespace lethe::tools {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(Launcher, FirstStartSetsUpAndRunsTheProgram) {
  const Outcome first = Run("train 'a b' seed=2");
  EXPECT_EQ(first.exit_code, 3);
  EXPECT_EQ(first.out, "[/][train][a b][seed=2]");
  EXPECT_THAT(first.calls,
              AllOf(HasSubstr("python -m venv"), HasSubstr("pip install"), HasSubstr("/torch.txt"),
                    HasSubstr("/plots.txt"), HasSubstr("cmake -S"), HasSubstr("ninja -C"), Not(HasSubstr("apt-get"))));
  EXPECT_THAT(first.err,
              AllOf(HasSubstr("making .venv"), HasSubstr("LibTorch"), HasSubstr("configuring"), HasSubstr("building")));
}

TEST_F(Launcher, SecondStartDoesNothingElseAndIsFast) {
  Run("");
  const auto start = std::chrono::steady_clock::now();
  const Outcome second = Run("train");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_THAT(second.calls, IsEmpty());
  EXPECT_THAT(second.err, IsEmpty());
  EXPECT_EQ(second.out, "[/][train]");
  EXPECT_LT(seconds.count(), 0.5);
}

TEST_F(Launcher, CallersFolderStaysAndLinksAreFollowed) {
  Run("");
  fs::create_directories(folder_ / "elsewhere");
  EXPECT_EQ(Run("x", "", folder_ / "elsewhere").out, "[" + folder_.path() + "/elsewhere][x]");
  fs::create_symlink(root_ / "lethe", folder_ / "link");
  EXPECT_EQ(std::system((folder_ / "link" + " x >/dev/null").c_str()) >> 8, 3);
}

TEST_F(Launcher, ChangedNewAndRemovedSourcesAreBuilt) {
  Run("");
  WaitForTheClock();
  WriteText(root_ / "configs/yaml.cpp", "changed");
  EXPECT_THAT(Run("").calls, AllOf(HasSubstr("ninja -C"), Not(HasSubstr("cmake -S")), Not(HasSubstr("pip install"))));
  EXPECT_THAT(Run("").calls, IsEmpty());
  WaitForTheClock();
  fs::remove(root_ / "configs/yaml.cpp");
  EXPECT_THAT(Run("").calls, HasSubstr("ninja -C"));
}

TEST_F(Launcher, EditedConfigFileBuildsNothing) {
  WriteText(root_ / "configs/corridor.yaml", "a");
  Run("");
  WaitForTheClock();
  std::ofstream(root_ / "configs/corridor.yaml") << "b";
  EXPECT_THAT(Run("").calls, IsEmpty());
}

TEST_F(Launcher, TestsAreBuiltAndRunWithTheirArgumentsAndExitCode) {
  const Outcome tests = Run("test -L fast");
  EXPECT_THAT(tests.calls,
              AllOf(ContainsRegex("ninja .* all"), ContainsRegex("ctest --test-dir .*/build/release .*-L fast")));
  EXPECT_EQ(tests.out, "summary\n");
  EXPECT_EQ(tests.exit_code, 8);
  EXPECT_THAT(Run("train").calls, IsEmpty());  // the program came with them
}

TEST_F(Launcher, ChangedTestsConcernOnlyTheTests) {
  Run("test");
  WaitForTheClock();
  WriteText(root_ / "tests/a_test.cpp", "changed");
  EXPECT_THAT(Run("train").calls, IsEmpty());
  EXPECT_THAT(Run("test").calls, HasSubstr("ninja -C"));
}

TEST_F(Launcher, MissingPackagesAreInstalledByRoot) {
  const Outcome run = Run("", "MISSING=libfmt-dev");
  EXPECT_THAT(run.calls, AllOf(HasSubstr("apt-get update"), ContainsRegex("apt-get install [^\n]* libfmt-dev\n"),
                               Not(HasSubstr("g\\+\\+"))));
  EXPECT_THAT(run.err, HasSubstr("installing Debian packages: libfmt-dev"));
}

TEST_F(Launcher, WithoutRightsTheOneLineToTypeIsPrinted) {
  const Outcome run = Run("", "MISSING=libfmt-dev USER_ID=1000");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("sudo apt-get install --no-install-recommends libfmt-dev\n"));
  EXPECT_THAT(run.calls, Not(HasSubstr("apt-get")));
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_EQ(Run("", "MISSING=libfmt-dev USER_ID=1000 LETHE_SKIP_PACKAGES=1").exit_code, 3);
}

TEST_F(Launcher, SudoWithoutPasswordIsUsed) {
  Fake("sudo", "shift; exec \"$@\"");
  EXPECT_THAT(Run("", "MISSING=libfmt-dev USER_ID=1000").calls, HasSubstr("sudo -n apt-get update"));
}

TEST_F(Launcher, ChangedPinsUpdateOnlyTheirWheels) {
  Run("");
  WaitForTheClock();
  std::ofstream(root_ / "tools/setup/plots.txt", std::ios::app) << "seaborn==0.13.2\n";
  EXPECT_THAT(Run("").calls, AllOf(HasSubstr("/plots.txt"), Not(HasSubstr("/torch.txt")), Not(HasSubstr("-m venv"))));
  EXPECT_THAT(Run("").calls, IsEmpty());
}

TEST_F(Launcher, RemovedEnvironmentIsMadeAgain) {
  Run("");
  fs::remove_all(root_ / ".venv");
  EXPECT_THAT(Run("").calls, AllOf(HasSubstr("-m venv"), HasSubstr("/torch.txt")));
}

TEST_F(Launcher, InterruptedInstallationStartsAfresh) {
  const std::string whole = ReadText(root_ / "fake/python");
  Fake("python",
       "case \"$*\" in *torch.txt) kill -9 $PPID;; *venv*) mkdir -p \"$3/bin\" && cp \"$0\" \"$3/bin/python\";; esac");
  EXPECT_NE(Run("").exit_code, 3);
  WriteScript(root_ / "fake/python", whole);
  const Outcome next = Run("");
  EXPECT_EQ(next.exit_code, 3);
  EXPECT_THAT(next.calls, AllOf(HasSubstr("-m venv"), HasSubstr("/plots.txt"), HasSubstr("/torch.txt")));
}

TEST_F(Launcher, ExistingLibTorchIsUsed) {
  WriteText(folder_ / "libtorch/lib/libtorch_cpu.so", "");
  const Outcome run = Run("", "LETHE_TORCH=libtorch", folder_.path());
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.calls,
              AllOf(HasSubstr("-DLETHE_TORCH=" + folder_.path() + "/libtorch"), Not(HasSubstr("/torch.txt"))));
  EXPECT_THAT(Run("", "LETHE_TORCH=libtorch", folder_.path()).calls, IsEmpty());
  EXPECT_THAT(Run("").calls, AllOf(HasSubstr("/torch.txt"), HasSubstr("cmake -S")));  // back to the wheel
}

TEST_F(Launcher, WrongLibTorchIsRefusedWithTheCure) {
  const Outcome run = Run("", "LETHE_TORCH=/nowhere");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("LETHE_TORCH is /nowhere"), HasSubstr("cure:")));
}

TEST_F(Launcher, GpuBringsTheWheelsOfCuda) {
  const bool has_gpu = fs::exists("/dev/nvidia0");
  EXPECT_EQ(Run("").calls.find("/cuda.txt") != std::string::npos, has_gpu);
  Fake("nvidia-smi", "exit 0");
  fs::remove_all(root_ / ".venv");
  EXPECT_THAT(Run("").calls, HasSubstr("/cuda.txt"));
}

TEST_F(Launcher, FailedBuildSaysSoAndIsTriedAgain) {
  const std::string whole = ReadText(root_ / "fake/ninja");
  Fake("ninja", "echo 'error: expected ;'; exit 1");
  const Outcome failed = Run("train");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("expected ;"), HasSubstr("the build stopped"), HasSubstr("cure:")));
  EXPECT_THAT(failed.out, IsEmpty());
  WriteScript(root_ / "fake/ninja", whole);
  EXPECT_EQ(Run("train").exit_code, 3);
}

TEST_F(Launcher, MovedFolderIsConfiguredAgain) {
  Run("");
  WriteText(root_ / "build/release/configured", "/another/place");
  WriteText(root_ / "build/release/program.stamp", "/another/place");
  EXPECT_THAT(Run("").calls, HasSubstr("cmake -S"));
}

// ninja without -j, or with a number that never reached it, starts as many compilers as there are files.
TEST_F(Launcher, NeverMoreCompilersThanCores) {
  const std::string calls = Run("").calls;
  const auto at = calls.find(" -j ");
  ASSERT_NE(at, std::string::npos) << calls;
  const int jobs = std::atoi(calls.c_str() + at + 4);
  EXPECT_GE(jobs, 1);
  EXPECT_LE(jobs, static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_FALSE(fs::exists(root_ / std::to_string(jobs)));
  WriteText(root_ / "configs/range.cpp", "");
  EXPECT_THAT(Run("", "LETHE_JOBS=7").calls, HasSubstr(" -j 7 "));
}

TEST_F(Launcher, TwoAtOnceSetUpOneAfterTheOther) {
  Outcome second;
  std::thread other([&] {
    while (!fs::exists(root_ / "calls")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    second = Run("", "", "/", "other");
  });
  const Outcome first = Run("", "NINJA_SECONDS=0.5");
  other.join();
  EXPECT_EQ(first.exit_code, 3);
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_THAT(second.err, AllOf(HasSubstr("waiting for it"), Not(HasSubstr("making .venv"))));
}

}  // namespace
}  // namespace lethe::tools
