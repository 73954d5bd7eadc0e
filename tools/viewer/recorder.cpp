#include "tools/viewer/recorder.h"

#include <fmt/format.h>

#include <stdexcept>

#include "tools/viewer/recorder_kinds.h"

namespace lethe::tools {
namespace {

constexpr double kLeastFps = 1, kMostFps = 120;
constexpr size_t kMostDigits = 9;

}  // namespace

NumberedPath::NumberedPath(const std::string& pattern) {
  const auto refuse = [&] {
    throw std::invalid_argument(fmt::format(
        "{}: a path may hold one number, written %d or %05d, and %% for a percent sign; nothing else with %", pattern));
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    std::string& side = has_number_ ? after_ : before_;
    if (pattern[i] != '%') {
      side += pattern[i];
    } else if (pattern.substr(i, 2) == "%%") {
      side += pattern[i++];
    } else {
      const size_t end = pattern.find_first_not_of("0123456789", i + 1);
      if (has_number_ || end == std::string::npos || pattern[end] != 'd') refuse();
      has_number_ = true;
      is_zero_padded_ = pattern[i + 1] == '0';
      const std::string digits = pattern.substr(i + 1, end - i - 1);
      if (digits.size() > 3) refuse();
      digits_ = digits.empty() ? 0 : std::stoul(digits);
      if (digits_ > kMostDigits) refuse();
      i = end;
    }
  }
}

std::string NumberedPath::At(int number) const {
  if (!has_number_) return before_;
  std::string digits = std::to_string(number);
  if (digits.size() < digits_) digits.insert(0, digits_ - digits.size(), is_zero_padded_ ? '0' : ' ');
  return before_ + digits + after_;
}

void PictureFormat::Check(std::span<const uint32_t> pixels) const {
  const auto wanted = static_cast<size_t>(width) * static_cast<size_t>(height);
  if (pixels.size() != wanted)
    throw std::invalid_argument(fmt::format("a picture of {} pixels: has to have {}x{}", pixels.size(), width, height));
}

void ThrowNoPicture(const std::string& path) { throw std::runtime_error(path + ": no picture was recorded"); }

std::unique_ptr<Recorder> MakeRecorder(const std::string& path, int width, int height, double fps) {
  if (width < 1 || height < 1 || width > 65535 || height > 65535)
    throw std::invalid_argument(fmt::format("{}: {}x{} pixels: have to be in 1..65535", path, width, height));
  if (!(fps >= kLeastFps && fps <= kMostFps))
    throw std::invalid_argument(fmt::format("fps = {}: has to be in {}..{}", fps, kLeastFps, kMostFps));
  const PictureFormat format{width, height, fps};
  const NumberedPath numbered(path);
  if (path.ends_with(".png")) return MakePngRecorder(numbered, format);
  if (!path.ends_with(".gif") && !path.ends_with(".mp4"))
    throw std::invalid_argument(path + ": a recording ends in .gif, .mp4 or .png (numbered: frame%05d.png)");
  if (numbered.has_number())
    throw std::invalid_argument(path + ": only .png is written to numbered files; here a percent sign is %%");
  return path.ends_with(".gif") ? MakeGifRecorder(numbered.At(0), format) : MakeMp4Recorder(numbered.At(0), format);
}

}  // namespace lethe::tools
