#include <fmt/format.h>

#include <algorithm>

#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

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
  const TextStyle key = {.size = 13, .bold = true, .color = kAccent}, text = {.size = 13, .color = kText};
  double keys = 0, texts = 0;
  for (const auto& [left, right] : lines)
    keys = std::max(keys, canvas.Width(left, key)), texts = std::max(texts, canvas.Width(right, text));
  const double line = canvas.LineHeight(text) + 3;
  const double width = std::min(box.w, keys + texts + 72),
               height = std::min(box.h, line * static_cast<double>(lines.size() + 2) + 28);
  const Box sheet = {box.x + (box.w - width) / 2, box.y + (box.h - height) / 2, width, height};
  canvas.Fill(box, {0, 0, 0, 140});
  canvas.Fill(sheet, kPanel);
  canvas.Outline(sheet, kAccent, 2);
  canvas.Clip(sheet.Inset(4));
  double y = sheet.y + 14;
  canvas.Text({sheet.x + 24, y}, "Keys and mouse", {.size = 15, .bold = true, .color = kText});
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
