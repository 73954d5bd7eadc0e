#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "configs/atomic_file.h"

struct GifFileType;

namespace lethe::tools {

/// Colours 0xRRGGBB by their index in a picture, at most 256 indices. One more may mean: leave what is there.
struct GifPalette {
  std::vector<uint32_t> colors;
  std::optional<int> transparent;
};

/// A part of the screen: columns and rows, right and bottom excluded.
struct GifBox {
  int left = 0, top = 0, right = 0, bottom = 0;
};

/// A GIF that plays for ever, written by giflib; it appears with Commit, as an AtomicFile does.
/// Errors: std::runtime_error with path and reason. Threads: belongs to one thread.
class GifFile {
 public:
  explicit GifFile(const std::string& path);
  GifFile(const GifFile&) = delete;
  GifFile& operator=(const GifFile&) = delete;
  ~GifFile();

  /// First of all: the screen, and the palette that pictures without one of their own have.
  void Begin(int width, int height, const GifPalette& shared);
  /// indices: of the box's pixels, row by row. delay: until the next picture, in hundredths of a second.
  void Put(const GifBox& box, std::vector<uint8_t>& indices, const GifPalette& palette, bool is_shared, int delay);
  void Commit();

 private:
  static int Write(GifFileType* gif, const uint8_t* bytes, int size);
  void Check(int result) const;
  int Close();

  const std::string path_;
  configs::AtomicFile file_;
  GifFileType* gif_ = nullptr;
  bool is_wanted_ = true;       // else what giflib writes is dropped
  std::exception_ptr failure_;  // of writing; does not go through C code but waits for Check
};

}  // namespace lethe::tools
