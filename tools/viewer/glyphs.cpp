#include "tools/viewer/glyphs.h"

#include <SDL.h>
#include <SDL_ttf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>
#include <stdexcept>
#include <tuple>

namespace lethe::tools {

extern const std::span<const unsigned char> kRegularFont, kBoldFont;  // tools/viewer/font/, by EmbedFile.cmake

namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr double kAdvance = 0.6;  // of an em, in this font; SDL_ttf rounds it up, which spaces text out at 12 pixels

/// FreeType opens and closes the fonts of one library one at a time.
std::mutex& OpenMutex() {
  static std::mutex mutex;
  return mutex;
}

[[noreturn]] void ThrowReason(const char* what) {
  throw std::runtime_error(fmt::format("{}: {}", what, TTF_GetError()));
}

TTF_Font* OpenFont(int size, bool bold) {
  const std::lock_guard lock(OpenMutex());
  if (TTF_WasInit() == 0 && TTF_Init() != 0) ThrowReason("cannot start SDL_ttf");
  const auto bytes = bold ? kBoldFont : kRegularFont;
  SDL_RWops* file = SDL_RWFromConstMem(bytes.data(), static_cast<int>(bytes.size()));
  TTF_Font* font = TTF_OpenFontRW(file, /*freesrc=*/1, size);
  if (font == nullptr) ThrowReason("cannot open the bundled font");
  TTF_SetFontHinting(font, TTF_HINTING_NONE);
  TTF_SetFontKerning(font, 0);
  return font;
}

struct FreeSurface {
  void operator()(SDL_Surface* surface) const { SDL_FreeSurface(surface); }
};

/// The alpha of a surface within its box that is not empty. dx, dy: of the surface.
Glyph Cut(const SDL_Surface& surface, int dx, int dy) {
  const auto alpha = [&](int x, int y) {
    const auto* row = static_cast<const uint8_t*>(surface.pixels) + static_cast<ptrdiff_t>(y) * surface.pitch;
    return static_cast<uint8_t>(reinterpret_cast<const uint32_t*>(row)[x] >> 24);
  };
  int left = surface.w, top = surface.h, right = 0, bottom = 0;
  for (int y = 0; y < surface.h; ++y)
    for (int x = 0; x < surface.w; ++x) {
      if (alpha(x, y) == 0) continue;
      left = std::min(left, x), right = std::max(right, x + 1);
      top = std::min(top, y), bottom = std::max(bottom, y + 1);
    }
  if (left >= right) return {};
  Glyph glyph{dx + left, dy + top, right - left, bottom - top, {}};
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x) glyph.coverage.push_back(alpha(x, y));
  return glyph;
}

}  // namespace

struct Font::File {
  File(int size, bool bold) : font(OpenFont(size, bold)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    const std::lock_guard lock(OpenMutex());
    TTF_CloseFont(font);
  }
  TTF_Font* const font;
};

Font::Font(int size, bool bold)
    : file_(std::make_unique<File>(size, bold)),
      advance_(static_cast<int>(std::lround(kAdvance * size))),
      line_height_(TTF_FontHeight(file_->font)) {}

Font::~Font() = default;

const Glyph& Font::Get(char32_t character) {
  const auto found = glyphs_.find(character);
  return found != glyphs_.end() ? found->second : glyphs_.emplace(character, Draw(character)).first->second;
}

Glyph Font::Draw(char32_t character) const {
  int min_x = 0, max_y = 0;
  if (TTF_GlyphMetrics32(file_->font, character, &min_x, nullptr, nullptr, &max_y, nullptr) != 0)
    ThrowReason("cannot measure a character");
  const std::unique_ptr<SDL_Surface, FreeSurface> surface(
      TTF_RenderGlyph32_Blended(file_->font, character, {255, 255, 255, 255}));
  if (surface == nullptr) return {};  // nothing to draw: SDL_ttf calls a width of 0 an error
  // SDL_ttf moves what lies left of the cell or above it into the picture.
  return Cut(*surface, std::min(min_x, 0), std::min(TTF_FontAscent(file_->font) - max_y, 0));
}

Font& Fonts::Get(int size, bool bold) {
  const auto found = fonts_.find({size, bold});
  if (found != fonts_.end()) return found->second;
  return fonts_.emplace(std::piecewise_construct, std::tuple(std::pair(size, bold)), std::tuple(size, bold))
      .first->second;
}

char32_t TakeCharacter(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const size_t length = byte(0) < 0x80 ? 1 : byte(0) >> 5 == 0x6 ? 2 : byte(0) >> 4 == 0xE ? 3 : 4;
  char32_t character = length == 1 ? byte(0) : byte(0) & (0x7F >> length);
  bool is_valid = length < 4 || byte(0) >> 3 == 0x1E;
  for (size_t i = 1; i < length && is_valid; ++i) {
    is_valid = i < text.size() && byte(i) >> 6 == 2;
    if (is_valid) character = character << 6 | (byte(i) & 0x3F);
  }
  text.remove_prefix(is_valid ? length : 1);
  return is_valid ? character : kReplacement;
}

}  // namespace lethe::tools
