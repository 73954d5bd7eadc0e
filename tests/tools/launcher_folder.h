#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/temporary_folder.h"

namespace lethe::tools {

namespace fs = std::filesystem;

inline std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteText(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

inline void WriteScript(const fs::path& path, const std::string& body) {
  WriteText(path, "#!/bin/bash\n" + body);
  fs::permissions(path, fs::perms::owner_all);
}

struct Outcome {
  int exit_code = 0;
  std::string out, err, calls;  ///< calls: what the scripts wrote down, one call a line
};

/// The launcher in a folder of its own: `lethe` and tools/setup are the real ones; packages, Python, CMake, Ninja and
/// CTest are small scripts that write down how they were called, and "build" a program that prints its arguments.
class Launcher : public testing::Test {
 protected:
  Launcher() {
    const fs::path source = LETHE_SOURCE_DIR;
    fs::create_directories(root_ / "tools");
    fs::copy(source / "lethe", root_ / "lethe");
    fs::copy(source / "tools/setup", root_ / "tools/setup", fs::copy_options::recursive);
    WriteText(root_ / "configs/yaml.cpp", "");
    WriteText(root_ / "CMakeLists.txt", "");
    WriteText(root_ / "tests/a_test.cpp", "");
    Fake("dpkg-query",
         "sed '/^#/d; s/ *#.*//; s/^/ii  /' \"$ROOT/tools/setup/packages.txt\" | grep -v \"^ii  ${MISSING-none}$\"");
    Fake("python",
         "[ \"$2\" != venv ] || { mkdir -p \"$3/bin\" \"$3/lib/python3.11\" && cp \"$0\" \"$3/bin/python\"; }");
    Fake("cmake", "mkdir -p \"$2/build/release\" && touch \"$2/build/release/build.ninja\"");
    Fake("ninja", "mkdir -p \"$2/bin\" && cp \"$ROOT/fake/program\" \"$2/bin/lethe\"; sleep ${NINJA_SECONDS-0}");
    Fake("ctest", "echo summary; exit 8");
    Fake("id", "echo ${USER_ID-0}");
    Fake("sudo", "exit 1");
    Fake("apt-get", "exit 0");
    Fake("nvidia-smi", "exit 1");
    WriteScript(root_ / "fake/program", "printf '[%s]' \"$PWD\" \"$@\"; exit 3\n");
  }

  /// Puts a script of this name first on PATH; it notes its call, then does `body`.
  void Fake(const std::string& name, const std::string& body) {
    WriteScript(root_ / "fake" / name, "echo \"" + name + " $*\" >>\"$ROOT/calls\"\n" + body + "\n");
  }

  /// Runs `settings ./lethe arguments` from the folder `from`. Runs at the same time have names of their own.
  Outcome Run(const std::string& arguments, const std::string& settings = "", const fs::path& from = "/",
              const std::string& name = "run") {
    const std::string out = folder_ / (name + ".out"), err = folder_ / (name + ".err");
    const std::string command = "cd " + from.string() + " && env -u LETHE_TORCH -u LETHE_JOBS ROOT=" + root_.string() +
                                " PATH=" + (root_ / "fake").string() +
                                ":$PATH LETHE_BASE_PYTHON=" + (root_ / "fake/python").string() + " " + settings + " " +
                                (root_ / "lethe").string() + " " + arguments + " >" + out + " 2>" + err;
    const size_t calls_before = ReadText(root_ / "calls").size();
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), ReadText(out), ReadText(err), ReadText(root_ / "calls").substr(calls_before)};
  }

  /// File times are as coarse as the kernel's tick.
  void WaitForTheClock() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  tests::TemporaryFolder folder_;
  const fs::path root_ = folder_ / "clone";
};

}  // namespace lethe::tools
