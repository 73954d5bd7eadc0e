#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"
#include "tests/tools/viewer/pictures.h"
#include "tools/viewer/recorder.h"

namespace lethe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::MessageFromChild;
using tests::Picture;
using tests::TemporaryFolder;

std::string OutputOf(const std::string& command) {
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot start " + command);
  std::string output;
  char piece[1 << 16];
  for (size_t got; (got = std::fread(piece, 1, sizeof piece, pipe)) > 0;) output.append(piece, got);
  if (::pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return output;
}

/// Every picture of a file, one after the other: 4 bytes a pixel, blue first.
std::string Decode(const std::string& path) {
  return OutputOf("ffmpeg -v error -i '" + path + "' -f rawvideo -pix_fmt bgra -");
}

std::string Probe(const std::string& path, const std::string& entries) {
  return OutputOf("ffprobe -v error -of csv=p=0 -show_entries stream=" + entries + " '" + path + "'");
}

/// Grey steps, squares of 8 pixels: colours have half the resolution, so a coloured pixel would not come back.
Picture Squares(int width, int height, int seed) {
  Picture picture;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto step = static_cast<uint32_t>((x / 8 * 3 + y / 8 * 5 + seed) % 16);
      picture.push_back(0xFF080810 + step * 0x0F0A05);
    }
  return picture;
}

void Record(const std::string& path, int width, int height, int pictures, double fps) {
  const auto recorder = MakeRecorder(path, width, height, fps);
  for (int i = 0; i < pictures; ++i) recorder->Add(Squares(width, height, i));
  recorder->Finish();
}

TEST(Mp4Recorder, IsCloseToThePixels) {
  const TemporaryFolder folder;
  Record(folder / "it's 100%%: a.mp4", 96, 64, 12, 10);
  ASSERT_EQ(folder.NumEntries(), 1u);
  std::filesystem::rename(folder / "it's 100%: a.mp4", folder / "a.mp4");
  const std::string decoded = Decode(folder / "a.mp4");
  ASSERT_EQ(decoded.size(), 12u * 96 * 64 * 4);
  double sum = 0;
  for (int i = 0; i < 12; ++i) {
    const Picture picture = Squares(96, 64, i);
    for (size_t p = 0; p < picture.size(); ++p)
      for (size_t channel = 0; channel < 3; ++channel) {
        const auto got = static_cast<uint8_t>(decoded[(static_cast<size_t>(i) * picture.size() + p) * 4 + channel]);
        sum += std::abs(got - static_cast<int>(picture[p] >> (8 * channel) & 0xFF));
      }
  }
  EXPECT_LT(sum / (12.0 * 96 * 64 * 3), 2);
}

TEST(Mp4Recorder, PlaysAtItsSpeedEverywhere) {
  const TemporaryFolder folder;
  Record(folder / "a.mp4", 64, 32, 25, 12.5);
  EXPECT_EQ(Probe(folder / "a.mp4",
                  "codec_name,width,height,pix_fmt,color_range,color_space,r_frame_rate,duration,nb_frames"),
            "h264,64,32,yuv420p,tv,bt709,25/2,2.000000,25\n");
  std::ifstream file(folder / "a.mp4");
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  EXPECT_NE(start.find("moov"), std::string::npos) << "plays before it is loaded to the end";
}

TEST(Mp4Recorder, MakesOddSizesEven) {
  const TemporaryFolder folder;
  Record(folder / "a.mp4", 33, 17, 3, 10);
  EXPECT_EQ(Probe(folder / "a.mp4", "width,height"), "34,18\n");
  Record(folder / "b.mp4", 1, 1, 1, 10);
  EXPECT_EQ(Probe(folder / "b.mp4", "width,height"), "2,2\n");
}

/// What a recording of many pictures says with this script as ffmpeg.
std::string MessageWith(const TemporaryFolder& folder, const std::string& script) {
  std::filesystem::create_directory(folder / "bin");
  if (!script.empty()) {
    std::ofstream(folder / "bin/ffmpeg") << "#!/bin/sh\n" << script;
    std::filesystem::permissions(folder / "bin/ffmpeg", std::filesystem::perms::all);
  }
  return MessageFromChild([&] {
    ::setenv("PATH", (folder / "bin").c_str(), 1);
    Record(folder / "a.mp4", 256, 256, 20, 10);
  });
}

TEST(Mp4Recorder, WithoutFfmpegThePackageIsNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageWith(folder, ""), AllOf(HasSubstr("not on the PATH"), HasSubstr("package ffmpeg")));
  EXPECT_EQ(folder.NumEntries(), 1u);
}

// The recorder writes to a program that has ended; SIGPIPE would end this one too.
TEST(Mp4Recorder, FailingFfmpegGivesItsLastLine) {
  const TemporaryFolder folder;
  EXPECT_EQ(MessageWith(folder, "echo first >&2; echo 'no such codec' >&2; echo >&2; exit 1"),
            folder / "a.mp4: ffmpeg failed: no such codec");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(Mp4Recorder, FfmpegThatFailsAtTheEndOrSilently) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageWith(folder, "/bin/cat >/dev/null; echo disk >&2; exit 3"),
              HasSubstr("a.mp4: ffmpeg failed: disk"));
  EXPECT_THAT(MessageWith(folder, "kill -9 $$"), HasSubstr("gives no reason"));
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(Mp4Recorder, UnfinishedEndsFfmpeg) {
  const TemporaryFolder folder;
  const std::string message = MessageFromChild([&] {
    MakeRecorder(folder / "a.mp4", 256, 256, 10)->Add(Picture(256 * 256));
    if (::waitpid(-1, nullptr, WNOHANG) != -1) throw std::runtime_error("it still runs");
  });
  EXPECT_EQ(message, "");
  EXPECT_EQ(folder.NumEntries(), 0u);
}

}  // namespace
}  // namespace lethe::tools
