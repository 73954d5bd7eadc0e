#include "configs/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace lethe::configs {
namespace {

using tests::TemporaryFolder;

TEST(AtomicFile, ReplacesTheWholeContent) {
  const TemporaryFolder folder;
  WriteFileAtomically(folder / "config.yaml", "a longer first version");
  WriteFileAtomically(folder / "config.yaml", "second");
  EXPECT_EQ(ReadWholeFile(folder / "config.yaml"), "second");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(AtomicFile, WorksOnANameWithoutAFolder) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  WriteFileAtomically("plain", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(ReadWholeFile(folder / "plain"), "x");
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  const TemporaryFolder folder;
  WriteFileAtomically(folder / "file", "old");
  {
    AtomicFile file(folder / "file");
    file.Append("new");
    EXPECT_EQ(folder.NumEntries(), 2u);
  }
  EXPECT_EQ(ReadWholeFile(folder / "file"), "old");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(AtomicFile, RecognisesItsTemporaries) {
  EXPECT_TRUE(AtomicFile::IsTemporaryName("step_1.safetensors.tmp-4711"));
  EXPECT_FALSE(AtomicFile::IsTemporaryName("step_1.safetensors"));
  EXPECT_FALSE(AtomicFile::IsTemporaryName("notes.tmp-"));
  EXPECT_FALSE(AtomicFile::IsTemporaryName("notes.tmp-old"));
}

TEST(AtomicFile, ErrorsNamePathAndReason) {
  const TemporaryFolder folder;
  const std::string path = folder / "missing/file";
  try {
    WriteFileAtomically(path, "x");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::string(error.what()), path + ": cannot create: No such file or directory");
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
  }
  EXPECT_THROW(ReadWholeFile(path), std::system_error);
}

TEST(CrashAtomicFile, FullDiskLeavesTheOldFileAndNoTemporary) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  WriteFileAtomically(path, "old");
  // The temporary's name is known, so it can be made to lie on a device that is always full.
  std::filesystem::create_symlink("/dev/full", path + ".tmp-" + std::to_string(::getpid()));
  try {
    WriteFileAtomically(path, "new");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::string(error.what()), path + ": cannot write: No space left on device");
  }
  EXPECT_EQ(ReadWholeFile(path), "old");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(CrashAtomicFile, FileThatCannotGrowLeavesTheOldFileAndNoTemporary) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  WriteFileAtomically(path, "old");
  const std::string message = tests::MessageFromChild([&] {
    tests::LimitFileSize(1000);
    WriteFileAtomically(path, std::string(5000, 'x'));  // the first 1000 bytes are accepted
  });
  EXPECT_EQ(message, path + ": cannot write: File too large");
  EXPECT_EQ(ReadWholeFile(path), "old");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

}  // namespace
}  // namespace lethe::configs
