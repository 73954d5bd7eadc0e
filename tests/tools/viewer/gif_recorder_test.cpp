#include <gif_lib.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"
#include "tests/tools/viewer/pictures.h"
#include "tools/viewer/recorder.h"

namespace lethe::tools {
namespace {

using tests::Noise;
using tests::Picture;
using tests::TemporaryFolder;

/// What a player shows.
struct Gif {
  std::vector<Picture> pictures;
  std::vector<int> delays;  // hundredths of a second
  std::vector<int> pixels;  // written for each
  bool plays_for_ever = false;
};

void Paint(const SavedImage& image, const ColorMapObject& map, int transparent, int width, Picture& shown) {
  const GifImageDesc& box = image.ImageDesc;
  for (int y = 0; y < box.Height; ++y)
    for (int x = 0; x < box.Width; ++x) {
      const int index = image.RasterBits[y * box.Width + x];
      if (index == transparent) continue;
      const GifColorType color = map.Colors[index];
      shown[static_cast<size_t>((box.Top + y) * width + box.Left + x)] =
          0xFF000000u | uint32_t{color.Red} << 16 | uint32_t{color.Green} << 8 | color.Blue;
    }
}

Gif Read(const std::string& path) {
  const auto close = [](GifFileType* file) { DGifCloseFile(file, nullptr); };
  const std::unique_ptr<GifFileType, decltype(close)> file(DGifOpenFileName(path.c_str(), nullptr), close);
  if (file == nullptr || DGifSlurp(file.get()) != GIF_OK) throw std::runtime_error(path + ": cannot read");
  Gif gif;
  Picture shown(static_cast<size_t>(file->SWidth * file->SHeight));
  for (int i = 0; i < file->ImageCount; ++i) {
    const SavedImage& image = file->SavedImages[i];
    GraphicsControlBlock control;
    if (DGifSavedExtensionToGCB(file.get(), i, &control) != GIF_OK) throw std::runtime_error("no delay");
    const ColorMapObject* map = image.ImageDesc.ColorMap != nullptr ? image.ImageDesc.ColorMap : file->SColorMap;
    Paint(image, *map, control.TransparentColor, file->SWidth, shown);
    gif.pictures.push_back(shown);
    gif.delays.push_back(control.DelayTime);
    gif.pixels.push_back(image.ImageDesc.Width * image.ImageDesc.Height);
    for (int e = 0; e < image.ExtensionBlockCount; ++e) {
      const ExtensionBlock& block = image.ExtensionBlocks[e];
      gif.plays_for_ever |= std::string(reinterpret_cast<const char*>(block.Bytes),
                                        static_cast<size_t>(block.ByteCount)) == "NETSCAPE2.0";
    }
  }
  return gif;
}

Gif Record(const std::vector<Picture>& pictures, int width, int height, double fps = 10) {
  const TemporaryFolder folder;
  const auto recorder = MakeRecorder(folder / "a.gif", width, height, fps);
  for (const Picture& picture : pictures) recorder->Add(picture);
  recorder->Finish();
  EXPECT_EQ(folder.NumEntries(), 1u);
  return Read(folder / "a.gif");
}

void Fill(Picture& picture, int width, int left, int top, int size, uint32_t color) {
  for (int y = top; y < top + size; ++y)
    for (int x = left; x < left + size; ++x) picture[static_cast<size_t>(y * width + x)] = 0xFF000000 | color;
}

int LargestError(const Picture& a, const Picture& b) {
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (const int shift : {0, 8, 16})
      largest =
          std::max(largest, std::abs(static_cast<int>(a[i] >> shift & 0xFF) - static_cast<int>(b[i] >> shift & 0xFF)));
  return largest;
}

TEST(GifRecorder, HoldsThePixels) {
  for (const uint32_t colors : {1u, 2u, 3u, 100u, 255u, 256u}) {
    std::vector<Picture> pictures;
    for (int i = 0; i < 5; ++i) pictures.push_back(Noise(61, 37, colors, i / 2));
    const Gif gif = Record(pictures, 61, 37);
    EXPECT_EQ(gif.pictures, pictures) << colors << " colours";
    EXPECT_TRUE(gif.plays_for_ever);
  }
}

TEST(GifRecorder, EveryPictureMayHaveItsOwn256Colors) {
  std::vector<Picture> pictures;
  for (int i = 0; i < 4; ++i) {
    pictures.push_back(Noise(64, 64, 256, i));
    for (uint32_t& pixel : pictures.back()) pixel ^= static_cast<uint32_t>(i) << 20;
  }
  EXPECT_EQ(Record(pictures, 64, 64).pictures, pictures);
}

TEST(GifRecorder, WritesWhatChangedOnly) {
  Picture picture = Noise(200, 200, 200, 1);
  std::vector<Picture> pictures = {picture};
  Fill(picture, 200, 20, 30, 7, 0x123456);
  pictures.push_back(picture);
  pictures.push_back(picture);  // nothing
  Fill(picture, 200, 0, 0, 3, 0x654321);
  Fill(picture, 200, 27, 27, 3, 0x654321);
  pictures.push_back(picture);
  const Gif gif = Record(pictures, 200, 200);
  EXPECT_EQ(gif.pictures, pictures);
  EXPECT_EQ(gif.pixels, (std::vector<int>{200 * 200, 7 * 7, 1, 30 * 30}));
}

TEST(GifRecorder, ManyColorsAreClose) {
  Picture picture(64 * 64);
  for (size_t i = 0; i < picture.size(); ++i)
    picture[i] = 0xFF000000 | static_cast<uint32_t>(i % 64 * 4) << 16 | static_cast<uint32_t>(i / 64 * 4) << 8 | 90;
  const Gif gif = Record({picture}, 64, 64);
  EXPECT_LE(LargestError(gif.pictures[0], picture), 16);
  const std::set<uint32_t> used(gif.pictures[0].begin(), gif.pictures[0].end());
  EXPECT_GT(used.size(), 200u);
}

TEST(GifRecorder, TheNextPicturesPutRightWhatIsInexact) {
  const Picture many = Noise(64, 64, 600, 1);
  const Gif gif = Record({many, many, many, many}, 64, 64);
  EXPECT_GT(LargestError(gif.pictures[0], many), 0);
  EXPECT_EQ(gif.pictures[3], many);
}

TEST(GifRecorder, APictureOfFewColorsIsExactAfterOneOfMany) {
  Picture many = Noise(64, 64, 3000, 1), few = many;
  for (size_t i = 0; i < few.size(); ++i)
    if (i >= 250) few[i] = 0xFF000000 | static_cast<uint32_t>(i % 5);
  EXPECT_EQ(Record({many, few}, 64, 64).pictures[1], few);
}

TEST(GifRecorder, IsTheSameEveryTime) {
  const std::vector<Picture> pictures = {Noise(64, 64, 3000, 1), Noise(64, 64, 2000, 2)};
  EXPECT_EQ(Record(pictures, 64, 64).pictures, Record(pictures, 64, 64).pictures);
}

TEST(GifRecorder, TimesDoNotDrift) {
  for (const double fps : {1.0, 7.0, 12.5, 30.0, 48.0, 50.0}) {
    const Gif gif = Record(std::vector<Picture>(301, Picture(4, 0xFF0000FF)), 2, 2, fps);
    ASSERT_EQ(gif.delays.size(), 301u);
    int time = 0;
    for (size_t i = 0; i < gif.delays.size(); ++i) {
      ASSERT_NEAR(time, 100.0 * static_cast<double>(i) / fps, 0.5001) << fps;
      time += gif.delays[i];
    }
  }
}

TEST(GifRecorder, LeavesPicturesOutThatPlayersWouldShowTooLong) {
  const Gif gif = Record(std::vector<Picture>(240, Picture(4, 0xFF0000FF)), 2, 2, 120);
  for (const int delay : gif.delays) EXPECT_GE(delay, 2);
  EXPECT_NEAR(std::accumulate(gif.delays.begin(), gif.delays.end(), 0), 200, 2);
}

}  // namespace
}  // namespace lethe::tools
