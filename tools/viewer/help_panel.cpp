#include <fmt/format.h>

#include <algorithm>

#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kMargin = 14;
constexpr double kLinesPerPoint = 1.4;  // height of a line for a size of text

std::vector<std::pair<std::string, std::string>> Lines(bool is_person) {
  std::vector<std::pair<std::string, std::string>> lines;
  if (is_person) lines.emplace_back("arrows, W A S D, Space, digits", "the action of that name or number");
  for (const KeyBinding& binding : KeyBindings()) {
    std::string keys;
    for (const std::string& key : binding.keys) {
      if (ControlOf(key, is_person) != binding.control) continue;
      keys += (keys.empty() ? "" : "  ") + key;
    }
    if (!keys.empty()) lines.emplace_back(keys, binding.help);
  }
  for (const auto& line : MouseHelp()) lines.push_back(line);
  return lines;
}

}  // namespace

void DrawHelp(bool is_person, const Box& box, Canvas& canvas, Zones& zones) {
  const auto lines = Lines(is_person);
  const double room = (box.h - 2 * kMargin) / static_cast<double>(lines.size() + 2);  // for a line
  const int size = static_cast<int>(std::clamp(room / kLinesPerPoint, 7.0, 13.0));
  const TextStyle key = {.size = size, .bold = true, .color = kAccent}, text = {.size = size, .color = kText};
  double keys = 0, texts = 0;
  for (const auto& [left, right] : lines)
    keys = std::max(keys, canvas.Width(left, key)), texts = std::max(texts, canvas.Width(right, text));
  const double line = std::min(room, canvas.LineHeight(text) + 3);
  const double width = std::min(box.w, keys + texts + 72);
  const double height = std::min(box.h, line * static_cast<double>(lines.size() + 2) + 2 * kMargin);
  const Box sheet = {box.x + (box.w - width) / 2, box.y + (box.h - height) / 2, width, height};
  canvas.Fill(box, {0, 0, 0, 140});
  canvas.Fill(sheet, kPanel);
  canvas.Outline(sheet, kAccent, 2);
  canvas.Clip(sheet.Inset(4));
  double y = sheet.y + kMargin;
  canvas.Text({sheet.x + 24, y}, "Keys and mouse", {.size = size + 2, .bold = true, .color = kText});
  y += line * 1.5;
  for (const auto& [left, right] : lines) {
    canvas.Text({sheet.x + 24, y}, left, key);
    canvas.Text({sheet.x + 24 + keys + 24, y}, right, text);
    y += line;
  }
  canvas.Clip(std::nullopt);
  zones.Cover(box);
  zones.AddControl(sheet, Control::kHelp);
}

}  // namespace lethe::tools
