#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kLine = 18, kCell = 13, kSamples = 5;

}  // namespace

double LegendHeight() { return kLine * 5; }

void DrawLegend(const Box& box, Canvas& canvas) {
  const TextStyle style = {.size = 11, .color = kFaint};
  double y = box.y;
  const double text = box.x + kSamples * (kCell + 1) + 10;
  const auto line = [&](const char* meaning) {
    DrawFitting({text, y}, meaning, box.right() - text, style, canvas);
    y += kLine;
  };
  const auto cell = [&](double i) { return Box{box.x + i * (kCell + 1), y, kCell, kCell}; };
  for (double i = 0; i < kSamples; ++i) canvas.Fill(cell(i), Warmth(i / (kSamples - 1)));
  line("colour: how long it is still kept");
  for (double i = 0; i < kSamples; ++i) canvas.Fill(cell(i), MemoryColor(0.6, i / (kSamples - 1)));
  line("bright: attention now");
  canvas.Fill(cell(0), MemoryColor(0.1, 0.7));
  canvas.Hatch(cell(0), kBackground);
  line("hatched: fading, on the ramp");
  for (double i = 0; i < kSamples; ++i) canvas.Fill(cell(i), Mix(kDead, kEmber, 1 - i / (kSamples - 1)));
  line("forgotten: just now, long ago");
  canvas.Fill(cell(0), MemoryColor(0.6, 0.7));
  canvas.Fill({box.x + kCell - 4, y, 4, 4}, kCue);
  line("white corner: needed later");
}

}  // namespace lethe::tools
