#include "tools/viewer/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"
#include "tests/tools/viewer/pictures.h"

namespace lethe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::LimitFileSize;
using tests::MessageFromChild;
using tests::MessageOf;
using tests::Picture;
using tests::TemporaryFolder;

Picture ReadPng(const std::string& path) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) throw std::runtime_error(path + ": " + image.message);
  image.format = PNG_FORMAT_BGRA;
  Picture picture(size_t{image.width} * image.height);
  if (png_image_finish_read(&image, nullptr, picture.data(), 0, nullptr) == 0)
    throw std::runtime_error(path + ": " + image.message);
  return picture;
}

TEST(Recorder, PngHoldsThePixels) {
  const TemporaryFolder folder;
  const Picture picture = tests::Noise(31, 17, 1 << 24, 5);
  const auto recorder = MakeRecorder(folder / "a.png", 31, 17, 10);
  recorder->Add(picture);
  EXPECT_FALSE(std::filesystem::exists(folder / "a.png"));
  recorder->Finish();
  EXPECT_EQ(ReadPng(folder / "a.png"), picture);
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(Recorder, NumbersPngsFromZero) {
  const TemporaryFolder folder;
  const auto recorder = MakeRecorder(folder / "100%%-%03d.png", 4, 4, 10);
  for (int i = 0; i < 12; ++i) recorder->Add(tests::Noise(4, 4, 256, i));
  recorder->Finish();
  EXPECT_EQ(folder.NumEntries(), 12u);
  EXPECT_EQ(ReadPng(folder / "100%-000.png"), tests::Noise(4, 4, 256, 0));
  EXPECT_EQ(ReadPng(folder / "100%-011.png"), tests::Noise(4, 4, 256, 11));
}

TEST(Recorder, NumbersMayGrowBeyondTheirDigits) {
  const TemporaryFolder folder;
  const auto recorder = MakeRecorder(folder / "%d.png", 1, 1, 10);
  for (int i = 0; i < 11; ++i) recorder->Add(Picture{0xFF000000});
  recorder->Finish();
  EXPECT_TRUE(std::filesystem::exists(folder / "9.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "10.png"));
}

TEST(Recorder, OnePngTakesOnePicture) {
  const TemporaryFolder folder;
  const auto recorder = MakeRecorder(folder / "a.png", 1, 1, 10);
  recorder->Add(Picture{0xFF123456});
  EXPECT_THAT(MessageOf([&] { recorder->Add(Picture{0xFF123456}); }), AllOf(HasSubstr("a.png"), HasSubstr("%05d")));
}

TEST(Recorder, RefusesOtherEndings) {
  for (const char* path : {"a", "a.webm", "a.gif.zip", "gif", "a.PNG", ""})
    EXPECT_THAT(MessageOf([&] { MakeRecorder(path, 4, 4, 10); }),
                AllOf(HasSubstr(path), HasSubstr(".gif"), HasSubstr(".mp4"), HasSubstr(".png")));
}

TEST(Recorder, RefusesOtherConversions) {
  const TemporaryFolder folder;
  for (const char* name : {"%s.png", "%d%d.png", "%d-%05d.png", "%x.png", "%", "a%.png", "%-3d.png", "%5.png", "%n.gif",
                           "%99999999999999999999d.png", "%100d.png"})
    EXPECT_THAT(MessageOf([&] { MakeRecorder(folder / name, 4, 4, 10); }), AllOf(HasSubstr(name), HasSubstr("%05d")));
  for (const char* name : {"%d.gif", "%05d.mp4"})
    EXPECT_THAT(MessageOf([&] { MakeRecorder(folder / name, 4, 4, 10); }), AllOf(HasSubstr(name), HasSubstr("%%")));
  EXPECT_EQ(folder.NumEntries(), 0u);
}

TEST(Recorder, RefusesSizesAndSpeedsOutOfRange) {
  EXPECT_THROW(MakeRecorder("a.gif", 0, 4, 10), std::invalid_argument);
  EXPECT_THROW(MakeRecorder("a.gif", 4, 70000, 10), std::invalid_argument);
  for (const double fps : {0.0, 0.5, 121.0, -1.0, std::nan("")})
    EXPECT_THROW(MakeRecorder("a.gif", 4, 4, fps), std::invalid_argument);
}

class RecorderOf : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Every, RecorderOf, ::testing::Values("a.png", "%d.png", "a.gif", "a.mp4"));

TEST_P(RecorderOf, MissingFolderIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / ("none/" + std::string(GetParam()));
  EXPECT_THAT(MessageOf([&] { MakeRecorder(path, 4, 4, 10)->Add(Picture(16)); }),
              AllOf(HasSubstr(folder / "none/"), HasSubstr("No such file or directory")));
  EXPECT_EQ(folder.NumEntries(), 0u);
}

TEST_P(RecorderOf, UnfinishedLeavesNothingBehind) {
  const TemporaryFolder folder;
  const bool is_numbered = std::string(GetParam()).starts_with("%");
  {
    const auto recorder = MakeRecorder(folder / GetParam(), 64, 64, 10);
    for (int i = 0; i < (std::string(GetParam()) == "a.png" ? 1 : 3); ++i) recorder->Add(tests::Noise(64, 64, 16, i));
  }
  EXPECT_EQ(folder.NumEntries(), is_numbered ? 3u : 0u) << "numbered pictures are complete one by one";
}

TEST_P(RecorderOf, UnfinishedLeavesTheOldFile) {
  const TemporaryFolder folder;
  if (std::string(GetParam()).starts_with("%")) return;
  std::ofstream(folder / GetParam()) << "old";
  MakeRecorder(folder / GetParam(), 64, 64, 10)->Add(tests::Noise(64, 64, 16, 1));
  EXPECT_EQ(std::filesystem::file_size(folder / GetParam()), 3u);
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST_P(RecorderOf, WithoutAPictureIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf([&] { MakeRecorder(folder / GetParam(), 4, 4, 10)->Finish(); }), HasSubstr("no picture"));
  EXPECT_EQ(folder.NumEntries(), 0u);
}

TEST_P(RecorderOf, RefusesAPictureOfAnotherSize) {
  const TemporaryFolder folder;
  const auto recorder = MakeRecorder(folder / GetParam(), 4, 4, 10);
  EXPECT_THROW(recorder->Add(Picture(15)), std::invalid_argument);
}

// A limit on the size of files stands for a full disk.
TEST_P(RecorderOf, FullDiskIsAnErrorAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  const std::string message = MessageFromChild([&] {
    LimitFileSize(2000);
    const auto recorder = MakeRecorder(folder / GetParam(), 128, 128, 10);
    for (int i = 0; i < (std::string(GetParam()) == "a.png" ? 1 : 4); ++i)
      recorder->Add(tests::Noise(128, 128, 256, i));
    recorder->Finish();
  });
  EXPECT_THAT(message, AllOf(HasSubstr(folder.path()), HasSubstr("File too large")));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(folder.NumEntries(), 0u);
}

}  // namespace
}  // namespace lethe::tools
