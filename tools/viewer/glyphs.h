#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lethe::tools {

/// How much of every pixel a character covers, 0 .. 255, row by row; only the box that is not empty.
/// dx, dy: of that box from the upper left corner of the character's cell.
struct Glyph {
  int dx = 0, dy = 0, width = 0, height = 0;
  std::vector<uint8_t> coverage;
};

/// The bundled font in one size and weight. Characters are drawn by SDL_ttf at their first use and kept.
/// Errors: std::runtime_error with SDL's reason. Threads: belongs to one thread.
class Font {
 public:
  /// size: pixels per em.
  Font(int size, bool bold);
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;
  ~Font();

  int advance() const { return advance_; }          ///< from one character to the next, in pixels
  int line_height() const { return line_height_; }  ///< in pixels
  /// The font's empty box for a character that it lacks.
  const Glyph& Get(char32_t character);

 private:
  struct File;
  Glyph Draw(char32_t character) const;

  const std::unique_ptr<File> file_;
  const int advance_, line_height_;
  std::unordered_map<char32_t, Glyph> glyphs_;
};

/// Every size and weight in use.
class Fonts {
 public:
  Font& Get(int size, bool bold);

 private:
  std::map<std::pair<int, bool>, Font> fonts_;
};

/// Takes the first character off a text that is not empty; a byte that is no UTF-8 is one U+FFFD.
char32_t TakeCharacter(std::string_view& text);

}  // namespace lethe::tools
