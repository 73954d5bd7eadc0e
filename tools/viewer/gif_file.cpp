#include "tools/viewer/gif_file.h"

#include <fmt/format.h>
#include <gif_lib.h>

#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>

namespace lethe::tools {
namespace {

struct FreeColorMap {
  void operator()(ColorMapObject* map) const { GifFreeMapObject(map); }
};
using ColorMap = std::unique_ptr<ColorMapObject, FreeColorMap>;

/// A power of two of colours, as the format has it.
ColorMap MakeColorMap(const GifPalette& palette) {
  const size_t used = palette.colors.size() + (palette.transparent ? 1 : 0);
  int size = 2;
  while (size < static_cast<int>(used)) size *= 2;
  ColorMap map(GifMakeMapObject(size, nullptr));
  if (map == nullptr) throw std::bad_alloc();
  for (size_t i = 0; i < palette.colors.size(); ++i) {
    const uint32_t color = palette.colors[i];
    map->Colors[i] = {static_cast<uint8_t>(color >> 16), static_cast<uint8_t>(color >> 8), static_cast<uint8_t>(color)};
  }
  return map;
}

}  // namespace

GifFile::GifFile(const std::string& path) : path_(path), file_(path) {
  int error = 0;
  gif_ = EGifOpen(this, &GifFile::Write, &error);
  if (gif_ == nullptr) throw std::runtime_error(fmt::format("{}: {}", path_, GifErrorString(error)));
  EGifSetGifVersion(gif_, true);
}

GifFile::~GifFile() {
  is_wanted_ = false;
  Close();
}

void GifFile::Begin(int width, int height, const GifPalette& shared) {
  unsigned char forever[] = {1, 0, 0};
  Check(EGifPutScreenDesc(gif_, width, height, /*GifColorRes=*/8, /*GifBackGround=*/0, MakeColorMap(shared).get()));
  Check(EGifPutExtensionLeader(gif_, APPLICATION_EXT_FUNC_CODE));
  Check(EGifPutExtensionBlock(gif_, 11, "NETSCAPE2.0"));
  Check(EGifPutExtensionBlock(gif_, sizeof forever, forever));
  Check(EGifPutExtensionTrailer(gif_));
}

void GifFile::Put(const GifBox& box, std::vector<uint8_t>& indices, const GifPalette& palette, bool is_shared,
                  int delay) {
  const GraphicsControlBlock control = {DISPOSE_DO_NOT, false, delay,
                                        palette.transparent.value_or(NO_TRANSPARENT_COLOR)};
  GifByteType extension[4];
  const size_t size = EGifGCBToExtension(&control, extension);
  Check(EGifPutExtension(gif_, GRAPHICS_EXT_FUNC_CODE, static_cast<int>(size), extension));

  GifFreeMapObject(std::exchange(gif_->Image.ColorMap, nullptr));  // giflib 5.2 forgets it where the next one is null
  const ColorMap map = is_shared ? nullptr : MakeColorMap(palette);
  Check(EGifPutImageDesc(gif_, box.left, box.top, box.right - box.left, box.bottom - box.top, false, map.get()));
  Check(EGifPutLine(gif_, indices.data(), static_cast<int>(indices.size())));
}

void GifFile::Commit() {
  const int result = Close();
  if (failure_) std::rethrow_exception(failure_);
  if (result != GIF_OK) throw std::runtime_error(path_ + ": giflib cannot finish it");
  file_.Commit();
}

int GifFile::Write(GifFileType* gif, const uint8_t* bytes, int size) {
  auto& self = *static_cast<GifFile*>(gif->UserData);
  try {
    if (self.is_wanted_ && !self.failure_)
      self.file_.Append(std::as_bytes(std::span(bytes, static_cast<size_t>(size))));
  } catch (...) {
    self.failure_ = std::current_exception();
  }
  return self.failure_ ? 0 : size;
}

void GifFile::Check(int result) const {
  if (failure_) std::rethrow_exception(failure_);
  if (result != GIF_OK) throw std::runtime_error(fmt::format("{}: {}", path_, GifErrorString(gif_->Error)));
}

int GifFile::Close() {
  int error = 0;
  return gif_ == nullptr ? GIF_OK : EGifCloseFile(std::exchange(gif_, nullptr), &error);
}

}  // namespace lethe::tools
