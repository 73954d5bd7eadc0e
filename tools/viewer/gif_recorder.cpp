#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tools/viewer/gif_file.h"
#include "tools/viewer/palette.h"
#include "tools/viewer/recorder_kinds.h"

namespace lethe::tools {
namespace {

constexpr size_t kMostColors = 256;
constexpr int kLeastDelay = 2;  // hundredths of a second: players slow down what is shorter
constexpr uint32_t kRgb = 0xFFFFFF;

using ColorCounts = std::unordered_map<uint32_t, uint64_t>;

/// What a picture changes: pixels that are to have another colour than before, and old ones that a palette was too
/// small for (stale).
struct Change {
  ColorCounts changed, stale;
  GifBox box;

  size_t NumColors() const { return changed.size() + stale.size(); }
};

bool HasAll(const GifPalette& palette, const std::vector<uint32_t>& wanted) {
  const std::unordered_set<uint32_t> colors(palette.colors.begin(), palette.colors.end());
  return std::all_of(wanted.begin(), wanted.end(), [&](uint32_t color) { return colors.contains(color); });
}

std::vector<CountedColor> MostFrequentFirst(const ColorCounts& counts) {
  std::vector<CountedColor> colors;
  for (const auto& [color, pixels] : counts) colors.push_back({color, pixels});
  std::sort(colors.begin(), colors.end(), [](const auto& a, const auto& b) {
    return a.pixels != b.pixels ? a.pixels > b.pixels : a.color < b.color;
  });
  return colors;
}

/// A picture holds what changed since the one before, within its box, over what is there. Colours that do not fit are
/// reduced; what is inexact by that is put right by the next pictures as far as their palettes have room.
class GifRecorder : public Recorder {
 public:
  GifRecorder(const std::string& path, const PictureFormat& format) : path_(path), format_(format), file_(path) {}

  void Add(std::span<const uint32_t> pixels) override {
    format_.Check(pixels);
    const int picture = pictures_++;
    if (picture < next_) return;
    while (Time(next_) - Time(picture) < kLeastDelay) ++next_;
    const bool is_first = picture == 0;
    if (is_first) previous_.assign(pixels.size(), ~0u), shown_.assign(pixels.size(), ~0u);  // no colour
    const Change change = Compare(pixels);
    const GifPalette own = Choose(change, pixels);
    if (is_first) {
      first_ = own;
      file_.Begin(format_.width, format_.height, first_);
    }
    const bool uses_first = is_first || (own.transparent && first_.transparent && HasAll(first_, own.colors));
    const GifPalette& palette = uses_first ? first_ : own;
    std::vector<uint8_t> indices = Draw(change.box, palette, pixels);
    std::transform(pixels.begin(), pixels.end(), previous_.begin(), [](uint32_t pixel) { return pixel & kRgb; });
    file_.Put(change.box, indices, palette, /*is_shared=*/uses_first, Time(next_) - Time(picture));
  }

  void Finish() override {
    if (pictures_ == 0) ThrowNoPicture(path_);
    file_.Commit();
  }

 private:
  /// When a picture appears, in hundredths of a second: rounded once, so that errors do not add up.
  int Time(int picture) const { return static_cast<int>(std::lround(100.0 * picture / format_.fps)); }

  Change Compare(std::span<const uint32_t> pixels) const {
    Change change{{}, {}, {format_.width, format_.height, 0, 0}};
    GifBox& box = change.box;
    size_t i = 0;
    uint64_t* count = nullptr;
    uint64_t key = ~0ull;  // of `count`
    for (int y = 0; y < format_.height; ++y)
      for (int x = 0; x < format_.width; ++x, ++i) {
        const uint32_t color = pixels[i] & kRgb;
        if (color == shown_[i]) continue;
        const bool is_stale = color == previous_[i];
        if (const uint64_t wanted = color | static_cast<uint64_t>(is_stale) << 32; wanted != key) {
          key = wanted;
          count = &(is_stale ? change.stale : change.changed)[color];
        }
        ++*count;
        box.left = std::min(box.left, x), box.right = std::max(box.right, x + 1);
        box.top = std::min(box.top, y), box.bottom = y + 1;
      }
    if (change.NumColors() == 0) box = {0, 0, 1, 1};  // a picture has to have a pixel
    return change;
  }

  GifPalette Choose(const Change& change, std::span<const uint32_t> pixels) const {
    GifPalette palette;
    if (change.NumColors() >= kMostColors) {
      if (auto all = ColorsWithin(change.box, pixels)) return {*all, std::nullopt};
    }
    auto wanted = MostFrequentFirst(change.changed);
    if (wanted.size() >= kMostColors) {
      palette.colors = ReduceColors(wanted, kMostColors - 1);
    } else {
      for (const CountedColor& counted : wanted) palette.colors.push_back(counted.color);
      for (const CountedColor& counted : MostFrequentFirst(change.stale)) {
        if (change.changed.contains(counted.color)) continue;
        if (palette.colors.size() == kMostColors - 1) break;
        palette.colors.push_back(counted.color);
      }
    }
    palette.transparent = static_cast<int>(palette.colors.size());
    return palette;
  }

  /// Colours of the whole box, unless there are too many.
  std::optional<std::vector<uint32_t>> ColorsWithin(const GifBox& box, std::span<const uint32_t> pixels) const {
    std::unordered_set<uint32_t> colors;
    for (int y = box.top; y < box.bottom; ++y)
      for (int x = box.left; x < box.right; ++x) {
        colors.insert(pixels[At(x, y)] & kRgb);
        if (colors.size() > kMostColors) return std::nullopt;
      }
    std::vector<uint32_t> sorted(colors.begin(), colors.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

  /// Indices of the box's pixels; keeps what is shown then.
  std::vector<uint8_t> Draw(const GifBox& box, const GifPalette& palette, std::span<const uint32_t> pixels) {
    std::unordered_map<uint32_t, int> index;
    for (size_t i = 0; i < palette.colors.size(); ++i) index.emplace(palette.colors[i], static_cast<int>(i));
    std::vector<uint8_t> indices;
    for (int y = box.top; y < box.bottom; ++y)
      for (int x = box.left; x < box.right; ++x) {
        const size_t at = At(x, y);
        const uint32_t color = pixels[at] & kRgb;
        const bool is_changed = color != previous_[at];
        auto found = index.end();
        if (!palette.transparent || color != shown_[at]) found = index.find(color);
        if (found == index.end() && is_changed && color != shown_[at])
          found = index.emplace(color, static_cast<int>(NearestColor(palette.colors, color))).first;
        indices.push_back(static_cast<uint8_t>(found == index.end() ? *palette.transparent : found->second));
        if (found != index.end()) shown_[at] = palette.colors[static_cast<size_t>(found->second)];
      }
    return indices;
  }

  size_t At(int x, int y) const {
    return static_cast<size_t>(y) * static_cast<size_t>(format_.width) + static_cast<size_t>(x);
  }

  const std::string path_;
  const PictureFormat format_;
  GifFile file_;
  GifPalette first_;
  std::vector<uint32_t> previous_, shown_;  // colours wanted by the picture before, and what a player shows
  int pictures_ = 0, next_ = 0;             // added so far; the next one that is written
};

}  // namespace

std::unique_ptr<Recorder> MakeGifRecorder(const std::string& path, const PictureFormat& format) {
  return std::make_unique<GifRecorder>(path, format);
}

}  // namespace lethe::tools
