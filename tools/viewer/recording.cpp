#include "tools/viewer/recording.h"

#include <algorithm>
#include <cmath>

#include "tools/viewer/canvas.h"
#include "tools/viewer/describe.h"
#include "tools/viewer/draw.h"
#include "tools/viewer/recorder.h"
#include "tools/viewer/recorder_kinds.h"

namespace lethe::tools {
namespace {

constexpr double kMostPictures = 25;  // a second
constexpr double kRestSeconds = 1;

/// Draws the session as it is and writes it.
class Camera {
 public:
  Camera(Session& session, const RecordingOptions& options, double fps)
      : session_(session),
        canvas_(options.width, options.height, options.scale),
        recorder_(MakeRecorder(options.path, options.width, options.height, fps)) {}

  void Shoot(int64_t times = 1) {
    Describe(session_, {-1, -1}, frame_);
    Draw(frame_, canvas_, zones_);
    for (; times > 0; --times, ++pictures_) recorder_->Add(canvas_.Pixels());
  }
  int64_t Finish() {
    recorder_->Finish();
    return pictures_;
  }

 private:
  Session& session_;
  Canvas canvas_;
  const std::unique_ptr<Recorder> recorder_;
  Frame frame_;
  Zones zones_;
  int64_t pictures_ = 0;
};

}  // namespace

int64_t Record(Session& session, const RecordingOptions& options) {
  const double fps = std::min(options.steps_per_second, kMostPictures);
  const double steps_per_picture = std::isinf(options.steps_per_second) ? 1 : options.steps_per_second / fps;
  const bool is_single = options.path.ends_with(".png") && !NumberedPath(options.path).has_number();
  Camera camera(session, options, fps);
  const auto stopped = [&] { return options.stop && options.stop(); };
  for (int64_t episode = 0; episode < options.episodes && !stopped(); ++episode) {
    if (episode > 0) session.Begin(session.seed(), session.number() + 1);
    if (!is_single) camera.Shoot();
    double due = 0;
    for (bool goes_on = true; goes_on && !stopped();) {
      for (due += steps_per_picture; due >= 1 && goes_on; due -= 1)
        goes_on = session.step() != options.last_step && session.PlayStep();
      if (goes_on && !is_single) camera.Shoot();
    }
    const auto rest = static_cast<int64_t>(std::lround(kRestSeconds * fps));
    camera.Shoot(is_single ? 1 : std::max<int64_t>(1, rest));
  }
  return camera.Finish();
}

}  // namespace lethe::tools
