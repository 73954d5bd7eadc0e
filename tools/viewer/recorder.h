#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lethe::tools {

/// Writes pictures of one size to a file, or to numbered files.
/// Errors, as of all calls: std::runtime_error with path and reason, in one line, also for a Finish without pictures;
/// std::invalid_argument for pixels of another number. A file appears whole with Finish; a recording that is destroyed
/// before leaves no half-written file behind.
/// Threads: belongs to one thread.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// width * height pixels 0xAARRGGBB.
  virtual void Add(std::span<const uint32_t> pixels) = 0;
  virtual void Finish() = 0;
};

/// By the end of `path`:
///   .gif  (giflib) exact while a picture has at most 256 colours; else 256 that stand for them, and the next pictures
///         put right what is inexact. Players show no more than 50 pictures a second: above, some are left out.
///   .mp4  (through the program ffmpeg) H.264, close to the pixels, but colours at half their resolution, since few
///         players play others; width and height made even by a black column and row.
///   .png  (libpng) exact; with one printf integer such as %05d in the path, counted from 0, one complete file after
///         the other; without it a single picture: a second Add is an error.
/// A percent sign in a path is written %%. width, height: 1..65535. fps: pictures per second, 1..120.
/// Errors: std::invalid_argument for other ends, naming those there are, for several or other conversions in the path,
/// for values out of range, and for an ffmpeg that is not on the PATH, naming the Debian package.
std::unique_ptr<Recorder> MakeRecorder(const std::string& path, int width, int height, double fps);

}  // namespace lethe::tools
