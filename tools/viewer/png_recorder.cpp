#include <fmt/format.h>
#include <png.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "configs/atomic_file.h"
#include "tools/viewer/recorder_kinds.h"

namespace lethe::tools {
namespace {

/// The bytes of a file. Errors: std::runtime_error with libpng's reason.
std::vector<std::byte> EncodePng(std::span<const uint32_t> pixels, int width, int height, const std::string& path) {
  std::vector<uint8_t> rgb;
  rgb.reserve(3 * pixels.size());
  for (const uint32_t pixel : pixels)
    for (const int shift : {16, 8, 0}) rgb.push_back(static_cast<uint8_t>(pixel >> shift));

  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::byte> file(PNG_IMAGE_PNG_SIZE_MAX(image));
  png_alloc_size_t size = file.size();
  if (png_image_write_to_memory(&image, file.data(), &size, 0, rgb.data(), 0, nullptr) == 0)
    throw std::runtime_error(fmt::format("{}: cannot encode: {}", path, image.message));
  file.resize(size);
  return file;
}

/// Numbered files are complete one by one; a single one appears with Finish.
class PngRecorder : public Recorder {
 public:
  PngRecorder(const NumberedPath& path, const PictureFormat& format) : path_(path), format_(format) {
    if (!path_.has_number()) file_.emplace(path_.At(0));
  }

  void Add(std::span<const uint32_t> pixels) override {
    format_.Check(pixels);
    const std::string path = path_.At(pictures_);
    if (!path_.has_number() && pictures_ > 0)
      throw std::runtime_error(path + ": holds one picture; several need a number, such as frame%05d.png");
    const auto bytes = EncodePng(pixels, format_.width, format_.height, path);
    if (path_.has_number()) file_.emplace(path);
    file_->Append(bytes);
    if (path_.has_number()) file_->Commit();
    ++pictures_;
  }

  void Finish() override {
    if (pictures_ == 0) ThrowNoPicture(path_.At(0));
    if (!path_.has_number()) file_->Commit();
  }

 private:
  const NumberedPath path_;
  const PictureFormat format_;
  std::optional<configs::AtomicFile> file_;
  int pictures_ = 0;
};

}  // namespace

std::unique_ptr<Recorder> MakePngRecorder(const NumberedPath& path, const PictureFormat& format) {
  return std::make_unique<PngRecorder>(path, format);
}

}  // namespace lethe::tools
