#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/viewer/viewed_run.h"
#include "tools/viewer/canvas.h"
#include "tools/viewer/describe.h"
#include "tools/viewer/draw.h"
#include "tools/viewer/pointer.h"
#include "tools/viewer/session.h"

namespace lethe::tests {

/// The line of the weights' age, which differs from second to second.
constexpr int kStatusFirst = 34, kStatusLast = 53;

inline Image WithoutStatus(Image image) {
  const auto row = [&](int y) { return image.pixels.begin() + std::min(y, image.height) * image.width; };
  std::fill(row(kStatusFirst), row(kStatusLast), 0xFF000000);
  return image;
}

/// Where two pictures differ.
inline testing::AssertionResult Same(const Image& a, const Image& b) {
  if (a == b) return testing::AssertionSuccess();
  if (a.width != b.width || a.height != b.height)
    return testing::AssertionFailure() << a.width << "x" << a.height << " and " << b.width << "x" << b.height;
  int left = a.width, right = -1, top = -1, bottom = -1, count = 0;
  for (int i = 0; i < a.width * a.height; ++i) {
    if (a.pixels[static_cast<size_t>(i)] == b.pixels[static_cast<size_t>(i)]) continue;
    left = std::min(left, i % a.width), right = std::max(right, i % a.width);
    top = top < 0 ? i / a.width : top, bottom = i / a.width;
    ++count;
  }
  return testing::AssertionFailure() << count << " pixels differ, in columns " << left << ".." << right << ", rows "
                                     << top << ".." << bottom;
}

/// What the program shows, made inside the test: the same session, told what the program was told.
class Twin {
 public:
  using Players = std::vector<std::unique_ptr<tools::Player>>;

  Twin(Players players, int width, int height)
      : session(std::move(players)), canvas_(std::make_unique<tools::Canvas>(width, height)) {}

  tools::Session session;
  tools::Pointer pointer;

  void Play(int64_t steps) {
    for (; steps > 0; --steps) session.PlayStep();
  }
  Image Draw() {
    session.Advance(0, [] { return true; });
    tools::Describe(session, pointer.place(), frame_);
    tools::Draw(frame_, *canvas_, zones_);
    pointer.Stay(zones_, session);
    const auto pixels = canvas_->Pixels();
    return {canvas_->width(), canvas_->height(), {pixels.begin(), pixels.end()}};
  }
  void Resize(int width, int height) { canvas_->Resize(width, height, canvas_->scale()); }

  void MoveTo(tools::Point to) { pointer.Move(to, zones_, session); }
  void Press(tools::Point at) {
    if (const auto control = pointer.Press(at, zones_, session)) session.Apply(*control);
  }

  /// A place of the latest drawing to point at. Errors: std::runtime_error where there is none.
  tools::Point PlaceOf(const tools::MemoryPlace& memory) const {
    return Middle([&](const auto& zone) { return zone.memory == memory; });
  }
  tools::Point PlaceOf(tools::Control control) const {
    return Middle([&](const auto& zone) { return zone.control == control; });
  }
  /// share: 0 for the left end.
  tools::Point TimelineAt(double share) const {
    const auto& box = Find([](const auto& zone) { return zone.last_step >= 0; }).box;
    return {std::floor(box.x + share * (box.w - 1)), std::floor(box.y + box.h / 2)};
  }

 private:
  using Zone = tools::Zones::Zone;
  const Zone& Find(const std::function<bool(const Zone&)>& is) const {
    const auto zone = std::ranges::find_if(zones_.all(), is);
    if (zone == zones_.all().end()) throw std::runtime_error("there is nothing of that kind to point at");
    return *zone;
  }
  tools::Point Middle(const std::function<bool(const Zone&)>& is) const {
    const auto& box = Find(is).box;
    return {std::floor(box.x + box.w / 2), std::floor(box.y + box.h / 2)};
  }

  std::unique_ptr<tools::Canvas> canvas_;
  tools::Frame frame_;
  tools::Zones zones_;
};

inline Twin::Players OnePlayer(std::unique_ptr<tools::Player> player) {
  Twin::Players players;
  players.push_back(std::move(player));
  return players;
}
/// A run, as `lethe view run overrides` shows it.
inline Twin TwinOfRun(const std::string& run, int width, int height, const std::vector<std::string>& overrides = {}) {
  return Twin(OnePlayer(tools::MakeRunPlayer(run, overrides)), width, height);
}
inline Twin TwinOfEnv(const std::string& id, int width, int height, const std::vector<std::string>& overrides = {},
                      bool is_person = false) {
  return Twin(OnePlayer(tools::MakeEnvPlayer(id, overrides, is_person)), width, height);
}

}  // namespace lethe::tests
