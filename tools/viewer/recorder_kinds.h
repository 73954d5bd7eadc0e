#pragma once

#include <memory>
#include <span>
#include <string>

#include "tools/viewer/recorder.h"

namespace lethe::tools {

/// A path in which one printf integer may stand: %d, %5d or %05d; %% is a percent sign.
class NumberedPath {
 public:
  /// Errors: std::invalid_argument for several or other conversions.
  explicit NumberedPath(const std::string& pattern);
  bool has_number() const { return has_number_; }
  std::string At(int number) const;  ///< the path itself where it holds no number

 private:
  std::string before_, after_;
  bool has_number_ = false, is_zero_padded_ = false;
  size_t digits_ = 0;
};

/// What every recorder is told. fps: pictures per second.
struct PictureFormat {
  int width = 0, height = 0;
  double fps = 0;

  /// Errors: std::invalid_argument for pixels of another number.
  void Check(std::span<const uint32_t> pixels) const;
};

/// Of Finish before any Add.
[[noreturn]] void ThrowNoPicture(const std::string& path);

std::unique_ptr<Recorder> MakePngRecorder(const NumberedPath& path, const PictureFormat& format);
std::unique_ptr<Recorder> MakeGifRecorder(const std::string& path, const PictureFormat& format);
std::unique_ptr<Recorder> MakeMp4Recorder(const std::string& path, const PictureFormat& format);

}  // namespace lethe::tools
